import { fromHalf, toNumbers } from './elements.js';
import { shortFloat } from './float-text.js';
import type { TensorData } from './layout.js';
import {
  type DataType,
  decodeStrings,
  ELEMENT_BYTES,
  elementCount,
  type Payload,
  type RowTensor,
  rowShape,
  rowStarts,
  splitRows,
} from './tensor.js';

/** Reads element `index` of a tensor. */
type Reader = (index: number) => unknown;

/**
 * `exact`, for programs: NaN and infinities are numbers, integers beyond 2^53 bigints. `json`: values without
 * a JSON number are text, as in the JSON mapping of Protocol Buffers; input accepts the same. `typed`: as
 * `exact`, but an output of a model is a `TypedValue`.
 */
export type ValueForm = 'exact' | 'json' | 'typed';

/** An output of a row as it is, in row-major order. */
export interface TypedValue {
  type: DataType;
  shape: number[];
  /** float16 as a Float32Array of its numbers, booleans as a Uint8Array, 64-bit integers as bigints. */
  data: TensorData;
}

/** `{"class": 3, "confidence": 0.99}`, nested arrays for shapes, or a handler's answer. */
export type RowValue = unknown;

/**
 * The rows of a result as plain values: an object of named outputs per row, nested arrays in the row's own
 * shape, scalars bare. A handler's answer is the row itself, JSON in either form.
 */
export function rowValues(payload: Payload, form: ValueForm): RowValue[] {
  const only = payload.tensors[0];
  if (only?.role === 'json') {
    return decodeStrings(only.data).map((text) => JSON.parse(text) as unknown);
  }
  if (form === 'typed' && only?.role !== 'class') return typedRows(payload);
  const columns = payload.tensors.map((tensor) => ({
    tensor,
    read: readerOf(tensor, form),
    starts: tensor.shared ? [] : rowStarts(tensor, payload.rows),
  }));
  return Array.from({ length: payload.rows }, (_, row) => {
    const value: Record<string, unknown> = {};
    for (const { tensor, read, starts } of columns) {
      const shape = rowShape(tensor, row);
      const list = nested(read, shape, starts[row] ?? 0);
      if (elementCount(shape) > LONG_LIST) types.set(list as object, tensor.type);
      setField(value, tensor.name, list);
    }
    return value;
  });
}

function typedRows(payload: Payload): RowValue[] {
  const rows = splitRows(payload, new Array<number>(payload.rows).fill(1));
  return rows.map(({ tensors }) => {
    const value: Record<string, unknown> = {};
    for (const { name, type, shape, data } of tensors) {
      const typed: TypedValue = { type, shape, data: toNumbers(type, data) };
      setField(value, name, typed);
    }
    return value;
  });
}

/** A list of more elements is shortened where people read it, as NumPy does. */
const LONG_LIST = 1000;

/** The types of long lists, which a list does not tell. */
const types = new WeakMap<object, DataType>();

/** Whether a value that `rowValues` made is a list of more than 1,000 elements. */
export function isLongList(list: object): boolean {
  return types.has(list);
}

export function typeOfList(list: object): DataType | undefined {
  return types.get(list);
}

/** Elements from `from` on as nested arrays of a shape; a scalar bare. */
export function nested(read: Reader, shape: readonly number[], from: number): unknown {
  const dim = shape[0];
  if (dim === undefined) return read(from);
  const inner = shape.slice(1);
  const step = elementCount(inner);
  return Array.from({ length: dim }, (_, i) => nested(read, inner, from + i * step));
}

/** Assigning to `__proto__` would set the prototype and lose the value. */
function setField(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') target[name] = value;
  else Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}

/** Reads the elements of a tensor as values of a form. */
export function readerOf(tensor: RowTensor, form: ValueForm): Reader {
  if (tensor.type === 'string') {
    const values = decodeStrings(tensor.data);
    return (i) => values[i];
  }
  const { data, type } = tensor;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const bytes = ELEMENT_BYTES[type];
  if (type === 'bool') return (i) => view.getUint8(i) !== 0;
  const read = NUMBER_READERS[type];
  if (form !== 'json') return (i) => read(view, i * bytes);
  return (i) => jsonNumber(read(view, i * bytes));
}

type NumberReader = (view: DataView, at: number) => number | bigint;

const NUMBER_READERS: Record<Exclude<DataType, 'string' | 'bool'>, NumberReader> = {
  float32: (view, at) => shortFloat(view.getFloat32(at, true)),
  float64: (view, at) => view.getFloat64(at, true),
  float16: (view, at) => fromHalf(view.getUint16(at, true)),
  int8: (view, at) => view.getInt8(at),
  uint8: (view, at) => view.getUint8(at),
  int16: (view, at) => view.getInt16(at, true),
  uint16: (view, at) => view.getUint16(at, true),
  int32: (view, at) => view.getInt32(at, true),
  uint32: (view, at) => view.getUint32(at, true),
  int64: (view, at) => exactInteger(view.getBigInt64(at, true)),
  uint64: (view, at) => exactInteger(view.getBigUint64(at, true)),
};

/** A number if JSON has one for it, else its text: `"NaN"`, `"-Infinity"`, `"9007199254740993"`. */
export function jsonNumber(value: number | bigint): number | string {
  const exact = exactInteger(value);
  return typeof exact === 'number' && Number.isFinite(exact) ? exact : exact.toString();
}

/** A bigint as a number if that is exact. */
function exactInteger(value: number | bigint): number | bigint {
  if (typeof value === 'number') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
