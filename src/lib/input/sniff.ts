import { isUtf8 } from 'node:buffer';
import { badInput } from '../core/errors.js';
import { NPY_MAGIC } from '../core/npy-bytes.js';
import { type ByteReader, tooLarge } from './bytes.js';
import { foreign, foreignData, MAGIC_BYTES } from './foreign.js';
import { findDelimiter } from './table/dialect.js';

export type InputFormat = 'json' | 'ndjson' | 'npy' | 'csv' | 'tsv' | 'parquet' | 'image' | 'text';

export interface Sniffed {
  format: InputFormat;
  /** A JSON document on one line: it may as well be NDJSON with one row, so its other fields are ignored. */
  oneLine: boolean;
}

const NEWLINE = 0x0a;
/** Enough to distinguish text from other data. */
const LOOKED_AT = 8192;
export const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
/** Removes a byte order mark and rejects unsupported formats before anything is parsed. */
export async function checkStart(reader: ByteReader): Promise<void> {
  const start = await reader.exactly(MAGIC_BYTES);
  if (start.length === 0) {
    throw badInput('INPUT_EMPTY', `${reader.label} is empty`, { hint: 'give one row or more' });
  }
  const other = foreignData(reader.label, start);
  if (other !== undefined) throw other;
  reader.unread(start.subarray(0, BOM.length).equals(BOM) ? start.subarray(BOM.length) : start);
}

/**
 * The format of the data in `reader`, from its bytes: the magic of `.npy`; else NDJSON when the first line is
 * complete JSON and more follows; a table when its first lines, which are not JSON, have equally many cells;
 * else one JSON document. `.ndjson` and `.jsonl` files are NDJSON even with one line, `.csv` and `.tsv` files
 * are tables even with one column. Everything read is put back.
 */
export async function sniff(reader: ByteReader, maxBytes: number): Promise<Sniffed> {
  const start = await reader.exactly(NPY_MAGIC.length);
  reader.unread(start);
  if (start.equals(NPY_MAGIC)) return { format: 'npy', oneLine: false };
  if (reader.extension === '.npy') throw foreign(reader.label, 'no NumPy array', 'write it with numpy.save');
  if (reader.extension === '.ndjson' || reader.extension === '.jsonl')
    return { format: 'ndjson', oneLine: false };
  const table = TABLES[reader.extension];
  if (table !== undefined) return { format: table, oneLine: false };
  const { head, lineStart, lineEnd, more } = await readFirstLine(reader, maxBytes);
  if (lineStart === head.length) {
    throw badInput('INPUT_EMPTY', `${reader.label} holds nothing but blank lines`, {
      hint: 'give one row or more',
    });
  }
  const line = head.subarray(lineStart, lineEnd);
  const json = isJson(line);
  if (!json && (await isTable(reader, line, more))) return { format: 'csv', oneLine: false };
  if (!more) return { format: 'json', oneLine: true };
  return { format: json ? 'ndjson' : 'json', oneLine: false };
}

const TABLES: Record<string, 'csv' | 'tsv'> = { '.csv': 'csv', '.psv': 'csv', '.tsv': 'tsv', '.tab': 'tsv' };

/**
 * Whether data that is not JSON is a table. The first lines are examined and put back.
 * @throws InferError INPUT_FORMAT for data that is not text.
 */
async function isTable(reader: ByteReader, line: Buffer, more: boolean): Promise<boolean> {
  const look = await reader.exactly(LOOKED_AT);
  reader.unread(look);
  const binary = line.includes(0) || look.includes(0);
  if (binary || (!more && !isUtf8(line))) {
    throw foreign(
      reader.label,
      binary ? 'binary data' : 'not UTF-8 text',
      'give JSON, one row a line (NDJSON), a table (CSV, Parquet), or an .npy file',
    );
  }
  const text = look.toString('utf8').trimStart();
  if (text.startsWith('[') || text.startsWith('{')) return false;
  const complete = look.length < LOOKED_AT;
  const end = complete ? text.length : text.lastIndexOf('\n') + 1;
  return findDelimiter(end === 0 ? text : text.slice(0, end), complete || end === 0) !== undefined;
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
  /** Bounds of the first non-blank line. */
  lineStart: number;
  lineEnd: number;
  /** Whether anything except blanks follows that line. */
  more: boolean;
}

/** Reads on until a byte after the first non-blank line shows whether there is a second. */
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

/** Offset of the first byte from `at` on that is not JSON white space; the length when there is none. */
function firstInk(block: Buffer, at: number): number {
  let i = at;
  while (
    i < block.length &&
    (block[i] === 0x20 || block[i] === 0x09 || block[i] === 0x0d || block[i] === NEWLINE)
  )
    i += 1;
  return i;
}
