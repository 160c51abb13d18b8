import { type FailureRecord, InferError, messageOf } from '../core/errors.js';
import type { JobTrace } from '../core/job-trace.js';
import type { Fingerprint } from './fingerprint.js';
import type { ModelFiles } from './model-files.js';
import type { RowFailure } from './row-failure.js';
import type { LoadedModel, RunnerOptions, RunOptions } from './runner.js';
import type { DataType, Payload, RowTensor, TensorRole } from './tensor.js';

/** The first message to a runner; the manifest is parsed by the worker, which keeps zod out of the runner. */
export type RunnerSettings = Pick<RunnerOptions, 'provider' | 'gpu' | 'requireGpu' | 'threads' | 'rowCheck'>;

/** Requests, sent as frame headers; answers carry the same `id`. `model` is the session's name. */
export type Request =
  | { id: number; op: 'start'; settings: RunnerSettings }
  | { id: number; op: 'load'; model: string; files: ModelFiles; expect?: Fingerprint }
  | { id: number; op: 'unload'; model: string }
  | ({ id: number; op: 'run'; model: string; traced?: boolean | undefined; handed?: true } & RunOptions &
      WirePayload)
  // About a run that was handed over, under its id; neither is answered itself.
  | { id: number; op: 'permit'; until: number | null }
  | { id: number; op: 'recall' }
  | { id: number; op: 'memory' }
  | { id: number; op: 'stop' };

export interface Reply {
  id: number;
  /** Of a run that was handed over: it begins now, or needs a permit. Its answer is still to come. */
  notice?: 'begins' | 'asks';
  /** A run that was handed over did not begin, and never will. */
  recalled?: true;
  error?: FailureRecord;
  loaded?: LoadedModel;
  bytes?: number;
  runMs?: number;
  /** When the run began and ended, ms of the host's monotonic clock. */
  at?: [begun: number, ended: number];
  outputs?: WirePayload;
  /** Rows of the run without an output; absent when all have one. */
  failed?: WireRowFailure[];
  trace?: JobTrace;
}

type WireRowFailure = { row: number } & FailureRecord;

export interface WirePayload {
  rows: number;
  tensors: {
    name: string;
    type: DataType;
    shape: number[];
    shapes?: number[][];
    shared?: true;
    role?: TensorRole;
    bytes: number;
    /** Offset and length of its pieces in the worker's arena; if absent, the body contains it. */
    staged?: [number, number][];
  }[];
  /** Rows that asked for different outputs; see `Payload`. */
  segments?: WirePayload[];
}

/** Tensors start at multiples of 8 in a body, so that a typed array of every type can be created over it. */
const ALIGN = 8;
const PADDING = new Uint8Array(ALIGN);

/** Combines payloads with the same `shapeKey` into one, their bytes row after row, not copied. */
export function packPayloads(payloads: readonly Payload[]): { payload: WirePayload; parts: Uint8Array[] } {
  const first = payloads[0];
  if (first === undefined) throw new InferError('RUN_FAILED', 'a run needs at least one payload');
  const parts: Uint8Array[] = [];
  if (first.segments !== undefined) {
    const segments = first.segments.map((segment) => {
      const packed = packPayloads([segment]);
      parts.push(...packed.parts);
      return packed.payload;
    });
    return { payload: { rows: first.rows, tensors: [], segments }, parts };
  }
  const tensors = first.tensors.map((tensor, index) => {
    const pieces = tensor.shared ? [tensor] : payloads.map((payload) => payload.tensors[index] as RowTensor);
    let bytes = 0;
    for (const piece of pieces) bytes += piece.data.byteLength;
    const { name, type, shape } = tensor;
    const description = {
      name,
      type,
      shape,
      ...(tensor.shapes === undefined ? {} : { shapes: pieces.flatMap((piece) => piece.shapes ?? []) }),
      ...(tensor.shared ? { shared: true as const } : {}),
      ...(tensor.role === undefined ? {} : { role: tensor.role }),
      bytes,
    };
    const staged = placesOf(pieces);
    if (staged !== undefined) return { ...description, staged };
    for (const piece of pieces) parts.push(piece.data);
    parts.push(PADDING.subarray(0, (ALIGN - (bytes % ALIGN)) % ALIGN));
    return description;
  });
  return { payload: { rows: payloads.reduce((sum, one) => sum + one.rows, 0), tensors }, parts };
}

/** Locations of the pieces in the arena, adjacent ones merged; undefined unless all of them are there. */
function placesOf(pieces: readonly RowTensor[]): [number, number][] | undefined {
  const places: [number, number][] = [];
  for (const { staged, data } of pieces) {
    if (staged === undefined) return undefined;
    const last = places.at(-1);
    if (last !== undefined && last[0] + last[1] === staged) last[1] += data.byteLength;
    else places.push([staged, data.byteLength]);
  }
  return places;
}

/** Bytes of a payload in a body, nothing of which is in the arena. */
function bytesOf({ tensors }: WirePayload): number {
  return tensors.reduce((sum, { bytes }) => sum + Math.ceil(bytes / ALIGN) * ALIGN, 0);
}

/** The payload of a frame, sharing memory with its body; `readStaged` fills a buffer from the arena. */
export function unpackPayload(
  payload: WirePayload,
  body: Buffer,
  readStaged?: (into: Buffer, at: number, from: number, bytes: number) => void,
): Payload {
  let at = 0;
  if (payload.segments !== undefined) {
    const segments = payload.segments.map((segment) => {
      const own = unpackPayload(segment, body.subarray(at));
      at += bytesOf(segment);
      return own;
    });
    return { rows: payload.rows, tensors: [], segments };
  }
  const tensors = payload.tensors.map(({ bytes, staged, ...tensor }): RowTensor => {
    if (staged !== undefined) {
      // Not from the shared pool: offset 0 gives every element type its alignment.
      const data = Buffer.allocUnsafeSlow(bytes);
      let fill = 0;
      for (const [from, length] of staged) {
        readStaged?.(data, fill, from, length);
        fill += length;
      }
      return { ...tensor, data };
    }
    const data = body.subarray(at, at + bytes);
    at += bytes + ((ALIGN - (bytes % ALIGN)) % ALIGN);
    return { ...tensor, data };
  });
  return { rows: payload.rows, tensors };
}

export function toWireError(error: unknown): FailureRecord {
  const code = error instanceof InferError ? error.code : 'RUN_FAILED';
  const hint = error instanceof InferError ? error.hint : undefined;
  // Not shortened here: texts are truncated where they are stored.
  return { code, message: messageOf(error), ...(hint === undefined ? {} : { hint }) };
}

export function toWireFailures(failed: readonly RowFailure[]): { failed?: WireRowFailure[] } {
  return failed.length === 0
    ? {}
    : { failed: failed.map(({ row, error }) => ({ row, ...toWireError(error) })) };
}

export function fromWireFailures(failed: readonly WireRowFailure[] = []): RowFailure[] {
  return failed.map(({ row, ...error }) => ({ row, error: InferError.of(error) }));
}
