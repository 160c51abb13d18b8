import { terminalJson } from '../../core/printable.js';
import { outputFailed } from '../standard-streams.js';
import type { OutputStream } from './text.js';

/** JSON has neither 64-bit integers nor binary: exact numbers where they fit, else text. */
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

/** One document, indented for people; a program does not mind. Invisible characters are escaped: the value stays. */
export function jsonText(value: unknown): string {
  return terminalJson(JSON.stringify(value, replacer, 2));
}

/**
 * Resolves when the reader has taken the text: a slow pipe slows the writer. Standard output that
 * cannot be written ends the process, unless it is a command that runs on without.
 */
export function writeText(stream: OutputStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => {
      if (error === undefined || error === null) return resolve();
      if (stream !== process.stdout) return reject(error);
      outputFailed(error);
      resolve();
    });
  });
}

/** Newline-delimited JSON: one event a line, for streams such as `inspect --watch --json`. */
export class NdjsonWriter {
  readonly #stream: OutputStream;
  #written = 0;

  constructor(stream: OutputStream) {
    this.#stream = stream;
  }

  get written(): number {
    return this.#written;
  }

  /** Awaiting this keeps memory flat however slow the reader is. */
  async write(value: unknown): Promise<void> {
    await writeText(this.#stream, `${terminalJson(JSON.stringify(value, replacer))}\n`);
    this.#written += 1;
  }
}
