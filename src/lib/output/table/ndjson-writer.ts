import type { Sink } from '../sink.js';
import type { OutputColumn, TableWriter } from './table.js';

/** A JSON object a line, with the columns as fields; a missing value is `null`, an undefined one left out. */
export class NdjsonWriter implements TableWriter {
  private readonly keys: string[];

  constructor(
    private readonly sink: Pick<Sink, 'write'>,
    columns: readonly OutputColumn[],
  ) {
    this.keys = columns.map(({ name }) => JSON.stringify(name));
  }

  async write(rows: readonly unknown[][]): Promise<void> {
    if (rows.length > 0) await this.sink.write(rows.map((row) => this.line(row)).join(''));
  }

  async end(): Promise<void> {
    // Nothing follows the last row.
  }

  /** Assembled as text: as a field of an object, a column named `__proto__` would be lost. */
  private line(row: readonly unknown[]): string {
    let text = '';
    for (const [index, value] of row.entries()) {
      if (value !== undefined)
        text += `${text === '' ? '' : ','}${this.keys[index]}:${JSON.stringify(value)}`;
    }
    return `{${text}}\n`;
  }
}
