import { toNumbers } from './elements.js';
import { toBytes } from './layout.js';
import type { ModelManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import type { Pooling } from './raw-schema.js';
import type { TensorSignature } from './signature.js';
import type { TaskPlan } from './task-plan.js';
import { isFloat, type Payload, type RowTensor, rowShape, rowStarts } from './tensor.js';

/** Names of inputs that say which tokens of a row are padding. */
export const MASK_NAME = /mask/i;
/** A vector shorter than this is divided by it instead of by its length, as by `torch.nn.functional.normalize`. */
const LEAST_NORM = 1e-12;

/**
 * A row's vector: the output that the manifest names, else the first that is one. With `pooling`, the first with a vector
 * for each token, of which it makes one.
 * @throws InferError MODEL_MANIFEST when no output, or the named one, is of this form.
 */
export function planEmbedding(
  manifest: ModelManifest,
  outputs: readonly TensorSignature[],
  label: string,
): TaskPlan {
  const { pooling, normalize = false, output } = manifest;
  const fits = pooling === undefined ? isVector : isVectors;
  const found = output === undefined ? outputs.find(fits) : outputs.find(({ name }) => name === output);
  if (found === undefined || !fits(found))
    throw unfit(found === undefined ? outputs : [found], found === undefined, pooling, label);
  const { name } = found;
  const shape = found.shape.slice(-1);
  const plain = pooling === undefined && !normalize;
  return {
    outputs: [{ ...found, shape, ...(plain ? {} : { type: 'float32' as const }) }],
    apply: ({ rows, tensors }, _most, input) => {
      const own = tensors.filter((tensor) => tensor.name === name);
      const made = own.map((tensor) => {
        if (plain) return vectorOf(tensor);
        const vectors = rowVectors(tensor, rows, pooling, input);
        return floats(name, normalize ? vectors.map(normalized) : vectors);
      });
      return { outputs: { rows, tensors: made }, failed: [] };
    },
  };
}

function unfit(
  shown: readonly TensorSignature[],
  any: boolean,
  pooling: Pooling | undefined,
  label: string,
): Error {
  const shapes = shown.map(
    ({ name, type, shape }) => `${name} ${type} [${shape.map((dim) => dim ?? '?').join(',')}]`,
  );
  const which = any ? 'no output of the model is one' : 'this output is not one';
  if (pooling !== undefined) {
    return manifestError(
      label,
      `field pooling: ${pooling} needs a vector of floats for each token, and ${which}: a row has ${shapes.join(', ')}`,
      'leave pooling out, or name another output',
    );
  }
  return manifestError(
    label,
    `field task: an embedding is one vector of floats a row, and ${which}: a row has ${shapes.join(', ')}`,
    'where a row has a vector for each token, write "pooling": "mean" (or cls, last); or name another output',
  );
}

/** Floats of one axis; a model of one row a run may have its batch of 1 in front. */
export function isVector({ type, shape, shared }: TensorSignature): boolean {
  return isFloat(type) && !shared && (shape.length === 1 || (shape.length === 2 && shape[0] === 1));
}

/** Floats of two axes: tokens and the elements of their vectors. */
export function isVectors({ type, shape, shared }: TensorSignature): boolean {
  const axes = shape[0] === 1 ? shape.length - 1 : shape.length;
  return isFloat(type) && !shared && axes === 2;
}

/** Rows of one length are one matrix; where they differ (an open length), each keeps its own. */
function vectorOf(tensor: RowTensor): RowTensor {
  const { shape, shapes } = tensor;
  if (shapes === undefined) return { ...tensor, shape: shape.slice(-1) };
  return { ...tensor, shapes: shapes.map((one) => one.slice(-1)) };
}

/** The vector of each row, pooled where a row has several. */
function rowVectors(
  tensor: RowTensor,
  rows: number,
  pooling: Pooling | undefined,
  input: Payload | undefined,
): Float32Array[] {
  const values = toNumbers(tensor.type, tensor.data) as ArrayLike<number>;
  const starts = rowStarts(tensor, rows);
  const mask = input?.tensors.find(({ name, shared }) => MASK_NAME.test(name) && shared !== true);
  const bits =
    mask === undefined ? undefined : (toNumbers(mask.type, mask.data) as ArrayLike<number | bigint>);
  const bitsFrom = mask === undefined ? [] : rowStarts(mask, rows);
  return Array.from({ length: rows }, (_, row) => {
    const start = starts[row] as number;
    const size = rowShape(tensor, row).at(-1) ?? 0;
    if (pooling === undefined)
      return Float32Array.from({ length: size }, (_, i) => values[start + i] as number);
    const count = size === 0 ? 0 : ((starts[row + 1] as number) - start) / size;
    const isToken = (at: number) => bits === undefined || Number(bits[(bitsFrom[row] as number) + at]) !== 0;
    const places = Array.from({ length: count }, (_, at) => at).filter(isToken);
    return pooled(values, start, size, pooling === 'mean' ? places : places.slice(...ENDS[pooling]));
  });
}

/** The token of which a row's vector is taken: as bounds for `slice`. */
const ENDS: Record<Exclude<Pooling, 'mean'>, [number, number?]> = { cls: [0, 1], last: [-1] };

/** The mean of the vectors at these places; zeros where there are none, as in sentence-transformers. */
function pooled(
  values: ArrayLike<number>,
  start: number,
  size: number,
  places: readonly number[],
): Float32Array {
  const sums = new Float64Array(size);
  for (const place of places) {
    const from = start + place * size;
    for (let i = 0; i < size; i++) sums[i] = (sums[i] as number) + (values[from + i] as number);
  }
  return Float32Array.from(sums, (sum) => sum / Math.max(1, places.length));
}

/** A vector divided by its length. */
function normalized(vector: Float32Array): Float32Array {
  const norm = Math.max(LEAST_NORM, Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)));
  return vector.map((value) => value / norm);
}

/** Vectors of one length are one matrix, as for a model with a fixed size of vectors. */
function floats(name: string, vectors: readonly Float32Array[]): RowTensor {
  const lengths = vectors.map(({ length }) => [length]);
  const [first = 0] = lengths[0] ?? [];
  const data = Buffer.concat(vectors.map(toBytes));
  if (lengths.every(([length]) => length === first)) return { name, type: 'float32', shape: [first], data };
  return { name, type: 'float32', shape: [], shapes: lengths, data };
}
