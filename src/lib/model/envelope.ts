import { InferError } from '../core/errors.js';
import {
  type DataType,
  fromOipName,
  OIP_NAMES,
  type Payload,
  type RowTensor,
  type TensorRole,
} from './tensor.js';

/**
 * Payloads and results in one binary form: uint32 (little endian) length of a JSON header, the header, then
 * each tensor's raw bytes in the header's order. The header follows the Open Inference Protocol's binary
 * tensor extension (names, datatypes, shapes, `binary_data_size`), plus `rows`, `shared` and `role`, so
 * tensors are never JSON inside Redis or between processes. If rows differ in shape, `shapes` has one entry
 * per row instead of `shape`: a reader that does not know it rejects the envelope.
 */
interface EnvelopeHeader {
  rows: number;
  tensors: HeaderTensor[];
  /**
   * Tensors requested for the result. A worker that cannot make one of them refuses the job, so an older one
   * gives no answer of another form.
   */
  wanted?: string[];
  /** How many scores of an output are requested. */
  topK?: Record<string, number>;
  meta?: Record<string, unknown>;
}

interface HeaderTensor {
  name: string;
  datatype: string;
  shape?: number[];
  shapes?: number[][];
  shared?: true;
  role?: TensorRole;
  binary_data_size: number;
}

/** The parts of an envelope, uncopied, for a vectored write. */
export function envelopeParts(payload: Payload, meta?: Record<string, unknown>): Uint8Array[] {
  const header: EnvelopeHeader = {
    rows: payload.rows,
    tensors: payload.tensors.map((tensor) => ({
      name: tensor.name,
      datatype: OIP_NAMES[tensor.type],
      ...(tensor.shapes === undefined ? { shape: tensor.shape } : { shapes: tensor.shapes }),
      ...(tensor.shared ? { shared: true as const } : {}),
      ...(tensor.role === undefined ? {} : { role: tensor.role }),
      binary_data_size: tensor.data.byteLength,
    })),
    ...(payload.wanted === undefined ? {} : { wanted: payload.wanted }),
    ...(payload.topK === undefined ? {} : { topK: payload.topK }),
    ...(meta === undefined ? {} : { meta }),
  };
  const json = Buffer.from(JSON.stringify(header), 'utf8');
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(json.length);
  return [length, json, ...payload.tensors.map((tensor) => tensor.data)];
}

/** The whole envelope; in the memory of the payload where that has some to spare, which is overwritten then. */
export function encodeEnvelope(payload: Payload, meta?: Record<string, unknown>): Buffer {
  const parts = envelopeParts(payload, meta);
  return inPlace(parts, payload) ?? Buffer.concat(parts);
}

/** An envelope around tensors that lie one behind the other, with room for the rest in front; undefined where they do not. */
function inPlace([length, json, ...data]: Uint8Array[], { spare }: Payload): Buffer | undefined {
  const [first] = data;
  if (spare === undefined || length === undefined || json === undefined || first === undefined)
    return undefined;
  const header = length.byteLength + json.byteLength;
  const start = first.byteOffset - header;
  if (first.buffer !== spare.buffer || spare.byteOffset + spare.byteLength !== first.byteOffset)
    return undefined;
  if (start < spare.byteOffset) return undefined;
  let end = first.byteOffset;
  for (const piece of data) {
    if (piece.buffer !== first.buffer || piece.byteOffset !== end) return undefined;
    end += piece.byteLength;
  }
  const whole = Buffer.from(first.buffer as ArrayBuffer, start, end - start);
  whole.set(length, 0);
  whole.set(json, length.byteLength);
  return whole;
}

/**
 * Reads an envelope; tensors share memory with `bytes`.
 * @param damaged creates the error for a truncated or invalid envelope, from a description of the fault
 * @throws InferError JOB_DAMAGED, or the error of `damaged`.
 */
export function decodeEnvelope(
  bytes: Uint8Array,
  damaged: (why: string) => Error = unreadable,
): { payload: Payload; meta: Record<string, unknown> } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 4) throw damaged('it is shorter than its length field');
  const headerEnd = 4 + buffer.readUInt32LE(0);
  if (headerEnd > buffer.length) throw damaged('it ends inside its header');
  let header: unknown;
  try {
    header = JSON.parse(buffer.toString('utf8', 4, headerEnd));
  } catch {
    throw damaged('its header is not JSON');
  }
  if (!isHeader(header)) throw damaged('its header is not of this form');
  let at = headerEnd;
  const tensors = header.tensors.map((entry): RowTensor => {
    const type: DataType | undefined = fromOipName(entry.datatype);
    if (type === undefined) throw damaged(`it names the unknown type ${entry.datatype}`);
    const end = at + entry.binary_data_size;
    if (end > buffer.length) throw damaged(`it ends inside tensor ${entry.name}`);
    const data = buffer.subarray(at, end);
    at = end;
    const { name, shape, shapes, shared, role } = entry;
    const form = shapes === undefined ? { shape: shape ?? [] } : { shape: [], shapes };
    const ours = { ...(shared ? { shared: true } : {}), ...(role === undefined ? {} : { role }) };
    return { name, type, ...form, ...ours, data };
  });
  if (at !== buffer.length) throw damaged(`it has ${buffer.length - at} bytes too many`);
  const { rows, wanted, topK, meta = {} } = header;
  const asked = { ...(wanted === undefined ? {} : { wanted }), ...(topK === undefined ? {} : { topK }) };
  return { payload: { rows, tensors, ...asked }, meta };
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

const isShape = (value: unknown): boolean => Array.isArray(value) && value.every(isCount);

function isHeader(value: unknown): value is EnvelopeHeader {
  const { rows, tensors, wanted, topK } = (value ?? {}) as Partial<EnvelopeHeader>;
  return (
    isCount(rows) &&
    (wanted === undefined || (Array.isArray(wanted) && wanted.every((name) => typeof name === 'string'))) &&
    (topK === undefined ||
      (typeof topK === 'object' && topK !== null && Object.values(topK).every(isCount))) &&
    Array.isArray(tensors) &&
    tensors.every(
      (entry: HeaderTensor | null) =>
        typeof entry?.name === 'string' &&
        typeof entry.datatype === 'string' &&
        isCount(entry.binary_data_size) &&
        (entry.shapes === undefined
          ? isShape(entry.shape)
          : Array.isArray(entry.shapes) &&
            entry.shapes.length === rows &&
            !entry.shared &&
            entry.shapes.every(isShape)),
    )
  );
}

function unreadable(why: string): Error {
  return new InferError('JOB_DAMAGED', `stored tensors cannot be read: ${why}`);
}
