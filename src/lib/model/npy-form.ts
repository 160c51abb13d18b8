import { InferError } from '../core/errors.js';
import { npyHeader } from '../core/npy-bytes.js';
import type { DataType, Payload, RowTensor } from './tensor.js';

/** NumPy's names of types, little endian. */
const DESCR: Readonly<Record<Exclude<DataType, 'string'>, string>> = {
  bool: '|b1',
  int8: '|i1',
  uint8: '|u1',
  int16: '<i2',
  uint16: '<u2',
  int32: '<i4',
  uint32: '<u4',
  int64: '<i8',
  uint64: '<u8',
  float16: '<f2',
  float32: '<f4',
  float64: '<f8',
};

/**
 * The only output of a result as an `.npy` file, rows first.
 * @returns the header and the values, not copied
 * @throws InferError OUTPUT_FORM (406) for several outputs, text, and rows that differ in shape.
 */
export function npyParts(payload: Payload): Uint8Array[] {
  const tensor = onlyArray(payload, 'accept application/json');
  const { name, shape, shapes, shared, data } = tensor;
  if (shapes !== undefined) throw noNpy(`rows of output ${name} differ in shape`, 'accept application/json');
  return [npyStart(tensor, shared ? shape : [payload.rows, ...shape]), data];
}

/** The header of an `.npy` file of this shape, with elements of the tensor's type. */
export function npyStart({ type }: RowTensor, dims: readonly number[]): Buffer {
  return npyHeader(DESCR[type as keyof typeof DESCR], dims);
}

/**
 * The one output of a result, which is numeric.
 * @param hint what to do about a result that has several, or text
 * @throws InferError OUTPUT_FORM
 */
export function onlyArray({ tensors }: Payload, hint: string): RowTensor {
  const [tensor, another] = tensors;
  if (tensor === undefined || another !== undefined) {
    const names = tensors.map(({ name }) => name).join(', ');
    throw noNpy(`the result has ${tensors.length} outputs (${names}); an .npy file can have only one`, hint);
  }
  if (tensor.role === 'json') throw noNpy('the result is JSON that a handler made', hint);
  if (tensor.type === 'string') throw noNpy(`output ${tensor.name} is text`, hint);
  return tensor;
}

export function noNpy(why: string, hint: string): InferError {
  return new InferError('OUTPUT_FORM', why, { hint });
}
