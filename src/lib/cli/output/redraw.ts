import { stripVTControlCharacters } from 'node:util';
import type { OutputStream } from './text.js';
import { widthOf } from './text.js';

const CLEAR_BELOW = '\u001b[J';
const up = (rows: number) => (rows > 0 ? `\u001b[${rows}A` : '');

/** Lines that are drawn again over themselves; the last ones stay when the command ends. */
export class Redraw {
  private rows = 0;

  constructor(private readonly stream: OutputStream) {}

  show(lines: readonly string[]): void {
    this.stream.write(`\r${up(this.rows)}${CLEAR_BELOW}${lines.join('\n')}\n`);
    const width = widthOf(this.stream);
    // A line that is too long takes several rows of the terminal.
    this.rows = lines.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(stripVTControlCharacters(line).length / width)),
      0,
    );
  }
}
