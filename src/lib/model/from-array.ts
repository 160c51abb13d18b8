import { encodeElements } from './elements.js';
import { asRow, flatElements, isList, measure } from './row-shape.js';
import type { TensorSignature } from './signature.js';
import { elementCount } from './tensor.js';
import { describe, explainElement, wantedShape } from './value-words.js';

/**
 * One row of an input as returned by JavaScript code, checked like a submitter's values: nested lists (the
 * nesting is the shape), a flat list or typed array (the signature's shape, with at most one inferred open
 * dimension), one bare value for a scalar, or `{shape, data}`. float16 is given as numbers. The bytes are a
 * copy, so the code may fill the same array for the next row.
 * @param single the model takes one row per run: the leading axis of length 1 may be omitted.
 * @throws Error naming the input and the element that does not fit.
 */
export function fromArray(
  input: TensorSignature,
  value: unknown,
  single = false,
): { shape: number[]; data: Uint8Array } {
  const data = isShaped(value) ? value.data : value;
  const shape = isShaped(value)
    ? declaredShape(input, value, single)
    : rowShape(input, measure(value), single);
  if (input.type === 'float16' && data instanceof Uint16Array) {
    throw new Error(
      `input '${input.name}' is float16, for which a Uint16Array may hold bits or numbers: give a list or a Float32Array of numbers`,
    );
  }
  const dims = measure(data);
  const flat = shape === undefined ? undefined : flatElements(data, dims);
  if (shape === undefined || flat === undefined || flat.length !== elementCount(shape)) {
    const ragged = shape !== undefined && flat === undefined;
    throw new Error(
      `input '${input.name}' takes ${wantedShape(input)}, not ${ragged ? 'a ragged list' : found(value)}`,
    );
  }
  const encoded = encodeElements(input.type, flat);
  if ('data' in encoded)
    return { shape, data: ArrayBuffer.isView(flat) ? new Uint8Array(encoded.data) : encoded.data };
  const { refused } = encoded;
  const fault = explainElement(flat[refused], input.type);
  throw new Error(
    `element ${refused + 1} of input '${input.name}' is ${fault.found}; it takes ${fault.takes}: ${fault.hint}`,
  );
}

function isShaped(value: unknown): value is { shape: unknown[]; data: unknown } {
  return (
    typeof value === 'object' &&
    value !== null &&
    !isList(value) &&
    'shape' in value &&
    'data' in value &&
    Array.isArray(value.shape)
  );
}

/** The given shape, if it is the shape of one row; an empty dimension is accepted when it is explicit. */
function declaredShape(
  input: TensorSignature,
  { shape }: { shape: unknown[] },
  single: boolean,
): number[] | undefined {
  if (!shape.every((dim) => Number.isSafeInteger(dim) && (dim as number) >= 0)) return undefined;
  const dims = shape as number[];
  const fits = (one: readonly number[]) =>
    one.length === input.shape.length &&
    one.every((dim, axis) => input.shape[axis] === null || input.shape[axis] === dim);
  if (fits(dims)) return dims;
  return single && fits([1, ...dims]) ? [1, ...dims] : undefined;
}

function rowShape(input: TensorSignature, dims: readonly number[], single: boolean): number[] | undefined {
  const known = asRow(dims, input.shape) ?? withOpenDim(input, dims);
  if (known !== undefined || !single) return known;
  const [first, ...rest] = input.shape;
  const row = first === 1 || first === null ? asRow(dims, rest) : undefined;
  return row === undefined ? undefined : [1, ...row];
}

/** A flat list for a shape with one open dimension, inferred from the list's length. */
function withOpenDim({ shape }: TensorSignature, dims: readonly number[]): number[] | undefined {
  const [count] = dims;
  if (dims.length !== 1 || count === undefined || shape.filter((dim) => dim === null).length !== 1)
    return undefined;
  const open = count / elementCount(shape.map((dim) => dim ?? 1));
  return Number.isInteger(open) && open > 0 ? shape.map((dim) => dim ?? open) : undefined;
}

function found(value: unknown): string {
  if (!isShaped(value)) return describe(value);
  const shape = value.shape.slice(0, 8).map(String).join(', ');
  return `shape [${shape}] with ${describe(value.data)}`;
}
