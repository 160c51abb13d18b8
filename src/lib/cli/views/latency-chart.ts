import { formatDuration } from '../../core/units.js';

/** One column of the chart: a rate and the latencies measured at it, in ms. */
export interface ChartPoint {
  rate: number;
  p50: number;
  p99: number;
}

export interface ChartOptions {
  /** Columns of the terminal. */
  width: number;
  /** Lines of the plot, without axis and legend. */
  height?: number;
  /** Draws a line at this latency, ms. */
  thresholdMs?: number | undefined;
}

const HEIGHT = 10;
const MOST_CELLS = 9;
/** A larger ratio between latencies is drawn on a log scale. */
const LOG_FROM = 20;
const MARKS = { p50: 'o', p99: '#', both: '8', threshold: '-' };

/**
 * p50 and p99 over rate, one column per step, as text. Empty if it would not fit or has nothing to compare.
 */
export function latencyChart(points: readonly ChartPoint[], options: ChartOptions): string[] {
  const { height = HEIGHT, thresholdMs } = options;
  const values = points.flatMap((point) => [point.p50, point.p99]).filter((ms) => ms > 0);
  if (points.length < 2 || values.length === 0) return [];
  const all = thresholdMs === undefined ? values : [...values, thresholdMs];
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const log = most / least > LOG_FROM;
  const bottom = log ? least : 0;
  const scale = log ? Math.log : (ms: number) => ms;
  const span = scale(most) - scale(bottom === 0 ? 0 : bottom) || 1;
  const rowOf = (ms: number) =>
    Math.round(((scale(Math.max(ms, bottom)) - scale(bottom)) / span) * (height - 1));
  const msOf = (row: number) => {
    const at = scale(bottom) + (row / (height - 1)) * span;
    return log ? Math.exp(at) : at;
  };
  const labels = Array.from({ length: height }, (_, row) => formatDuration(msOf(row)));
  const gutter = Math.max(...labels.map((label) => label.length));
  const rates = points.map((point) => shortNumber(point.rate));
  const cells = Math.min(MOST_CELLS, Math.max(...rates.map((rate) => rate.length)) + 2);
  const room = Math.floor((options.width - gutter - 3) / cells);
  if (room < 2) return [];
  // Keep the last steps, which show the bend.
  const shown = points.slice(-room);
  const lines: string[] = [];
  const lineAt = thresholdMs === undefined ? -1 : rowOf(thresholdMs);
  for (let row = height - 1; row >= 0; row--) {
    const fill = row === lineAt ? MARKS.threshold : ' ';
    const plot = shown.map((point) => column(markOf(point, row, rowOf), fill, cells)).join('');
    const label = row % 3 === 0 || row === height - 1 ? (labels[row] as string) : '';
    lines.push(`${label.padStart(gutter)} | ${plot}`.trimEnd());
  }
  lines.push(`${' '.repeat(gutter)} +${'-'.repeat(shown.length * cells + 1)}`);
  const axis = shown.map((point) => column(shortNumber(point.rate), ' ', cells)).join('');
  lines.push(`${' '.repeat(gutter)}   ${axis}`.trimEnd());
  const threshold = thresholdMs === undefined ? '' : `   --- threshold ${formatDuration(thresholdMs)}`;
  const scaleNote = log ? ', log scale' : '';
  lines.push(`${' '.repeat(gutter)}   requests a second   o p50   # p99${threshold}${scaleNote}`);
  return lines;
}

function markOf(point: ChartPoint, row: number, rowOf: (ms: number) => number): string {
  const [p50, p99] = [rowOf(point.p50) === row, rowOf(point.p99) === row];
  if (p50 && p99) return MARKS.both;
  return p99 ? MARKS.p99 : p50 ? MARKS.p50 : '';
}

/** Centres text in a column. */
function column(text: string, fill: string, width: number): string {
  const left = Math.floor((width - text.length) / 2);
  return fill.repeat(left) + text + fill.repeat(Math.max(0, width - left - text.length));
}

/** `50`, `1.6k`, `102k`: four or five characters. */
function shortNumber(value: number): string {
  if (value < 1000) return String(Number(value.toFixed(1)));
  const thousands = value / 1000;
  return `${Number(thousands.toFixed(thousands < 100 ? 1 : 0))}k`;
}
