import { toBytes, toElements } from './layout.js';
import type { TensorSignature } from './signature.js';
import { ELEMENT_BYTES, elementCount, encodeStrings } from './tensor.js';

/**
 * One row of an input from what JavaScript code returns: nested arrays (their nesting is the shape),
 * a flat array or typed array (the signature's shape, at most one open dimension worked out), one
 * bare value for a scalar, or `{shape, data}`.
 * @throws Error naming the input when counts, shape or an element do not fit.
 */
export function fromArray(input: TensorSignature, value: unknown): { shape: number[]; data: Uint8Array } {
  if (isShaped(value)) return build(input, flatten(value.data), value.shape);
  if (Array.isArray(value) && Array.isArray(value[0]))
    return build(input, value.flat(Infinity), nesting(value));
  const flat = flatten(value);
  return build(input, flat, resolveShape(input, flat.length));
}

function isShaped(value: unknown): value is { shape: number[]; data: unknown } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'shape' in value &&
    'data' in value &&
    Array.isArray(value.shape)
  );
}

function flatten(value: unknown): ArrayLike<unknown> {
  if (Array.isArray(value)) return value;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    return value as unknown as ArrayLike<unknown>;
  return [value];
}

function nesting(value: unknown[]): number[] {
  const shape: number[] = [];
  let level: unknown = value;
  while (Array.isArray(level)) {
    shape.push(level.length);
    level = level[0];
  }
  return shape;
}

function resolveShape(input: TensorSignature, count: number): number[] {
  const open = input.shape.filter((dim) => dim === null).length;
  if (open === 0) return input.shape as number[];
  if (open > 1)
    throw new Error(`input ${input.name} has ${open} open dimensions: return nested arrays or {shape, data}`);
  const fixed = elementCount(input.shape.map((dim) => dim ?? 1));
  return input.shape.map((dim) => dim ?? count / fixed);
}

function build(
  input: TensorSignature,
  flat: ArrayLike<unknown>,
  shape: number[],
): { shape: number[]; data: Uint8Array } {
  const fits =
    shape.length === input.shape.length &&
    shape.every(
      (dim, i) => Number.isInteger(dim) && dim >= 0 && (input.shape[i] === null || input.shape[i] === dim),
    );
  if (!fits || elementCount(shape) !== flat.length) {
    const expected = input.shape.map((dim) => dim ?? 'any').join(',');
    throw new Error(
      `input ${input.name} needs shape [${expected}], got [${shape.join(',')}] with ${flat.length} element(s)`,
    );
  }
  return { shape, data: encode(input, flat) };
}

function encode(input: TensorSignature, flat: ArrayLike<unknown>): Uint8Array {
  if (input.type === 'string') return encodeStrings(Array.from(flat, String));
  if (input.type === 'float16') {
    if (flat instanceof Uint16Array) return toBytes(flat);
    throw new Error(`input ${input.name} is float16: return its bits in a Uint16Array`);
  }
  const big = input.type === 'int64' || input.type === 'uint64';
  const elements = toElements(
    input.type,
    new Uint8Array(flat.length * ELEMENT_BYTES[input.type]),
  ) as unknown as Record<number, unknown>;
  for (let i = 0; i < flat.length; i++) {
    const value = flat[i];
    if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'boolean') {
      throw new Error(`input ${input.name}: element ${i} is not a number`);
    }
    elements[i] = big ? BigInt(value) : Number(value);
  }
  return toBytes(elements as unknown as Float32Array);
}
