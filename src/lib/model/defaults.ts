import type { DefaultValue } from './default-value.js';
import { fromArray } from './from-array.js';
import { type TensorData, toElements } from './layout.js';
import type { ModelManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import type { TensorSignature } from './signature.js';
import { type DataType, elementCount, type RowTensor } from './tensor.js';

/** A list becomes part of every published signature: a long one belongs in the model. */
const MOST_ELEMENTS = 16_384;

const filled = new WeakMap<object, unknown>();

/** The value of an omitted input, as a submitter would have written it; undefined without a default. */
export function defaultOf(input: TensorSignature): unknown {
  const { default: value, shape } = input;
  if (value === undefined || Array.isArray(value) || shape.length === 0) return value;
  if (!filled.has(input)) filled.set(input, new Array(elementCount(shape as number[])).fill(value));
  return filled.get(input);
}

/** The default of an input as the tensor of `rows` rows. Only for an input that has one. */
export function defaultTensor(input: TensorSignature, rows: number): RowTensor {
  const { name, type, shared } = input;
  const { shape, data } = fromArray(input, defaultOf(input));
  if (shared) return { name, type, shape, shared, data };
  return { name, type, shape, data: Buffer.concat(new Array<Uint8Array>(rows).fill(data)) };
}

/** Elements of a default for one row of `shape`; undefined if it does not have that shape. */
export function defaultElements(
  { name, type }: { name: string; type: DataType },
  shape: readonly number[],
  value: DefaultValue | undefined,
): TensorData | undefined {
  if (value === undefined) return undefined;
  const input = {
    name,
    type,
    shape: [...shape],
    shared: false,
    batchAxis: null,
    modelShape: [],
    default: value,
  };
  try {
    return toElements(type, fromArray(input, defaultOf(input)).data);
  } catch {
    return undefined;
  }
}

/**
 * The inputs with the defaults that model.json gives them.
 * @throws InferError MODEL_MANIFEST for a default that the input does not accept.
 */
export function withDefaults(
  inputs: readonly TensorSignature[],
  manifest: ModelManifest,
  label: string,
): TensorSignature[] {
  return inputs.map((input) => {
    const value = manifest.inputs?.[input.name]?.default;
    if (value === undefined) return input;
    const field = `field inputs.${input.name}.default`;
    if (!Array.isArray(value) && input.shape.includes(null)) {
      const shape = input.shape.map((dim) => dim ?? '?').join(',');
      throw manifestError(
        label,
        `${field}: one value cannot fill a row of the open shape [${shape}]`,
        'give a list, or fix the open dimensions with "shape"',
      );
    }
    if (Array.isArray(value) && (value as unknown[]).flat(Number.POSITIVE_INFINITY).length > MOST_ELEMENTS) {
      throw manifestError(
        label,
        `${field}: a list of more than ${MOST_ELEMENTS} values`,
        'give one value for all elements, or make it part of the model',
      );
    }
    const own = { ...input, default: value };
    try {
      fromArray(own, defaultOf(own));
    } catch (error) {
      throw manifestError(label, `${field}: ${(error as Error).message}`);
    }
    return own;
  });
}
