import { type ByteReader, tooLarge } from './bytes.js';
import { decodeText } from './json-document.js';

const NEWLINE = 0x0a;
const BOM_TEXT = '\ufeff';

export interface TextLine {
  text: string;
  /** From 1, blank lines included. */
  line: number;
}

/**
 * The lines of a text that are not blank, a block at a time.
 * @throws InferError INPUT_ENCODING, INPUT_TOO_LARGE (65) naming a line.
 */
export async function* textLines(
  reader: ByteReader,
  maxBytes: number,
): AsyncGenerator<TextLine[], void, undefined> {
  let pending: Buffer[] = [];
  let bytes = 0;
  let line = 0;
  const take = (whole: Buffer): TextLine[] => {
    const lines: TextLine[] = [];
    for (const raw of decodeText(whole, `line ${line + 1} or after`).split('\n')) {
      line += 1;
      const text = (raw.startsWith(BOM_TEXT) ? raw.slice(BOM_TEXT.length) : raw).trim();
      if (text !== '') lines.push({ text, line });
    }
    return lines;
  };
  for (let block = await reader.next(); block !== undefined; block = await reader.next()) {
    const last = block.lastIndexOf(NEWLINE);
    if (last < 0) {
      pending.push(block);
      bytes += block.length;
      if (bytes > maxBytes) throw tooLarge('one line', maxBytes, `line ${line + 1}`);
      continue;
    }
    yield take(Buffer.concat([...pending, block.subarray(0, last)]));
    pending = [block.subarray(last + 1)];
    bytes = block.length - last - 1;
  }
  if (bytes > 0) yield take(Buffer.concat(pending));
}
