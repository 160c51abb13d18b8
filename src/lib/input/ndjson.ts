import { isAscii, isUtf8 } from 'node:buffer';
import { badInput } from '../core/errors.js';
import { type ModelSignature, takesJson } from '../model/signature.js';
import type { ImageAddresses, ParsedRow } from './address/fetched-rows.js';
import { type ByteReader, tooLarge } from './bytes.js';
import type { Chunk, ChunkLimits } from './chunk.js';
import { ChunkBuilder } from './chunk-builder.js';
import type { ReadFile } from './column.js';
import { decodeText, malformed, notUtf8, refuseDuplicates, refuseShape } from './json-document.js';
import { checkJsonValue } from './json-row.js';
import { bareInput } from './left-out.js';
import { BOM } from './sniff.js';
import { inputNames } from './wanted.js';

export interface NdjsonOptions extends ChunkLimits {
  /** Maximum bytes per line. */
  maxBytes: number;
  maxDepth: number;
  /** Maximum number of lists, objects, texts and commas per line. */
  maxValues?: number | undefined;
  /** A line is a text, not JSON. */
  isText?: boolean | undefined;
  /** Reads the images that lines name by their paths. */
  readFile?: ReadFile | undefined;
  /** Fetches those that they name by their addresses. */
  addresses?: ImageAddresses | undefined;
}

const NEWLINE = 0x0a;
/** A shorter line cannot be nested deeper than half of this, and is parsed without checking its depth. */
const SHALLOW_BYTES = 4096;

/** Offset of the first byte in `from..to` that is not JSON white space; `to` when there is none. */
function skipSpace(bytes: Buffer, from: number, to: number): number {
  let at = from;
  for (let byte = bytes[at]; at < to; byte = bytes[++at]) {
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d && byte !== NEWLINE) break;
  }
  return at;
}

/**
 * Rows of NDJSON, one per line: an object of inputs (other fields, such as a label, are ignored), or the bare
 * value of a single input. Holds a block and an unfinished line, never the file. The first bad line ends it.
 * @throws InferError INPUT_* (exit 65) naming `line N`, counted from 1 including blank lines.
 */
export async function* readNdjson(
  reader: ByteReader,
  signature: ModelSignature,
  options: NdjsonOptions,
): AsyncGenerator<Chunk, void, undefined> {
  const { readFile, addresses } = options;
  const where = (line: number) => `line ${line}`;
  const builder = new ChunkBuilder(signature, options, where, { readFile });
  if (addresses !== undefined) {
    yield* readFetched(reader, signature, options, { builder, addresses, where });
    return;
  }
  const lines = new LineParser(signature, builder, options);
  for (let block = await reader.next(); block !== undefined; block = await reader.next()) {
    try {
      lines.push(block);
    } catch (error) {
      // Rows before the bad line are valid: a caller that has already sent chunks gets them too.
      yield* builder.drain();
      throw error;
    }
    yield* builder.drain();
  }
  lines.end();
  builder.flush();
  yield* builder.drain();
}

/** The same, where images are fetched before their rows are added. */
async function* readFetched(
  reader: ByteReader,
  signature: ModelSignature,
  options: NdjsonOptions,
  {
    builder,
    addresses,
    where,
  }: { builder: ChunkBuilder; addresses: ImageAddresses; where(line: number): string },
): AsyncGenerator<Chunk, void, undefined> {
  let parsed: ParsedRow[] = [];
  const rows: RowSink = {
    addRow: (value, row) => parsed.push({ value, row }),
    addValues: ([value], row) => parsed.push({ value, row }),
  };
  const lines = new LineParser(signature, rows, options);
  async function* added(): AsyncGenerator<Chunk, void, undefined> {
    const taken = parsed;
    parsed = [];
    for await (const { value, row } of addresses.rows(taken, where)) {
      builder.addRow(value, row, 'ignore');
      yield* builder.drain();
    }
  }
  for (let block = await reader.next(); block !== undefined; block = await reader.next()) {
    let failure: unknown;
    try {
      lines.push(block);
    } catch (error) {
      failure = error;
    }
    yield* added();
    if (failure !== undefined) throw failure;
  }
  lines.end();
  yield* added();
  builder.flush();
  yield* builder.drain();
}

