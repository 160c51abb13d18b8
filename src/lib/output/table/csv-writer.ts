import type { Sink } from '../sink.js';
import type { OutputColumn, TableWriter } from './table.js';

/**
 * A table of separated values: RFC 4180 with LF. A cell is quoted if it contains the delimiter, a quote or a
 * line end, or if a reader might trim it or take it for a mark; lists and objects are JSON text.
 */
export class CsvWriter implements TableWriter {
  private readonly special: RegExp;

  private constructor(
    private readonly sink: Pick<Sink, 'write'>,
    private readonly delimiter: string,
  ) {
    this.special = new RegExp(`["\\r\\n${delimiter}]|^[\\s\\ufeff]|\\s$`);
  }

  static async open(
    sink: Pick<Sink, 'write'>,
    columns: readonly OutputColumn[],
    delimiter: string,
  ): Promise<CsvWriter> {
    const writer = new CsvWriter(sink, delimiter);
    await writer.write([columns.map(({ name }) => name)]);
    return writer;
  }

  async write(rows: readonly unknown[][]): Promise<void> {
    let text = '';
    for (const row of rows) {
      // The only empty cell of a line: unquoted, the line would be empty and skipped by readers.
      const line = row.length === 1 && isMissing(row[0]) ? '""' : this.line(row);
      text += `${line}\n`;
    }
    if (text !== '') await this.sink.write(text);
  }

  async end(): Promise<void> {
    // Nothing follows the last row.
  }

  private line(row: readonly unknown[]): string {
    let line = '';
    for (let i = 0; i < row.length; i++)
      line += i === 0 ? this.cell(row[i]) : this.delimiter + this.cell(row[i]);
    return line;
  }

  private cell(value: unknown): string {
    if (isMissing(value)) return '';
    if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
      return String(value);
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
    return this.special.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }
}

function isMissing(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}
