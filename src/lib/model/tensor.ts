import { badInput, InferError } from '../core/errors.js';

/** Element types, named as ONNX Runtime names them. `string` elements are UTF-8. */
export type DataType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'bool'
  | 'string';

/** Bytes of one element; strings have no fixed size and are stored as uint32 length + UTF-8. */
export const ELEMENT_BYTES: Record<DataType, number> = {
  float32: 4,
  float64: 8,
  float16: 2,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1,
  string: 0,
};

/** Open Inference Protocol names of the same types. */
export const OIP_NAMES: Record<DataType, string> = {
  float32: 'FP32',
  float64: 'FP64',
  float16: 'FP16',
  int8: 'INT8',
  uint8: 'UINT8',
  int16: 'INT16',
  uint16: 'UINT16',
  int32: 'INT32',
  uint32: 'UINT32',
  int64: 'INT64',
  uint64: 'UINT64',
  bool: 'BOOL',
  string: 'BYTES',
};

const FROM_OIP = new Map(Object.entries(OIP_NAMES).map(([type, oip]) => [oip, type as DataType]));

export function fromOipName(name: string): DataType | undefined {
  return FROM_OIP.get(name);
}

/**
 * One named tensor of a job, rows first: whatever axis the model batches along, here row 0's bytes
 * come first, then row 1's. So rows are sliced and joined by byte ranges, and only the runner, next
 * to the model, turns them to the model's own layout. Little endian, row major, no padding.
 */
export interface RowTensor {
  name: string;
  type: DataType;
  /** Shape of one row (the model's shape without its batch axis); of the whole tensor when shared. */
  shape: number[];
  /** True for an input without a batch axis (a scalar sampling rate, say): one value for all rows. */
  shared?: boolean;
  data: Uint8Array;
  /** Where the same bytes are in the worker's arena, for a large input; see arena.ts. */
  staged?: number;
}

/** The input or the output of a job: `rows` rows of every tensor that is not shared. */
export interface Payload {
  rows: number;
  tensors: RowTensor[];
}

/** Number of elements of a shape; 1 for a scalar (`[]`). */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dim of shape) count *= dim;
  return count;
}

/** Byte offset of each row of a tensor and, last, its end: `rows + 1` numbers. */
export function rowOffsets(tensor: RowTensor, rows: number): number[] {
  const perRow = elementCount(tensor.shape);
  if (tensor.type !== 'string') {
    const bytes = perRow * ELEMENT_BYTES[tensor.type];
    return Array.from({ length: rows + 1 }, (_, row) => row * bytes);
  }
  const view = new DataView(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  const offsets = [0];
  let at = 0;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < perRow; i++) at += 4 + view.getUint32(at, true);
    offsets.push(at);
  }
  return offsets;
}

/** Rows `from..to` (end excluded) of a payload, sharing memory with it. */
export function sliceRows(payload: Payload, from: number, to: number): Payload {
  if (from === 0 && to === payload.rows) return payload;
  const tensors = payload.tensors.map((tensor) => {
    if (tensor.shared) return tensor;
    if (tensor.type !== 'string') {
      const bytes = elementCount(tensor.shape) * ELEMENT_BYTES[tensor.type];
      return cut(tensor, from * bytes, to * bytes);
    }
    const offsets = rowOffsets(tensor, payload.rows);
    return cut(tensor, offsets[from] as number, offsets[to] as number);
  });
  return { rows: to - from, tensors };
}

/** Bytes `from..to` of a tensor, sharing memory with it. */
function cut(tensor: RowTensor, from: number, to: number): RowTensor {
  const { staged } = tensor;
  const data = tensor.data.subarray(from, to);
  return staged === undefined ? { ...tensor, data } : { ...tensor, data, staged: staged + from };
}

/** A payload cut into consecutive pieces of `counts` rows, sharing memory with it. */
export function splitRows(payload: Payload, counts: readonly number[]): Payload[] {
  if (counts.length === 1) return [payload];
  const offsets = payload.tensors.map((tensor) => (tensor.shared ? [] : rowOffsets(tensor, payload.rows)));
  let from = 0;
  return counts.map((rows) => {
    const to = from + rows;
    const tensors = payload.tensors.map((tensor, i) =>
      tensor.shared
        ? tensor
        : { ...tensor, data: tensor.data.subarray(offsets[i]?.[from], offsets[i]?.[to]) },
    );
    from = to;
    return { rows, tensors };
  });
}

function layoutOf(tensor: RowTensor | undefined): string {
  return tensor === undefined ? '' : `${tensor.name} ${tensor.type} ${tensor.shape.join()}`;
}

/** Payloads of equal `shapeKey` joined in order; shared tensors are taken from the first. */
export function concatRows(parts: readonly Payload[]): Payload {
  const first = parts[0];
  if (first === undefined) throw new Error('concatRows of nothing');
  if (parts.length === 1) return first;
  if (
    parts.some((part) => part.tensors.some((tensor, i) => layoutOf(tensor) !== layoutOf(first.tensors[i])))
  ) {
    throw new InferError(
      'OUTPUT_SHAPES',
      'its rows have outputs of different shapes, which cannot be one result',
      {
        hint: 'submit rows of one shape together, or bring outputs to one shape in a postprocess handler',
      },
    );
  }
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const tensors = first.tensors.map((tensor, index) =>
    tensor.shared
      ? tensor
      : { ...tensor, data: Buffer.concat(parts.map((part) => (part.tensors[index] as RowTensor).data)) },
  );
  return { rows, tensors };
}

/**
 * What two payloads must have in common to run in one micro-batch: names, types and row shapes of
 * all tensors, and the very bytes of shared ones.
 */
export function shapeKey(payload: Payload): string {
  let key = '';
  for (const tensor of payload.tensors) {
    key += `${tensor.name}:${tensor.type}[${tensor.shape.join(',')}]`;
    if (tensor.shared) key += `=${Buffer.from(tensor.data).toString('base64')}`;
    key += ';';
  }
  return key;
}

/** UTF-8 strings as stored in a `string` tensor: for each, uint32 length (little endian) + bytes. */
export function encodeStrings(values: readonly string[]): Uint8Array {
  const parts: Buffer[] = [];
  for (const value of values) {
    const bytes = Buffer.from(value, 'utf8');
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(bytes.length);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}

/** @throws InferError TENSOR_BYTES when the lengths do not add up. */
export function decodeStrings(data: Uint8Array): string[] {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const values: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw badInput('TENSOR_BYTES', 'a string tensor ends inside a length');
    const end = at + 4 + bytes.readUInt32LE(at);
    if (end > bytes.length) throw badInput('TENSOR_BYTES', 'a string tensor ends inside a string');
    values.push(bytes.toString('utf8', at + 4, end));
    at = end;
  }
  return values;
}