/** What takes the rows of lines. */
type RowSink = Pick<ChunkBuilder, 'addRow' | 'addValues'>;

/**
 * Rows of a text file, one per line, for a model with one input of text. Blank lines are no rows. Otherwise as
 * `readNdjson`.
 * @throws InferError INPUT_FORMAT when the model takes something else; INPUT_* (exit 65) naming `line N`.
 */
export async function* readTextLines(
  reader: ByteReader,
  signature: ModelSignature,
  options: NdjsonOptions,
): AsyncGenerator<Chunk, void, undefined> {
  const bare = bareInput(signature);
  const input = bare === undefined ? undefined : signature.inputs[bare];
  if (input?.type !== 'string' || input.role === 'json' || input.role === 'image') {
    throw badInput(
      'INPUT_FORMAT',
      `lines of text are not rows of model ${signature.name}; it takes ${inputNames(signature)}`,
      {
        hint: 'give JSON, one row a line (NDJSON)',
      },
    );
  }
  yield* readNdjson(reader, signature, { ...options, isText: true });
}

/** Splits blocks at newlines itself: `readline` creates a promise and a decoded string for every line. */
class LineParser {
  private line = 0;
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private readonly json: boolean;

  constructor(
    signature: ModelSignature,
    private readonly builder: RowSink,
    private readonly options: NdjsonOptions,
  ) {
    this.json = takesJson(signature);
  }

  push(block: Buffer): void {
    let start = 0;
    if (this.pendingBytes > 0) {
      const end = block.indexOf(NEWLINE);
      this.keep(end < 0 ? block : block.subarray(0, end));
      if (end < 0) return;
      this.takePending();
      start = end + 1;
    }
    const last = block.lastIndexOf(NEWLINE);
    if (last >= start) {
      const whole = block.subarray(start, last + 1);
      // Once per block, not per line: newlines cannot occur inside a character, so whole lines are whole
      // text.
      const ascii = isAscii(whole);
      const valid = ascii || isUtf8(whole);
      for (let from = 0; from < whole.length; ) {
        const end = whole.indexOf(NEWLINE, from);
        this.parse(whole, from, end, ascii, valid);
        from = end + 1;
      }
      start = last + 1;
    }
    if (start < block.length) this.keep(block.subarray(start));
  }

  end(): void {
    if (this.pendingBytes > 0) this.takePending();
  }

  private keep(part: Buffer): void {
    this.pending.push(part);
    this.pendingBytes += part.length;
    if (this.pendingBytes > this.options.maxBytes) {
      throw tooLarge('one line', this.options.maxBytes, `line ${this.line + 1}`);
    }
  }

  private takePending(): void {
    const bytes = Buffer.concat(this.pending, this.pendingBytes);
    this.pending = [];
    this.pendingBytes = 0;
    const ascii = isAscii(bytes);
    this.parse(bytes, 0, bytes.length, ascii, ascii || isUtf8(bytes));
  }

  private parse(bytes: Buffer, from: number, to: number, ascii: boolean, valid: boolean): void {
    this.line += 1;
    let start = skipSpace(bytes, from, to);
    // Concatenated files each keep their own byte order mark.
    if (bytes[start] === BOM[0] && bytes.subarray(start, start + BOM.length).equals(BOM))
      start = skipSpace(bytes, start + BOM.length, to);
    if (start === to) return;
    if (to - start > SHALLOW_BYTES && !this.options.isText)
      refuseShape(bytes.subarray(start, to), this.options, `line ${this.line}`);
    if (!valid && !isUtf8(bytes.subarray(start, to))) throw notUtf8(`line ${this.line}`);
    const text = ascii
      ? bytes.toString('latin1', start, to)
      : decodeText(bytes.subarray(start, to), `line ${this.line}`);
    if (this.options.isText) {
      this.builder.addRow(text.trimEnd(), this.line, 'ignore');
      return;
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw malformed(text, this.line);
    }
    refuseDuplicates(text, value, this.line);
    if (!this.json) this.builder.addRow(value, this.line, 'ignore');
    else {
      checkJsonValue(value, this.options.maxDepth, `line ${this.line}`);
      // The line itself, not the parsed value serialised again, so that no number loses digits.
      this.builder.addValues([text.trimEnd()], this.line);
    }
  }
}
