import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Bytes with random access, without holding all of them: a model file may have gigabytes. */
export interface ByteSource {
  readonly size: number;
  /** A view or copy of bytes; shorter at the end. */
  slice(from: number, to: number): Uint8Array;
  /** One byte, without creating a view. */
  byte(at: number): number;
}

/** A field of a protobuf message: a number, or the position of its bytes. */
export interface Field {
  number: number;
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  wire: number;
  /** For a varint. */
  value: number;
  /** Start and end of its content; for wire type 2, without the length. */
  from: number;
  to: number;
  /** Start of the field, including its tag. */
  start: number;
}

/** The bytes are not a protobuf message, or end in the middle of one. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
  /** @param needs the length the bytes would need; undefined when they are not a message at all. */
  constructor(readonly needs: number | undefined) {
    super(needs === undefined ? 'no protobuf message' : `ends before byte ${needs}`);
  }
}

/**
 * Fields of the message at `from..to`, in order.
 * @param wanted only length-delimited fields of these numbers. Others are skipped in place: a tree ensemble
 *   has millions of numbers in separate fields, and an object for each would take seconds.
 * @throws ProtobufError
 */
export function* fieldsOf(
  source: ByteSource,
  from = 0,
  to = source.size,
  wanted?: Readonly<Record<number, unknown>>,
): Generator<Field> {
  let at = from;
  const varint = (): number => {
    let value = 0;
    let unit = 1;
    for (let bytes = 0; bytes < 10; bytes++) {
      if (at >= to) throw new ProtobufError(at + 1);
      const byte = source.byte(at);
      at += 1;
      // Beyond 2^53 a number loses bits: none that is read here is that large.
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
      unit *= 128;
    }
    throw new ProtobufError(undefined);
  };
  while (at < to) {
    const start = at;
    const tag = varint();
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    if (number === 0) throw new ProtobufError(undefined);
    let value = 0;
    let content = at;
    if (wire === 0) value = varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = varint();
      content = at;
      at += length;
    } else throw new ProtobufError(undefined);
    if (at > to) throw new ProtobufError(at);
    if (wanted !== undefined && (wire !== 2 || !(number in wanted))) continue;
    yield { number, wire, value, from: content, to: at, start };
  }
}

export function textOf(source: ByteSource, { from, to }: Pick<Field, 'from' | 'to'>): string {
  return Buffer.from(source.slice(from, to)).toString('utf8');
}

/** Bytes in memory. */
export function bufferSource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    slice: (from, to) => bytes.subarray(from, to),
    byte: (at) => bytes[at] as number,
  };
}

const WINDOW_BYTES = 64 * 1024;

/** A file, read one window at a time. Must be closed. */
export class FileSource implements ByteSource {
  readonly size: number;
  readonly #fd: number;
  readonly #window = Buffer.allocUnsafe(WINDOW_BYTES);
  #at = 0;
  #filled = 0;

  /** @throws the file system's error. */
  constructor(file: string) {
    this.#fd = openSync(file, 'r');
    this.size = fstatSync(this.#fd).size;
  }

  slice(from: number, to: number): Uint8Array {
    const end = Math.min(to, this.size);
    if (end - from > WINDOW_BYTES) {
      const bytes = Buffer.alloc(end - from);
      return bytes.subarray(0, readSync(this.#fd, bytes, 0, bytes.length, from));
    }
    if (from < this.#at || end > this.#at + this.#filled) this.#fill(from);
    return this.#window.subarray(from - this.#at, Math.min(end - this.#at, this.#filled));
  }

  byte(at: number): number {
    if (at < this.#at || at >= this.#at + this.#filled) this.#fill(at);
    // Truncated since it was opened: the zero is not a field, and if it ends a number, the message ends
    // early.
    return at < this.#at + this.#filled ? (this.#window[at - this.#at] as number) : 0;
  }

  #fill(from: number): void {
    this.#at = from;
    this.#filled = readSync(this.#fd, this.#window, 0, WINDOW_BYTES, from);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** A number in protobuf encoding. */
export function varintBytes(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return Buffer.from(bytes);
}

/** A length-delimited field. */
export function fieldBytes(number: number, content: Uint8Array | string): Buffer {
  const body = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
  return Buffer.concat([varintBytes(number * 8 + 2), varintBytes(body.length), body]);
}
