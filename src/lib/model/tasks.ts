import { InferError } from '../core/errors.js';
import { toBytes, toElements } from './layout.js';
import type { ModelManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import type { RowFailure } from './row-failure.js';
import type { TensorSignature } from './signature.js';
import { type DataType, elementCount, encodeStrings, type Payload, type RowTensor } from './tensor.js';

const FLOATS: readonly DataType[] = ['float32', 'float64', 'float16'];

/** How a model's raw outputs become those of its task; `signature` is what then is published. */
export interface TaskPlan {
  outputs: TensorSignature[];
  /** The rows that have an answer, in order, and why each other row has none. */
  apply(raw: Payload): RunOutputs;
}

export interface RunOutputs {
  outputs: Payload;
  failed: RowFailure[];
}

/**
 * `classification`: `class` int32 [] and `confidence` float32 [] per row, from the scores output that
 * the manifest names, else the first output of floats. `tensor` (the default): outputs as they are.
 * @throws InferError MODEL_MANIFEST when the manifest names an output or labels that do not fit.
 */
export function planTask(manifest: ModelManifest, outputs: TensorSignature[], label: string): TaskPlan {
  if (manifest.task !== 'classification') return { outputs, apply: (raw) => ({ outputs: raw, failed: [] }) };
  const scores = scoresOutput(manifest, outputs, label);
  const classes = scores.shape.includes(null) ? undefined : elementCount(scores.shape as number[]);
  const labels = manifest.labels?.length;
  if (labels !== undefined && classes !== undefined && labels !== classes) {
    throw manifestError(
      label,
      `field labels: ${labels} names, but output ${scores.name} has ${classes} classes`,
    );
  }
  const softmaxed = manifest.scores !== 'probabilities';
  const encoded = manifest.labels?.map((name) => encodeStrings([name]));
  const perRow = { shape: [], shared: false, batchAxis: scores.batchAxis, modelShape: [] };
  return {
    outputs: [
      { name: 'class', type: 'int32', role: 'class', ...perRow },
      { name: 'confidence', type: 'float32', ...perRow },
      ...(manifest.labels === undefined ? [] : [{ name: 'label', type: 'string' as const, ...perRow }]),
    ],
    apply: (raw) => classify(raw, scores.name, softmaxed, encoded),
  };
}

function scoresOutput(
  manifest: ModelManifest,
  outputs: readonly TensorSignature[],
  label: string,
): TensorSignature {
  const names = outputs.map((output) => output.name).join(', ');
  const found =
    manifest.output === undefined
      ? outputs.find((output) => FLOATS.includes(output.type) && !output.shared)
      : outputs.find((output) => output.name === manifest.output);
  if (found === undefined || !FLOATS.includes(found.type)) {
    throw manifestError(
      label,
      `field output: ${manifest.output ?? 'none'} is no output of floats; the model's outputs are ${names}`,
    );
  }
  return found;
}

/**
 * Class, confidence and, with `labels` (each encoded alone), the label of each row of one scores tensor (logits or
 * probabilities, any row shape). The label is stored with the result, so that it stays what it was
 * when a later version of the model renames its classes. A row whose scores hold NaN has no answer: RUN_FAILED.
 */
export function classify(
  raw: Payload,
  output: string,
  softmaxed: boolean,
  labels?: readonly Uint8Array[],
): RunOutputs {
  const tensor = raw.tensors.find((one) => one.name === output);
  if (tensor === undefined) throw new InferError('RUN_FAILED', `the model gave no output ${output}`);
  const scores = toNumbers(tensor.type, tensor.data);
  const width = elementCount(tensor.shape);
  const classes: number[] = [];
  const confidences: number[] = [];
  const failed: RowFailure[] = [];
  for (let row = 0; row < raw.rows; row++) {
    const at = row * width;
    const best = bestOf(scores, at, width);
    if (best === undefined) {
      failed.push({ row, error: new InferError('RUN_FAILED', `output ${output} holds NaN`) });
      continue;
    }
    const top = scores[at + best] as number;
    classes.push(best);
    confidences.push(softmaxed ? 1 / expSum(scores, at, width, top) : top);
  }
  const tensors: RowTensor[] = [
    {
      name: 'class',
      type: 'int32',
      shape: [],
      role: 'class',
      data: toBytes(Int32Array.from(classes)),
    },
    { name: 'confidence', type: 'float32', shape: [], data: toBytes(Float32Array.from(confidences)) },
  ];
  if (labels !== undefined) {
    const unnamed = encodeStrings(['']);
    const names = Array.from(classes, (index) => labels[index] ?? unnamed);
    tensors.push({ name: 'label', type: 'string', shape: [], data: Buffer.concat(names) });
  }
  return { outputs: { rows: classes.length, tensors }, failed };
}

/** Place of the highest of `width` scores, the first of equal ones; undefined when one is NaN. */
function bestOf(scores: ArrayLike<number>, at: number, width: number): number | undefined {
  let best = 0;
  for (let i = 0; i < width; i++) {
    const value = scores[at + i] as number;
    if (Number.isNaN(value)) return undefined;
    if (value > (scores[at + best] as number)) best = i;
  }
  return best;
}

/** Sum of exp(score - top): at least 1 and never more than `width`, so no score can overflow it. */
function expSum(scores: ArrayLike<number>, at: number, width: number, top: number): number {
  let sum = 0;
  for (let i = 0; i < width; i++) {
    const score = scores[at + i] as number;
    sum += score === top ? 1 : Math.exp(score - top);
  }
  return sum;
}

function toNumbers(type: DataType, data: Uint8Array): ArrayLike<number> {
  const elements = toElements(type, data);
  if (type !== 'float16') return elements as Float32Array;
  return Float32Array.from(elements as Uint16Array, halfToNumber);
}

/** The number an IEEE 754 half of these 16 bits stands for. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
