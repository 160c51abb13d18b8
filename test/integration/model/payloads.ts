import { type TensorData, toBytes, toElements } from '../../../src/lib/model/layout.js';
import { type DataType, encodeStrings, type Payload, type RowTensor } from '../../../src/lib/model/tensor.js';

/** A tensor of `rows` rows from flat numbers (bigint for int64) or strings. */
export function rowTensor(
  name: string,
  type: DataType,
  shape: number[],
  values: readonly (number | bigint)[] | string[],
): RowTensor {
  return { name, type, shape, data: bytesOf(type, values) };
}

/** `{...rowTensor, shared: true}`: one value for all rows. */
export function sharedTensor(
  name: string,
  type: DataType,
  shape: number[],
  values: readonly (number | bigint)[],
): RowTensor {
  return { name, type, shape, shared: true, data: bytesOf(type, values) };
}

export function payload(rows: number, ...tensors: RowTensor[]): Payload {
  return { rows, tensors };
}

function bytesOf(type: DataType, values: readonly (number | bigint)[] | string[]): Uint8Array {
  if (type === 'string') return encodeStrings(values as string[]);
  const numbers = values as readonly number[];
  if (type === 'int64') return toBytes(BigInt64Array.from(values as readonly bigint[]));
  const made: Partial<Record<DataType, TensorData>> = {
    float32: Float32Array.from(numbers),
    float64: Float64Array.from(numbers),
    int32: Int32Array.from(numbers),
    uint8: Uint8Array.from(numbers),
    float16: Uint16Array.from(numbers),
  };
  return toBytes(made[type] as TensorData);
}

/** The elements of one output of a result, rows one after another. */
export function output(result: Payload, name: string): (number | bigint)[] {
  const tensor = result.tensors.find((one) => one.name === name);
  if (tensor === undefined) throw new Error(`no output ${name}`);
  return [...(toElements(tensor.type, tensor.data) as Float32Array)];
}
