import { isUtf8 } from 'node:buffer';
import { badInput } from '../../core/errors.js';
import { placeIn } from './table.js';

const NEWLINE = 0x0a;

/** Checks that blocks of text are UTF-8; a character may be cut in two by the end of a block. */
export class Utf8Check {
  private tail: Buffer = Buffer.alloc(0);
  private newlines = 0;

  constructor(private readonly label: string) {}

  /** @throws InferError INPUT_ENCODING (65) naming the line. */
  push(block: Buffer): void {
    const bytes = this.tail.length === 0 ? block : Buffer.concat([this.tail, block]);
    const end = bytes.length - cutBytes(bytes);
    const whole = bytes.subarray(0, end);
    if (!isUtf8(whole)) this.refuse(whole);
    // A copy: it must not keep the block in memory.
    this.tail = Buffer.from(bytes.subarray(end));
    this.newlines += countOf(whole);
  }

  end(): void {
    if (this.tail.length > 0) this.refuse(this.tail);
  }

  private refuse(bytes: Buffer): never {
    let line = this.newlines + 1;
    for (let from = 0; from < bytes.length; line++) {
      const found = bytes.indexOf(NEWLINE, from);
      const to = found < 0 ? bytes.length : found;
      if (!isUtf8(bytes.subarray(from, to))) break;
      from = to + 1;
    }
    throw badInput('INPUT_ENCODING', 'the text is not valid UTF-8', {
      where: placeIn({ label: this.label, unit: 'line' }, line),
      hint: 'convert it first: iconv -f LATIN1 -t UTF-8 input > output',
    });
  }
}

function countOf(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

/** Bytes at the end that begin a character which is not complete. */
function cutBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return back < length ? back : 0;
  }
  return 0;
}
