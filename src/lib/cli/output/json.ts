import { terminalJson } from '../../core/printable.js';
import { type WritableTo, writeTo } from '../../output/write-to.js';
import { outputFailed } from '../standard-streams.js';
import type { OutputStream } from './text.js';

/** JSON has neither 64-bit integers nor binary: numbers where exact, else text. */
function replacer(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return Array.from(value as unknown as ArrayLike<unknown>);
  }
  return value;
}

/**
 * One document, indented for people, which programs do not mind. Invisible characters are escaped: the value
 * is unchanged.
 */
export function jsonText(value: unknown): string {
  return terminalJson(JSON.stringify(value, replacer, 2));
}

/** The same on one line. */
export function jsonLine(value: unknown): string {
  return terminalJson(JSON.stringify(value, replacer));
}

/**
 * Like `writeTo`, but a failure of standard output ends the process, unless the command runs on without it.
 */
export async function writeText(stream: WritableTo, data: string | Uint8Array): Promise<void> {
  try {
    await writeTo(stream, data);
  } catch (error) {
    if (stream !== process.stdout) throw error;
    outputFailed(error as NodeJS.ErrnoException);
  }
}

/** Newline-delimited JSON: one event per line, for streams such as `inspect --watch --json`. */
export class NdjsonWriter {
  readonly #stream: OutputStream;
  #written = 0;

  constructor(stream: OutputStream) {
    this.#stream = stream;
  }

  get written(): number {
    return this.#written;
  }

  /** Awaiting it keeps memory flat however slow the reader is. */
  async write(value: unknown): Promise<void> {
    await writeText(this.#stream, `${jsonLine(value)}\n`);
    this.#written += 1;
  }
}
