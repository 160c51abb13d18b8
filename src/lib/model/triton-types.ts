import type { DataType } from './tensor.js';

/** Triton's names of element types. */
export const TRITON_TYPES: Readonly<Record<DataType, string>> = {
  bool: 'TYPE_BOOL',
  uint8: 'TYPE_UINT8',
  uint16: 'TYPE_UINT16',
  uint32: 'TYPE_UINT32',
  uint64: 'TYPE_UINT64',
  int8: 'TYPE_INT8',
  int16: 'TYPE_INT16',
  int32: 'TYPE_INT32',
  int64: 'TYPE_INT64',
  float16: 'TYPE_FP16',
  float32: 'TYPE_FP32',
  float64: 'TYPE_FP64',
  string: 'TYPE_STRING',
};

export function dataTypeOf(name: string): DataType | undefined {
  const found = Object.entries(TRITON_TYPES).find(([, own]) => own === name);
  return found?.[0] as DataType | undefined;
}
