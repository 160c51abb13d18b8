import type { Writable } from 'node:stream';

/**
 * Frames between a worker and its runner: uint32 length of a JSON header, uint32 + uint32 (low, high)
 * length of a binary body, all little endian, then header and body.
 */
const PREFIX_BYTES = 12;
/** A header only names tensors; a larger one means a damaged stream. */
const MAX_HEADER_BYTES = 64 * 1024 * 1024;
/** Up to this size a frame is copied into one write: a vectored write of many small parts costs more. */
const JOIN_BYTES = 64 * 1024;
const HIGH = 2 ** 32;

export interface Frame {
  header: Record<string, unknown>;
  /** Starts at offset 0 of its own ArrayBuffer, so typed arrays can be created over it. */
  body: Buffer;
}

/** Assembles frames from chunks of any size; each byte is copied once, whatever the frame size. */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixFill = 0;
  #header: Buffer | undefined;
  #headerFill = 0;
  #body: Buffer = Buffer.alloc(0);
  #bodyFill = 0;

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame;
  }

  /** Whether a frame has begun to arrive. */
  get isAmid(): boolean {
    return this.#prefixFill > 0;
  }

  /** @throws Error when the stream does not consist of frames. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#header === undefined) {
        at += this.#fillPrefix(chunk, at);
        if (this.#header === undefined) return;
      }
      if (this.#headerFill < this.#header.length) {
        const taken = chunk.copy(this.#header, this.#headerFill, at);
        this.#headerFill += taken;
        at += taken;
      }
      if (this.#headerFill === this.#header.length && this.#bodyFill < this.#body.length) {
        const taken = chunk.copy(this.#body, this.#bodyFill, at);
        this.#bodyFill += taken;
        at += taken;
      }
      this.#emitWhenWhole();
    }
  }

  #fillPrefix(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#prefix, this.#prefixFill, at);
    this.#prefixFill += taken;
    if (this.#prefixFill < PREFIX_BYTES) return taken;
    const headerBytes = this.#prefix.readUInt32LE(0);
    const bodyBytes = this.#prefix.readUInt32LE(4) + this.#prefix.readUInt32LE(8) * HIGH;
    if (headerBytes === 0 || headerBytes > MAX_HEADER_BYTES)
      throw new Error('damaged frame between worker and runner');
    this.#header = Buffer.allocUnsafe(headerBytes);
    // Not from the shared pool: offset 0 gives every element type its alignment.
    this.#body = Buffer.allocUnsafeSlow(bodyBytes);
    this.#headerFill = 0;
    this.#bodyFill = 0;
    return taken;
  }

  #emitWhenWhole(): void {
    const header = this.#header;
    if (header === undefined || this.#headerFill < header.length || this.#bodyFill < this.#body.length)
      return;
    const body = this.#body;
    this.#header = undefined;
    this.#prefixFill = 0;
    this.#onFrame({ header: JSON.parse(header.toString('utf8')) as Record<string, unknown>, body });
  }
}

/**
 * Writes one frame without copying its parts (one writev) and resolves when the stream accepts more. Parts
 * must not change until the other side has answered. Rejects when the stream is closed.
 */
export async function writeFrame(
  stream: Writable,
  header: object,
  parts: readonly Uint8Array[] = [],
): Promise<void> {
  if (stream.destroyed || stream.writableEnded) throw new Error('stream is closed');
  const json = Buffer.from(JSON.stringify(header), 'utf8');
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  let bodyBytes = 0;
  for (const part of parts) bodyBytes += part.byteLength;
  prefix.writeUInt32LE(json.length, 0);
  prefix.writeUInt32LE(bodyBytes % HIGH, 4);
  prefix.writeUInt32LE(Math.floor(bodyBytes / HIGH), 8);
  const all = [prefix, json, ...parts];
  if (bodyBytes <= JOIN_BYTES) {
    if (stream.write(Buffer.concat(all))) return;
  } else {
    stream.cork();
    let roomy = true;
    for (const part of all) if (part.byteLength > 0) roomy = stream.write(part);
    stream.uncork();
    if (roomy) return;
  }
  await drained(stream);
}

/** Resolves when everything written so far has been handed to the system: it then outlives this process. */
export async function flushed(stream: Writable): Promise<void> {
  if (stream.writableLength === 0) return;
  await new Promise<void>((resolve, reject) => {
    stream.write('', (error) => (error ? reject(error) : resolve()));
  });
}

/** Resolves when the stream accepts more, rejects when it closes first. */
function drained(stream: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void) => {
      stream.off('drain', onDrain);
      stream.off('close', onClose);
      settle();
    };
    const onDrain = () => done(resolve);
    const onClose = () => done(() => reject(new Error('stream closed before the frame was written')));
    stream.once('drain', onDrain);
    stream.once('close', onClose);
  });
}
