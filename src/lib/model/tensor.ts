import { badInput, InferError } from '../core/errors.js';

/** Element types, named as in ONNX Runtime. `string` elements are UTF-8. */
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

/** Whether elements of a type are floating-point numbers. */
export function isFloat(type: DataType): boolean {
  return type === 'float32' || type === 'float64' || type === 'float16';
}

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
 * `json`: every element is the JSON text of a row, for or from a handler. `class`: part of one of infer's
 * classifications. `image`: every element is an image file, not text. `text`, of an input only: a row is a text that is
 * tokenized for the model.
 */
export type TensorRole = 'json' | 'class' | 'image' | 'text';

/**
 * One named tensor of a job, rows first: whichever axis the model batches along, row 0's bytes come first
 * here, then row 1's. So rows are sliced and joined by byte ranges, and only the runner, next to the model,
 * converts them to the model's own layout. Little endian, row major, no padding.
 */
export interface RowTensor {
  name: string;
  type: DataType;
  /**
   * Shape of one row (the model's shape without its batch axis); of the whole tensor when shared; `[]` if
   * there are `shapes`.
   */
  shape: number[];
  /**
   * Each row's own shape, only if rows differ: a detector finds two boxes in one image and none in the next.
   */
  shapes?: number[][];
  /** True for an input without a batch axis (such as a scalar sampling rate): one value for all rows. */
  shared?: boolean;
  /**
   * The role of one of infer's own tensors. Never guessed from its name, which a model may give a tensor of
   * its own.
   */
  role?: TensorRole;
  data: Uint8Array;
  /** Location of the same bytes in the worker's arena, for a large input; see arena.ts. */
  staged?: number;
}

/** The input or the output of a job: `rows` rows of every tensor that is not shared. */
export interface Payload {
  rows: number;
  tensors: RowTensor[];
  /**
   * For an input: names of the tensors requested for its result (`selection.ts`); when absent those that
   * model.json asks for, else all outputs.
   */
  wanted?: string[];
  /** For an input: how many scores of an output its result has, where some are wanted; best first. */
  topK?: Record<string, number>;
  /**
   * For the outputs of a run: rows that asked for different outputs, one after the other. `tensors` is then
   * empty, and no piece that is cut from it spans two segments.
   */
  segments?: Payload[];
  /**
   * Memory that is no longer needed and that ends where the first tensor begins: where the tensors follow one another, an
   * envelope is written in front of them and none of them is copied.
   */
  spare?: Uint8Array;
}

/** Number of elements of a shape; 1 for a scalar (`[]`). */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dim of shape) count *= dim;
  return count;
}

/** Shape of one row of a tensor that is not shared. */
export function rowShape(tensor: RowTensor, row: number): number[] {
  return tensor.shapes?.[row] ?? tensor.shape;
}

const STARTS = new WeakMap<number[][], readonly number[]>();
/** Start element of each row and, last, the total: `rows + 1` numbers. Counted once: a job is cut for each of its runs. */
export function rowStarts(tensor: RowTensor, rows: number): readonly number[] {
  const perRow = elementCount(tensor.shape);
  const { shapes } = tensor;
  if (shapes === undefined) return Array.from({ length: rows + 1 }, (_, row) => row * perRow);
  const known = STARTS.get(shapes);
  if (known?.length === rows + 1) return known;
  const starts = [0];
  for (let row = 0; row < rows; row++)
    starts.push((starts[row] as number) + elementCount(shapes[row] as number[]));
  STARTS.set(shapes, starts);
  return starts;
}

