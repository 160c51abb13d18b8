import { JSON_TENSOR } from './signature.js';
import {
  type DataType,
  decodeStrings,
  ELEMENT_BYTES,
  elementCount,
  type Payload,
  type RowTensor,
  rowShape,
  rowStarts,
} from './tensor.js';

/** Reads element `index` of a tensor as a JSON-safe value. */
type Reader = (index: number) => unknown;

/** `{"class": 3, "confidence": 0.99}`, nested arrays for shapes, or whatever a handler answered. */
export type RowValue = unknown;

/**
 * The rows of a result as plain values: an object of named outputs per row, nested arrays by the
 * row's own shape, scalars bare. Integers beyond 2^53 become strings and NaN or infinities null, since JSON has
 * neither. A handler's answer (the tensor `json`) is the row itself.
 */
export function rowValues(payload: Payload): RowValue[] {
  const only = payload.tensors[0];
  if (payload.tensors.length === 1 && only?.name === JSON_TENSOR && only.type === 'string') {
    return decodeStrings(only.data).map((text) => JSON.parse(text) as unknown);
  }
  const columns = payload.tensors.map((tensor) => ({
    tensor,
    read: readerOf(tensor),
    starts: tensor.shared ? [] : rowStarts(tensor, payload.rows),
  }));
  return Array.from({ length: payload.rows }, (_, row) => {
    const value: Record<string, unknown> = {};
    for (const { tensor, read, starts } of columns) {
      value[tensor.name] = nested(read, rowShape(tensor, row), starts[row] ?? 0);
    }
    return value;
  });
}

function nested(read: Reader, shape: readonly number[], from: number): unknown {
  const dim = shape[0];
  if (dim === undefined) return read(from);
  const inner = shape.slice(1);
  const step = elementCount(inner);
  return Array.from({ length: dim }, (_, i) => nested(read, inner, from + i * step));
}

function readerOf(tensor: RowTensor): Reader {
  if (tensor.type === 'string') {
    const values = decodeStrings(tensor.data);
    return (i) => values[i];
  }
  const { data } = tensor;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const bytes = ELEMENT_BYTES[tensor.type];
  const read = NUMBER_READERS[tensor.type];
  return (i) => read(view, i * bytes);
}

const NUMBER_READERS: Record<Exclude<DataType, 'string'>, (view: DataView, at: number) => unknown> = {
  float32: (view, at) => shortFloat(view.getFloat32(at, true)),
  float64: (view, at) => finite(view.getFloat64(at, true)),
  float16: (view, at) => halfFloat(view.getUint16(at, true)),
  int8: (view, at) => view.getInt8(at),
  uint8: (view, at) => view.getUint8(at),
  int16: (view, at) => view.getInt16(at, true),
  uint16: (view, at) => view.getUint16(at, true),
  int32: (view, at) => view.getInt32(at, true),
  uint32: (view, at) => view.getUint32(at, true),
  int64: (view, at) => safeInteger(view.getBigInt64(at, true)),
  uint64: (view, at) => safeInteger(view.getBigUint64(at, true)),
  bool: (view, at) => view.getUint8(at) !== 0,
};

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** The shortest decimal that is this float32: 7 digits mostly, 9 always (IEEE 754). */
function shortFloat(value: number): number | null {
  if (!Number.isFinite(value)) return null;
  for (let digits = 7; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}

function halfFloat(bits: number): number | null {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return null;
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

function safeInteger(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}
