import { printable } from '../../core/printable.js';
import { formatDuration } from '../../core/units.js';
import { wrapWords } from '../output/sentence.js';
import type { Paint } from '../output/text.js';
import { visibleWidth } from '../output/width.js';

/** The history of one figure, oldest first; null where unknown. */
export interface Course {
  label: string;
  values: readonly (number | null)[];
  /** The newest value, formatted. */
  shown: string;
}

/** What is drawn for one queue or worker: a line of charts. */
export interface ChartRow {
  name: string;
  courses: readonly Course[];
}

/** One frame of `--watch`, before it is fitted to the terminal. */
export interface Frame {
  /** The watched command: `infer inspect`. */
  title: string;
  everyMs: number;
  /** When its data was read, `15:04:05`. */
  clock: string;
  paused: boolean;
  sort: string;
  /** Why the data is old, and for how long. */
  trouble: { message: string; sinceMs: number } | undefined;
  body: readonly string[];
  charts: readonly ChartRow[];
  /** False if keys cannot be read: then none are offered. */
  keys: boolean;
}

export interface FrameSize {
  columns: number;
  rows: number;
}

const LEVELS = '▁▂▃▄▅▆▇█';
/** Cells of a chart: fewer show nothing, more would exceed a minute or two. */
const CELLS = { least: 8, most: 60 };
/** Share of the screen available to charts. */
const CHART_SHARE = 1 / 3;
/** With fewer lines, the tables take precedence: charts add only the history. */
const CHART_ROOM = 18;
const NAME_MOST = 20;

/** The frame as lines that fit: never more than the rows, none wider than the columns. Pure. */
export function drawFrame(frame: Frame, size: FrameSize, paint: Paint): string[] {
  const head = [headLine(frame, paint), ...troubleLines(frame, size, paint)];
  const foot = frame.keys ? [paint('dim', 'p pause · s sort · q quit')] : [];
  const room = size.rows - head.length - foot.length;
  const wanted = chartLines(frame.charts, size.columns, paint);
  const share = Math.max(0, Math.floor(room * CHART_SHARE) - 1);
  const spare = room - 1 - frame.body.length - 1;
  const charts = wanted.slice(0, room < CHART_ROOM ? Math.max(0, Math.min(share, spare)) : share);
  const chartRoom = charts.length === 0 ? 0 : charts.length + 1;
  const body = fitted(frame.body, room - chartRoom - 1, paint);
  const lines = [...head, '', ...body, ...(charts.length === 0 ? [] : ['', ...charts])];
  const fill = Math.max(0, size.rows - foot.length - lines.length);
  return [...lines, ...Array<string>(fill).fill(''), ...foot]
    .slice(0, size.rows)
    .map((line) => cutToWidth(line, size.columns));
}

function headLine(frame: Frame, paint: Paint): string {
  const state = frame.paused ? paint('yellow', 'paused') : `every ${formatDuration(frame.everyMs)}`;
  const parts = [frame.clock, state, `by ${frame.sort}`].join(paint('dim', ' · '));
  return `${paint('bold', frame.title)}${paint('dim', ' · ')}${parts}`;
}

function troubleLines({ trouble }: Frame, { columns }: FrameSize, paint: Paint): string[] {
  if (trouble === undefined) return [];
  const text = `${trouble.message}; retrying for ${formatDuration(trouble.sinceMs)} now`;
  return wrapWords(`! ${printable(text)}`, columns)
    .slice(0, 3)
    .map((line) => paint('red', line));
}

/** Lines that do not fit are counted, not dropped silently. */
export function fitted(lines: readonly string[], room: number, paint: Paint): string[] {
  if (lines.length <= room) return [...lines];
  if (room <= 0) return [];
  const shown = lines.slice(0, room - 1);
  return [
    ...shown,
    paint('dim', `… ${lines.length - shown.length} more lines: a taller terminal shows them`),
  ];
}

/** Two charts per line if there is room, otherwise one per line, otherwise none. */
function chartLines(rows: readonly ChartRow[], columns: number, paint: Paint): string[] {
  const names = Math.min(NAME_MOST, Math.max(0, ...rows.map((row) => visibleWidth(printable(row.name)))));
  const courses = rows.flatMap((row) => row.courses);
  const most = Math.max(0, ...rows.map((row) => row.courses.length));
  if (most === 0) return [];
  const labels = Math.max(...courses.map((course) => course.label.length));
  const values = Math.max(...courses.map((course) => visibleWidth(course.shown)));
  const text = labels + values + 2;
  const cellsFor = (side: number) => Math.floor((columns - names - side * (text + 2)) / side);
  const side = cellsFor(most) >= CELLS.least ? most : 1;
  const cells = Math.min(CELLS.most, cellsFor(side));
  if (cells < CELLS.least) return [];
  return rows.flatMap((row) =>
    chunks(row.courses, side).map((group, at) => {
      const name = padTo(at === 0 ? printable(row.name) : '', names);
      const charts = group.map(
        ({ label, values: course, shown }) =>
          `  ${paint('dim', label.padEnd(labels))} ${paint('cyan', sparkline(course, cells))} ${padTo(shown, values)}`,
      );
      return `${name}${charts.join('')}`.trimEnd();
    }),
  );
}

/**
 * The last values as blocks of eight heights, the highest at full height; unknown is a gap, zero the lowest.
 */
export function sparkline(values: readonly (number | null)[], cells: number): string {
  const last = values.slice(-cells);
  const most = Math.max(...last.map((value) => value ?? 0));
  const blocks = last.map((value) => {
    if (value === null) return ' ';
    // Only zero is drawn as zero: one job in a thousand must be visible.
    const level = value <= 0 ? 0 : Math.max(1, Math.round((value / most) * (LEVELS.length - 1)));
    return LEVELS[level] as string;
  });
  return blocks.join('').padStart(cells);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: styles begin with ESC.
const STYLE = /\u001b\[[0-9;]*m/y;
const RESET = '\u001b[0m';

/** A line truncated to this many columns, with its styles closed; `…` marks the cut. */
export function cutToWidth(line: string, columns: number): string {
  if (visibleWidth(line) <= columns) return line;
  if (columns <= 0) return '';
  let out = '';
  let width = 0;
  let styled = false;
  for (let at = 0; at < line.length; ) {
    STYLE.lastIndex = at;
    const style = STYLE.exec(line);
    if (style !== null) {
      out += style[0];
      styled = true;
      at += style[0].length;
      continue;
    }
    const char = String.fromCodePoint(line.codePointAt(at) as number);
    const wide = visibleWidth(char);
    if (width + wide > columns - 1) break;
    out += char;
    width += wide;
    at += char.length;
  }
  return `${out}…${styled ? RESET : ''}`;
}

function padTo(text: string, width: number): string {
  const cut = cutToWidth(text, width);
  return cut + ' '.repeat(Math.max(0, width - visibleWidth(cut)));
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const out: T[][] = [];
  for (let at = 0; at < items.length; at += size) out.push(items.slice(at, at + size));
  return out;
}
