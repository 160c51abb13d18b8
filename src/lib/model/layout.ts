import { InferError } from '../core/errors.js';
import {
  type DataType,
  decodeStrings,
  ELEMENT_BYTES,
  elementCount,
  encodeStrings,
  type RowTensor,
} from './tensor.js';

export type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;
export type TensorData = NumberArray | string[];

/** A tensor in ONNX Runtime's form: the model's own layout, float16 as its bits. */
export interface HostTensor {
  type: DataType;
  dims: number[];
  data: TensorData;
}

type Constructor = {
  new (buffer: ArrayBufferLike, offset: number, length: number): NumberArray;
  new (length: number): NumberArray;
};

/** The typed array of each element type; float16 is stored as its bits, bool as bytes. */
export const ARRAYS: Record<Exclude<DataType, 'string'>, Constructor> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as Record<Exclude<DataType, 'string'>, Constructor>;

/** Elements over little-endian bytes: sharing memory if the alignment allows it, else a copy. */
export function toElements(type: DataType, bytes: Uint8Array): TensorData {
  if (type === 'string') return decodeStrings(bytes);
  const size = ELEMENT_BYTES[type];
  const aligned = bytes.byteOffset % size === 0 ? bytes : Uint8Array.from(bytes);
  return new ARRAYS[type](aligned.buffer, aligned.byteOffset, aligned.byteLength / size);
}

/** The reverse of `toElements`; numbers share memory. */
export function toBytes(data: TensorData): Uint8Array {
  if (Array.isArray(data)) return encodeStrings(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** `count` zeros, or empty strings. */
export function zeros(type: DataType, count: number): TensorData {
  return type === 'string' ? new Array<string>(count).fill('') : new ARRAYS[type](count);
}

/**
 * Converts rows-first bytes to the model's layout. `axis` is the batch axis of the model's own shape; null
 * for a shared tensor or a model that takes one row: the shape is passed unchanged. Axis 0 shares memory with
 * the input; any other axis is transposed.
 * @throws InferError TENSOR_BYTES when the bytes do not fill the shape.
 */
export function toModel(tensor: RowTensor, rows: number, axis: number | null): HostTensor {
  const count = elementCount(tensor.shape) * (axis === null ? 1 : rows);
  const data = toElements(tensor.type, tensor.data);
  if (data.length !== count) {
    throw new InferError(
      'TENSOR_BYTES',
      `input ${tensor.name} holds ${data.length} elements where ${rows} row(s) of [${tensor.shape.join(',')}] need ${count}`,
    );
  }
  if (Array.isArray(data) && data.some((text) => text.includes('\0'))) {
    // The native side takes C strings and would silently cut the text at the NUL.
    throw new InferError('TENSOR_BYTES', `input ${tensor.name} holds a string with a NUL character`);
  }
  if (axis === null) return { type: tensor.type, dims: [...tensor.shape], data };
  const dims = [...tensor.shape.slice(0, axis), rows, ...tensor.shape.slice(axis)];
  return { type: tensor.type, dims, data: moveRows(data, tensor.type, tensor.shape, axis, rows, 'in') };
}

/**
 * A model's output as rows-first bytes; `axis` as in `toModel`.
 * @throws InferError RUN_FAILED when the output has a different number of rows than the input.
 */
export function fromModel(name: string, tensor: HostTensor, rows: number, axis: number | null): RowTensor {
  if (axis === null) return { name, type: tensor.type, shape: [...tensor.dims], data: toBytes(tensor.data) };
  if (tensor.dims[axis] !== rows) {
    throw new InferError(
      'RUN_FAILED',
      `output ${name} has shape [${tensor.dims.join(',')}]: axis ${axis} should hold ${rows} row(s)`,
      { hint: 'declare "batchable": false, or the right batchAxis, in the model\'s model.json' },
    );
  }
  const shape = tensor.dims.filter((_, index) => index !== axis);
  return {
    name,
    type: tensor.type,
    shape,
    data: toBytes(moveRows(tensor.data, tensor.type, shape, axis, rows, 'out')),
  };
}

/** Moves the row axis between position 0 and `axis`, in blocks of the elements after it. */
function moveRows(
  data: TensorData,
  type: DataType,
  shape: readonly number[],
  axis: number,
  rows: number,
  way: 'in' | 'out',
): TensorData {
  const outer = elementCount(shape.slice(0, axis));
  const inner = elementCount(shape.slice(axis));
  if (outer === 1 || rows === 1) return data;
  const moved = zeros(type, data.length);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < outer; block++) {
      const rowsFirst = (row * outer + block) * inner;
      const modelOwn = (block * rows + row) * inner;
      copyBlock(data, way === 'in' ? rowsFirst : modelOwn, moved, way === 'in' ? modelOwn : rowsFirst, inner);
    }
  }
  return moved;
}

function copyBlock(from: TensorData, at: number, to: TensorData, target: number, count: number): void {
  if (Array.isArray(from) || Array.isArray(to)) {
    for (let i = 0; i < count; i++) (to as string[])[target + i] = (from as string[])[at + i] as string;
    return;
  }
  // Both have the same type, which the union of typed arrays cannot express.
  (to as Float32Array).set((from as Float32Array).subarray(at, at + count), target);
}
