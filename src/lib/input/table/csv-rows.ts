import type { Parser } from 'csv-parse';
import { badInput } from '../../core/errors.js';
import { type ByteReader, tooLarge } from '../bytes.js';
import { placeIn, type TableRow } from './table.js';
import { Utf8Check } from './utf8-check.js';

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const QUOTE = 0x22;
const BOM_TEXT = '\ufeff';
/** csv-parse's codes for a quote within a cell. */
const STRAY_QUOTES = new Set<unknown>(['INVALID_OPENING_QUOTE', 'CSV_INVALID_CLOSING_QUOTE']);

/**
 * The lines of a table as arrays of cells, a block of input at a time. Until the first quote (or a line that
 * ends in a bare carriage return), lines are split here; from there on csv-parse reads. Tables of numbers
 * have no quotes, and splitting them is several times faster.
 */
export class CsvRows {
  private ready: TableRow[] = [];
  private failure: unknown;
  private ended = false;
  /** Lines read so far, and of them what the parser began with. */
  private line = 0;
  private emptyLines = 0;
  private parser: Parser | undefined;
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private readonly utf8: Utf8Check;

  constructor(
    private readonly reader: ByteReader,
    private readonly delimiter: string,
    private readonly maxBytes: number,
  ) {
    this.utf8 = new Utf8Check(reader.label);
  }

  /** The next rows; undefined at the end. Rows before a fault are returned before it is thrown. */
  async next(): Promise<TableRow[] | undefined> {
    while (this.ready.length === 0 && this.failure === undefined && !this.ended) {
      try {
        const block = await this.reader.next();
        if (block === undefined) await this.finish();
        else await this.push(block);
      } catch (error) {
        this.failure = this.explained(error);
      }
    }
    if (this.ready.length > 0) {
      const rows = this.ready;
      this.ready = [];
      return rows;
    }
    if (this.failure !== undefined) throw this.failure;
    return undefined;
  }

  private async push(block: Buffer): Promise<void> {
    this.utf8.push(block);
    if (this.parser === undefined) {
      const afterReturn = this.pending.at(-1)?.at(-1) === RETURN;
      if (!block.includes(QUOTE) && !hasBareReturn(block, afterReturn)) return this.split(block);
      await this.startParser();
    }
    await this.feed(block);
  }

  private async finish(): Promise<void> {
    this.ended = true;
    this.utf8.end();
    if (this.parser !== undefined) return this.feed(undefined);
    if (this.pendingBytes > 0) this.takeLines(Buffer.concat(this.pending));
  }

  private split(block: Buffer): void {
    const last = block.lastIndexOf(NEWLINE);
    if (last < 0) {
      this.pending.push(block);
      this.pendingBytes += block.length;
      if (this.pendingBytes > this.maxBytes) throw this.rowTooLarge();
      return;
    }
    const whole = block.subarray(0, last);
    this.takeLines(this.pendingBytes === 0 ? whole : Buffer.concat([...this.pending, whole]));
    this.pending = last + 1 < block.length ? [block.subarray(last + 1)] : [];
    this.pendingBytes = block.length - last - 1;
  }

  /** Complete lines, the last without its end. */
  private takeLines(bytes: Buffer): void {
    for (const text of bytes.toString('utf8').split('\n')) {
      this.line += 1;
      // Concatenated files each keep their own byte order mark.
      const from = text.startsWith(BOM_TEXT) ? BOM_TEXT.length : 0;
      const line = text.slice(from, text.endsWith('\r') ? -1 : undefined);
      if (line !== '') this.take(line.split(this.delimiter), this.line);
    }
  }

  private take(cells: string[], at: number): void {
    this.ready.push({ cells, at });
  }

  private async startParser(): Promise<void> {
    const { parse } = await import('csv-parse');
    const before = this.line;
    this.parser = parse({
      delimiter: this.delimiter,
      record_delimiter: ['\r\n', '\n', '\r'],
      // Checked by the table, which knows what its columns are called.
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: this.maxBytes,
      on_record: (record: string[], { lines, empty_lines: empty }) => {
        // A row may have several lines, and is known by its first.
        this.take(record, this.line + 1 + empty - this.emptyLines);
        this.line = before + lines;
        this.emptyLines = empty;
        return null;
      },
    });
    // The callback of a write gets its error too.
    this.parser.on('error', () => undefined);
    const { pending } = this;
    this.pending = [];
    this.pendingBytes = 0;
    for (const block of pending) await this.feed(block);
  }

  private feed(block: Buffer | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: Error | null) => (error ? reject(error) : resolve());
      if (block === undefined) this.parser?.end(done);
      else this.parser?.write(block, done);
    });
  }

  private rowTooLarge(): Error {
    const place = placeIn({ label: this.reader.label, unit: 'line' }, this.line + 1);
    return tooLarge('one row of the table', this.maxBytes, place);
  }

  /** csv-parse's errors in our words. */
  private explained(error: unknown): unknown {
    const { code } = error as { code?: unknown };
    if (code === 'CSV_MAX_RECORD_SIZE') return this.rowTooLarge();
    const where = placeIn({ label: this.reader.label, unit: 'line' }, this.line + 1);
    if (code === 'CSV_QUOTE_NOT_CLOSED') {
      return badInput('INPUT_TABLE', 'a quoted cell does not end', {
        where,
        hint: 'close its quotes; write a quote within a quoted cell twice: "5"" disk"',
      });
    }
    if (!STRAY_QUOTES.has(code)) return error;
    return badInput('INPUT_TABLE', 'a double quote stands within a cell', {
      where,
      hint: 'put the whole cell in quotes and write the quote twice: "5"" disk"',
    });
  }
}

/** Whether a carriage return stands alone. One at the end is judged with the next block. */
function hasBareReturn(block: Buffer, afterReturn: boolean): boolean {
  if (afterReturn && block[0] !== NEWLINE) return true;
  for (let at = block.indexOf(RETURN); at >= 0 && at + 1 < block.length; at = block.indexOf(RETURN, at + 1))
    if (block[at + 1] !== NEWLINE) return true;
  return false;
}