/** Byte offset of each row of a tensor and, last, its end: `rows + 1` numbers. */
export function rowOffsets(tensor: RowTensor, rows: number): number[] {
  const starts = rowStarts(tensor, rows);
  if (tensor.type !== 'string') {
    const bytes = ELEMENT_BYTES[tensor.type];
    return starts.map((start) => start * bytes);
  }
  const view = new DataView(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  const offsets = [0];
  let at = 0;
  for (let row = 0; row < rows; row++) {
    const elements = (starts[row + 1] as number) - (starts[row] as number);
    for (let i = 0; i < elements; i++) at += 4 + view.getUint32(at, true);
    offsets.push(at);
  }
  return offsets;
}

/** Rows `from..to` (end excluded) of a payload, sharing memory with it. */
export function sliceRows(payload: Payload, from: number, to: number): Payload {
  if (from === 0 && to === payload.rows) return payload;
  const tensors = payload.tensors.map((tensor) => {
    if (tensor.shared) return tensor;
    const { type, shape, shapes } = tensor;
    if (type === 'string') return cut(tensor, rowOffsets(tensor, payload.rows), from, to);
    const starts = shapes === undefined ? undefined : rowStarts(tensor, payload.rows);
    const at = (row: number) => (starts?.[row] ?? row * elementCount(shape)) * ELEMENT_BYTES[type];
    const piece = cutBytes(tensor, at(from), at(to));
    return shapes === undefined ? piece : withShapes(piece, shapes.slice(from, to));
  });
  return { ...payload, rows: to - from, tensors };
}

/** Rows `from..to` of a tensor whose rows start at `offsets`, sharing memory with it. */
function cut(tensor: RowTensor, offsets: readonly number[], from: number, to: number): RowTensor {
  const piece = cutBytes(tensor, offsets[from] as number, offsets[to] as number);
  return tensor.shapes === undefined ? piece : withShapes(piece, tensor.shapes.slice(from, to));
}

function cutBytes(tensor: RowTensor, from: number, to: number): RowTensor {
  const { staged } = tensor;
  const data = tensor.data.subarray(from, to);
  return staged === undefined ? { ...tensor, data } : { ...tensor, data, staged: staged + from };
}

/** A tensor whose rows have these shapes: one for all if they agree. */
function withShapes({ shapes: _, ...tensor }: RowTensor, shapes: number[][]): RowTensor {
  const first = shapes[0] ?? [];
  const key = first.join();
  if (shapes.every((shape) => shape.length === first.length && shape.join() === key))
    return { ...tensor, shape: first };
  return { ...tensor, shape: [], shapes };
}

/** A payload cut into consecutive pieces of `counts` rows, sharing memory with it. */
export function splitRows(payload: Payload, counts: readonly number[]): Payload[] {
  if (payload.segments !== undefined) return splitSegments(payload.segments, counts);
  if (counts.length === 1 && counts[0] === payload.rows) return [payload];
  const offsets = payload.tensors.map((tensor) => (tensor.shared ? [] : rowOffsets(tensor, payload.rows)));
  let from = 0;
  return counts.map((rows) => {
    const to = from + rows;
    const tensors = payload.tensors.map((tensor, i) =>
      tensor.shared ? tensor : cut(tensor, offsets[i] as number[], from, to),
    );
    from = to;
    return { rows, tensors };
  });
}

function splitSegments(segments: readonly Payload[], counts: readonly number[]): Payload[] {
  const own: number[][] = segments.map(() => []);
  let at = 0;
  let left = segments[0]?.rows ?? 0;
  for (const count of counts) {
    while (left === 0 && at + 1 < segments.length) left = segments[++at]?.rows ?? 0;
    if (count > left) throw new Error(`a piece of ${count} rows spans two segments`);
    own[at]?.push(count);
    left -= count;
  }
  return segments.flatMap((segment, index) => splitRows(segment, own[index] as number[]));
}

/**
 * Payloads with the same names and types, joined in order. Rows may differ in shape. A shared tensor stays
 * shared if all parts have the same; otherwise each row gets its part's.
 * @throws InferError OUTPUT_MIXED when names or types differ: the parts come from different models.
 */
export function concatRows(parts: readonly Payload[]): Payload {
  const first = parts[0];
  if (first === undefined) throw new Error('concatRows of nothing');
  if (parts.length === 1) return first;
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const tensors = first.tensors.map(({ name, type }, index) =>
    joinTensors(
      parts.map((part) => {
        const tensor = part.tensors[index];
        if (tensor?.name !== name || tensor.type !== type || part.tensors.length !== first.tensors.length) {
          throw new InferError(
            'OUTPUT_MIXED',
            'its rows have different outputs, which cannot be one result',
            {
              hint: 'submit it again: the model was changed while it ran',
            },
          );
        }
        return { tensor, rows: part.rows };
      }),
    ),
  );
  return { rows, tensors };
}

interface Piece {
  tensor: RowTensor;
  rows: number;
}

function joinTensors(pieces: readonly Piece[]): RowTensor {
  const first = (pieces[0] as Piece).tensor;
  if (first.shared && pieces.every(({ tensor }) => tensor === first || sameShared(tensor, first)))
    return first;
  const own = pieces.map(({ tensor, rows }) => (tensor.shared ? repeated(tensor, rows) : tensor));
  const { staged: _, shared: __, ...base } = first;
  const joined = { ...base, data: Buffer.concat(own.map((tensor) => tensor.data)) };
  const key = first.shape.join();
  const alike = own.every(
    ({ shape, shapes }) =>
      shapes === undefined && shape.length === first.shape.length && shape.join() === key,
  );
  if (alike) return joined;
  const shapes = own.flatMap(
    (tensor, index) =>
      tensor.shapes ?? Array.from({ length: (pieces[index] as Piece).rows }, () => tensor.shape),
  );
  return withShapes(joined, shapes);
}

function sameShared(a: RowTensor, b: RowTensor): boolean {
  return a.shared === true && a.shape.join() === b.shape.join() && Buffer.compare(a.data, b.data) === 0;
}

/** A shared tensor, repeated for each of `rows` rows. */
function repeated({ shared: _, ...tensor }: RowTensor, rows: number): RowTensor {
  return { ...tensor, data: Buffer.concat(new Array<Uint8Array>(rows).fill(tensor.data)) };
}

/**
 * What two payloads must have in common to run in one micro-batch: names, types and row shapes of all
 * tensors, and the exact bytes of shared ones.
 */
export function shapeKey(payload: Payload): string {
  let key = '';
  for (const tensor of payload.tensors) {
    key += `${tensor.name}:${tensor.type}[${tensor.shape.join(',')}]`;
    if (tensor.shapes !== undefined) key += JSON.stringify(tensor.shapes);
    if (tensor.shared) key += `=${Buffer.from(tensor.data).toString('base64')}`;
    key += ';';
  }
  return key;
}

/** UTF-8 strings as stored in a `string` tensor: for each, uint32 length (little endian) + bytes. */
export function encodeStrings(values: readonly string[]): Uint8Array {
  return encodeBytes(values.map((value) => Buffer.from(value, 'utf8')));
}

/** Files as the elements of a tensor of role `image`, in the form of strings. */
export function encodeBytes(values: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const bytes of values) {
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(bytes.length);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}

/** Whether the bytes of a `string` tensor are exactly `count` complete strings. */
export function hasStrings(data: Uint8Array, count: number): boolean {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  let found = 0;
  for (; found < count && at + 4 <= data.byteLength; found++) at += 4 + view.getUint32(at, true);
  return found === count && at === data.byteLength;
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
