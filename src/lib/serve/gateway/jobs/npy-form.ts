import { InferError } from '../../../core/errors.js';
import { npyHeader } from '../../../core/npy-bytes.js';
import type { DataType, Payload } from '../../../model/tensor.js';

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
export function npyParts({ tensors, rows }: Payload): Uint8Array[] {
  const [tensor, another] = tensors;
  if (tensor === undefined || another !== undefined) {
    const names = tensors.map(({ name }) => name).join(', ');
    throw noNpy(`the result has ${tensors.length} outputs (${names}); an .npy file can have only one`);
  }
  const { name, type, shape, shapes, shared, data } = tensor;
  if (type === 'string') throw noNpy(`output ${name} is text`);
  if (shapes !== undefined) throw noNpy(`rows of output ${name} differ in shape`);
  const dims = shared ? shape : [rows, ...shape];
  return [npyHeader(DESCR[type], dims), data];
}

function noNpy(why: string): InferError {
  return new InferError('OUTPUT_FORM', `${why}`, { hint: 'accept application/json' });
}
