import { Readable } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { answerWithin } from '../../core/bounded.js';
import { InferError } from '../../core/errors.js';
import { parseDocument } from '../../input/json-document.js';
import { awaitBody } from './expect-continue.js';
import { Refusal } from './refusal.js';

export interface BodyLimits {
  /** Maximum size in bytes, after decompression. */
  maxBytes: number;
  /** Milliseconds until a body that is buffered as a whole must have arrived [60000]. */
  withinMs?: number | undefined;
}

const WITHIN_MS = 60_000;
/** Milliseconds from the response to a late body until the connection is closed. */
const CLOSE_MS = 1000;
/** A longer body gets memory of its whole length. */
const LARGE_BYTES = 65_536;
/** Characters of a caller's own field that an error repeats. */
const LONGEST_NAME = 200;
/**
 * The shape of JSON that is parsed as a whole: as deep as the files of `infer submit` may be. Four million
 * values keep other callers waiting for about a second, and are 16 MB of float32; more is sent as rows or in
 * binary.
 */
export const JSON_LIMITS = { maxDepth: 64, maxValues: 4_000_000 } as const;

/** Media type of the body in lower case, without parameters; '' if there is none. */
export function mediaType({ headers }: FastifyRequest): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/**
 * The body as a stream, decompressed. If it is not read to its end, the connection is closed.
 * @throws InferError INPUT_FORMAT (415) for an unknown encoding; INPUT_TOO_LARGE from the stream.
 */
export function streamBody(request: FastifyRequest, { maxBytes }: Pick<BodyLimits, 'maxBytes'>): Readable {
  const { raw } = request;
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  const declared = Number(request.headers['content-length'] ?? 0);
  if (encoding === 'identity') {
    if (declared > maxBytes) throw tooLarge(maxBytes);
    // Destroying a request closes its connection before the error is sent.
    return Readable.from(counted(raw, raw.iterator({ destroyOnReturn: false }), maxBytes), {
      objectMode: false,
    });
  }
  if (encoding !== 'gzip' && encoding !== 'deflate') {
    throw new Refusal('INPUT_FORMAT', 'a body of this Content-Encoding is not read', {
      hint: 'send it as it is, or with Content-Encoding: gzip or deflate',
      headers: { 'accept-encoding': 'gzip, deflate' },
    });
  }
  return Readable.from(counted(raw, inflated(raw, encoding), maxBytes), { objectMode: false });
}

/**
 * The whole body, decompressed.
 * @throws InferError INPUT_TOO_LARGE (413), INPUT_FORMAT (415), HTTP_SLOW (408), HTTP_REQUEST (400) for a
 *   damaged encoding, BODIES_FULL (503) before it is read; without a length, as soon as there is no room.
 */
export async function readBody(request: FastifyRequest, limits: BodyLimits): Promise<Buffer> {
  const { headers, raw, heldBody } = request;
  const plain = (headers['content-encoding'] ?? 'identity') === 'identity';
  // Most bodies. Node ensures that a body is not longer than its declared length.
  const length = Number(headers['content-length']);
  if (plain && length <= limits.maxBytes) {
    heldBody?.take(length);
    awaitBody(raw);
    return collect(raw, length, limits);
  }
  const stream = streamBody(request, limits);
  const pieces: Buffer[] = [];
  const reading = (async () => {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      heldBody?.take(piece.length);
      pieces.push(piece);
    }
  })();
  // Not by ending the stream, which would first wait for the missing data.
  await answerWithin(limits.withinMs ?? WITHIN_MS, reading, () => {
    throw new InferError('HTTP_SLOW', 'the body did not arrive in time');
  });
  return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
}

/**
 * A body whose length is known and small enough, read directly from the request. A large one is written into
 * one buffer as it arrives; joining its pieces would need twice the memory.
 */
function collect(raw: Readable, length: number, { withinMs = WITHIN_MS }: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let whole: Buffer | undefined;
    let at = 0;
    let isOver = false;
    const fail = (error: InferError) => {
      isOver = true;
      clearTimeout(late);
      reject(error);
    };
    // A request closes in any case, after its end.
    const early = () => {
      if (!isOver) fail(endedEarly());
    };
    const late = setTimeout(() => {
      fail(new InferError('HTTP_SLOW', 'the body did not arrive in time'));
      // Time to send the response; nothing more is read.
      setTimeout(() => raw.destroy(), CLOSE_MS).unref();
    }, withinMs);
    if (raw.destroyed) return early();
    raw.on('data', (piece: Buffer) => {
      if (length > LARGE_BYTES) {
        whole ??= Buffer.allocUnsafeSlow(length);
        at += piece.copy(whole, at);
      } else pieces.push(piece);
    });
    raw.once('end', () => {
      isOver = true;
      clearTimeout(late);
      if (whole !== undefined) resolve(whole.subarray(0, at));
      else resolve(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces));
    });
    raw.once('error', early);
    raw.once('close', early);
  });
}

/**
 * Reads the body as JSON and checks it against a schema. An empty body is `{}`.
 * @throws InferError INPUT_JSON, INPUT_KEY and others of `parseDocument` (400), PARAMETER (400) naming the
 *   field, and as `readBody`.
 */
export async function readJson<Schema extends z.ZodType>(
  request: FastifyRequest,
  schema: Schema,
  limits: BodyLimits,
): Promise<z.output<Schema>> {
  const bytes = await readBody(request, limits);
  return fitting(schema, bytes.length === 0 ? {} : parseDocument(bytes, JSON_LIMITS));
}

/** @throws InferError PARAMETER (400) naming the invalid field. */
export function fitting<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data as z.output<Schema>;
  const [issue] = error.issues;
  const where = shortened(issue?.path.join('.') ?? '');
  const text = shortened(issue?.message ?? 'it does not fit');
  throw new InferError('PARAMETER', where === '' ? text : `${where}: ${text}`);
}

/** A field of the request may be as long as the body is. */
function shortened(text: string): string {
  return text.length > LONGEST_NAME ? `${text.slice(0, LONGEST_NAME)}…` : text;
}

async function* counted(
  raw: Readable,
  source: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<Buffer> {
  awaitBody(raw);
  let bytes = 0;
  try {
    for await (const piece of source) {
      bytes += piece.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      yield piece;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code?.startsWith('Z_')) throw new InferError('HTTP_REQUEST', 'the body cannot be decompressed');
    if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE') throw endedEarly();
    throw error;
  }
}

/** Starts on the first read. An earlier error would have no listener and end the process. */
async function* inflated(raw: Readable, encoding: 'gzip' | 'deflate'): AsyncGenerator<Buffer> {
  if (raw.destroyed) throw endedEarly();
  const inflate = encoding === 'gzip' ? createGunzip() : createInflate();
  const early = () => {
    if (!raw.readableEnded) inflate.destroy(endedEarly());
  };
  // Even after the reader has stopped.
  inflate.on('error', () => undefined);
  raw.once('error', early);
  raw.once('close', early);
  try {
    yield* raw.pipe(inflate) as AsyncIterable<Buffer>;
  } finally {
    raw.off('error', early);
    raw.off('close', early);
    raw.unpipe(inflate);
    inflate.destroy();
  }
}

function endedEarly(): InferError {
  return new InferError('HTTP_REQUEST', 'the body ended early');
}

function tooLarge(maxBytes: number): InferError {
  return new InferError('INPUT_TOO_LARGE', `the body has more than ${maxBytes} bytes`, {
    hint: 'send many rows as NDJSON, which is streamed, or raise --max-body',
  });
}
