import { isUtf8 } from 'node:buffer';
import { badInput } from '../core/errors.js';
import { type ByteReader, tooLarge } from './bytes.js';
import { NPY_MAGIC } from './npy-header.js';

export type InputFormat = 'json' | 'ndjson' | 'npy';

export interface Sniffed {
  format: InputFormat;
  /** A JSON document on one line: it may as well be NDJSON of one row, so its other fields are left out. */
  oneLine: boolean;
}

const NEWLINE = 0x0a;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const OTHERS: [magic: Buffer, what: string, hint: string][] = [
  [
    Buffer.from('PK\x03\x04', 'latin1'),
    'a zip or .npz archive',
    'save one array with numpy.save, or unpack it first',
  ],
  [Buffer.from([0x1f, 0x8b]), 'gzip data', 'unpack it on the way: gunzip -c FILE | infer submit -'],
  [Buffer.from([0xff, 0xfe]), 'UTF-16 text', 'convert it first: iconv -f UTF-16 -t UTF-8 input > output'],
  [Buffer.from([0xfe, 0xff]), 'UTF-16 text', 'convert it first: iconv -f UTF-16 -t UTF-8 input > output'],
];

/** Takes a byte order mark off and refuses what is no format of ours, before anything is parsed. */
export async function checkStart(reader: ByteReader): Promise<void> {
  const start = await reader.exactly(8);
  if (start.length === 0) {
    throw badInput('INPUT_EMPTY', `${reader.label} is empty`, { hint: 'give one row or more' });
  }
  const other = OTHERS.find(([magic]) => start.subarray(0, magic.length).equals(magic));
  if (other !== undefined) throw foreign(reader.label, other[1], other[2]);
  reader.unread(start.subarray(0, 3).equals(BOM) ? start.subarray(3) : start);
}

function foreign(label: string, what: string, hint: string): Error {
  return badInput('INPUT_FORMAT', `${label} is ${what}, not JSON, NDJSON or .npy`, { hint });
}

/**
 * The format of what `reader` holds, from its bytes: the magic of `.npy`; else NDJSON when the first
 * line is complete JSON and more follows it; else one JSON document. `.ndjson` and `.jsonl` files
 * are NDJSON even with one line. Everything read is put back.
 */
export async function sniff(reader: ByteReader, maxBytes: number): Promise<Sniffed> {
  const start = await reader.exactly(NPY_MAGIC.length);
  reader.unread(start);
  if (start.equals(NPY_MAGIC)) return { format: 'npy', oneLine: false };
  if (reader.extension === '.npy') throw foreign(reader.label, 'no NumPy array', 'write it with numpy.save');
  if (reader.extension === '.ndjson' || reader.extension === '.jsonl')
    return { format: 'ndjson', oneLine: false };
  const { head, lineStart, lineEnd, more } = await readFirstLine(reader, maxBytes);
  if (lineStart === head.length) {
    throw badInput('INPUT_EMPTY', `${reader.label} holds nothing but blank lines`, {
      hint: 'give one row or more',
    });
  }
  const line = head.subarray(lineStart, lineEnd);
  if (line.includes(0) || (!more && !isUtf8(line))) {
    throw foreign(
      reader.label,
      line.includes(0) ? 'binary data' : 'not UTF-8 text',
      'give JSON, one row a line (NDJSON), or an .npy file',
    );
  }
  if (!more) return { format: 'json', oneLine: true };
  return { format: isJson(line) ? 'ndjson' : 'json', oneLine: false };
}

function isJson(line: Buffer): boolean {
  try {
    JSON.parse(line.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

interface FirstLine {
  head: Buffer;
  /** Bounds of the first line that is not blank. */
  lineStart: number;
  lineEnd: number;
  /** Whether anything but blanks follows that line. */
  more: boolean;
}

/** Reads on until a byte after the first line that is not blank shows whether there is a second. */
async function readFirstLine(reader: ByteReader, maxBytes: number): Promise<FirstLine> {
  const blocks: Buffer[] = [];
  let size = 0;
  let lineStart = -1;
  let lineEnd = -1;
  let more = false;
  while (!more) {
    const block = await reader.next();
    if (block === undefined) break;
    blocks.push(block);
    let at = 0;
    if (lineStart < 0) {
      at = firstInk(block, 0);
      if (at < block.length) lineStart = size + at;
    }
    if (lineStart >= 0 && lineEnd < 0) {
      const end = block.indexOf(NEWLINE, at);
      at = end < 0 ? block.length : end;
      if (end >= 0) lineEnd = size + end;
    }
    if (lineEnd >= 0) more = firstInk(block, at) < block.length;
    size += block.length;
    if (!more && size > maxBytes) throw tooLarge('the first line', maxBytes);
  }
  const head = blocks.length === 1 ? (blocks[0] as Buffer) : Buffer.concat(blocks);
  reader.unread(head);
  return { head, lineStart: lineStart < 0 ? size : lineStart, lineEnd: lineEnd < 0 ? size : lineEnd, more };
}

/** Offset of the first byte from `at` on that is not JSON's white space; the length when there is none. */
function firstInk(block: Buffer, at: number): number {
  let i = at;
  while (
    i < block.length &&
    (block[i] === 0x20 || block[i] === 0x09 || block[i] === 0x0d || block[i] === NEWLINE)
  )
    i += 1;
  return i;
}
