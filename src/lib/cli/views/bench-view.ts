import type { Advice } from '../../bench/advice.js';
import type { Figures } from '../../bench/figures.js';
import type { ModelTime } from '../../bench/model-times.js';
import type { Percentiles } from '../../bench/percentiles.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import { type ChartPoint, latencyChart } from '../bench/chart.js';
import { type Cell, type Column, renderTable } from '../output/table.js';
import { count, heading, type Layout, plural } from '../output/text.js';

/** The documented JSON of `bench`. */
export interface BenchJson {
  model: string;
  device: string;
  redis: { label: string; private: boolean };
  workers: number;
  queues: string[];
  /** Where the input rows come from. */
  rows: string;
  seed: number;
  durationMs: number;
  thresholdMs: number | null;
  results: Figures[];
  /** Of a sweep: highest rate that was kept up within the threshold. */
  bestRate?: number | null;
}

/** The documented JSON of `bench model`. */
export interface BenchModelJson {
  model: string;
  version: number;
  device: string;
  /** Why the device is not the one asked for. */
  fallback: string | null;
  batchable: boolean;
  latencyTargetMs: number;
  times: ModelTime[];
  advice: (Advice & { threads: number })[];
  /** The advice that carries most rows a second. */
  best: Advice & { threads: number };
}

const COLUMNS: Column[] = [
  { title: 'SCENARIO' },
  { title: 'LOAD' },
  { title: 'ROWS/S', align: 'right' },
  { title: 'MEAN BATCH', align: 'right' },
  { title: 'ERRORS', align: 'right' },
  { title: 'OF' },
  { title: 'P50', align: 'right' },
  { title: 'P90', align: 'right' },
  { title: 'P99', align: 'right' },
  { title: 'P99.9', align: 'right' },
];

/** Every load in three lines (total, queue, run), in a pipe as in a terminal; the chart only in a terminal. */
export function benchView(bench: BenchJson, layout: Layout): string[] {
  const { paint } = layout;
  const lines = renderTable(COLUMNS, bench.results.flatMap(rowsOf), layout);
  const failed = bench.results.filter((one) => one.errors > 0);
  const errors = failed.map((one) => {
    const codes = Object.entries(one.errorCodes).map(([code, times]) => `${printable(code)} ${count(times)}`);
    return `${paint('red', '!')} ${one.scenario}, ${one.load}: ${codes.join(', ')}`;
  });
  if (!layout.tty) return lines;
  const sweep = bench.results.filter((one) => one.scenario === 'sweep');
  const chart = latencyChart(sweep.flatMap(pointOf), {
    width: Math.min(layout.width, 120),
    thresholdMs: bench.thresholdMs ?? undefined,
  });
  return [
    ...lines,
    ...errors,
    ...(chart.length === 0 ? [] : ['', heading('Latency over rate', paint), ...chart]),
    ...(sweep.length === 0 ? [] : ['', paint('bold', bestRateText(bench))]),
  ];
}

/** What the sweep found, in words. */
export function bestRateText({ bestRate, thresholdMs }: BenchJson): string {
  const within = thresholdMs === null ? '' : ` with p99 within ${formatDuration(thresholdMs)}`;
  if (bestRate === null || bestRate === undefined) return `No rate was kept up${within}.`;
  return `Kept up${within}: ${count(bestRate)} requests a second.`;
}

function rowsOf(one: Figures): Cell[][] {
  const kept = one.keptUp === false ? ', not kept up' : '';
  const errors: Cell = one.errors > 0 ? { text: count(one.errors), format: 'red' } : '0';
  const mean = one.meanBatch === null ? '-' : one.meanBatch.toFixed(1);
  const unit = one.samples.of === 'chunks' ? ' of a chunk' : '';
  return [
    [
      one.scenario,
      `${one.load}${kept}`,
      count(one.rowsPerSecond),
      mean,
      errors,
      `total${unit}`,
      ...times(one.totalMs),
    ],
    [one.scenario, '', '', '', '', 'queue', ...times(one.queueMs)],
    [one.scenario, '', '', '', '', 'run', ...times(one.runMs)],
  ];
}

function times(of: Percentiles | null): string[] {
  if (of === null) return ['-', '-', '-', '-'];
  return [of.p50, of.p90, of.p99, of.p999].map((ms) => formatDuration(ms));
}

function pointOf({ rate, totalMs }: Figures): ChartPoint[] {
  return rate === undefined || totalMs === null ? [] : [{ rate, p50: totalMs.p50, p99: totalMs.p99 }];
}

const REASONS: Record<Advice['because'], (target: string) => string> = {
  'pays-no-more': () => 'a larger one carries less than 10 % more rows a second',
  'too-slow': (target) => `a larger one takes longer than --latency-target ${target}`,
  'largest-measured': () => 'the largest measured still pays',
};

export function benchModelView(bench: BenchModelJson, layout: Layout): string[] {
  const advised = (time: ModelTime) =>
    bench.advice.some((one) => one.threads === time.threads && one.maxBatch === time.batch);
  const lines = renderTable(
    ['THREADS', 'BATCH', 'RUN', 'WITH PIPE', 'ROWS/S', 'SPEED-UP', 'RUNS', 'ADVISED'].map((title) => ({
      title,
      align: 'right' as const,
    })),
    bench.times.map((time) => [
      String(time.threads),
      String(time.batch),
      formatDuration(time.runMs),
      formatDuration(time.callMs),
      count(time.rowsPerSecond),
      `${time.speedUp.toFixed(2)}x`,
      count(time.runs),
      advised(time) ? { text: 'yes', format: 'green' } : '',
    ]),
    layout,
  );
  return layout.tty ? [...lines, '', layout.paint('bold', adviceText(bench))] : lines;
}

/** `Advised for 20 ms: --max-batch 64 --threads 1 (…)`. */
export function adviceText({ best, batchable, latencyTargetMs, device, advice }: BenchModelJson): string {
  if (!batchable) return 'This model takes one row a run: batching is no question.';
  const target = formatDuration(latencyTargetMs);
  const threads = advice.length > 1 && device === 'cpu' ? ` --threads ${best.threads}` : '';
  return `Advised on ${device}: --max-batch ${best.maxBatch}${threads} (${REASONS[best.because](target.replace(' ', ''))})`;
}

/** What is wrong with a result that missed the threshold. */
export function missedText(one: Figures, thresholdMs: number): string {
  const p99 = one.totalMs === null ? 'has no answer' : `has p99 ${formatDuration(one.totalMs.p99)}`;
  return `${one.scenario}, ${one.load}: ${p99}, over --latency-threshold ${formatDuration(thresholdMs)}`;
}

export function errorText(results: readonly Figures[]): string {
  const errors = results.reduce((sum, one) => sum + one.errors, 0);
  return `${plural(errors, 'request')} failed`;
}
