import type { Advice } from '../../bench/advice.js';
import type { Figures } from '../../bench/figures.js';
import type { ModelTime } from '../../bench/model-times.js';
import type { Percentiles } from '../../bench/percentiles.js';
import { type BenchJson, type BenchModelJson, shapesText } from '../../bench/reports.js';
import type { StepTimes, TraceFigures } from '../../bench/trace-one.js';
import { count, plural } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import { type Cell, type Column, renderTable } from '../output/table.js';
import { heading, type Layout, type Paint } from '../output/text.js';
import { type ChartPoint, latencyChart } from './latency-chart.js';

const PIPE_COLUMNS: Column[] = columnsOf('SCENARIO LOAD', 'ROWS/S BATCH ERRORS', 'OF', 'P50 P90 P99 P99.9');
const THROUGHPUT: Column[] = columnsOf('SCENARIO LOAD', 'ROWS/S BATCH ERRORS SECONDS');
const LATENCY: Column[] = columnsOf('LOAD OF', 'P50 P90 P99 P99.9');

/** Columns from titles, aligned left and right alternately. */
function columnsOf(...titles: string[]): Column[] {
  return titles.flatMap((words, at) =>
    words
      .split(' ')
      .map((title) => ({ title, align: at % 2 === 0 ? ('left' as const) : ('right' as const) })),
  );
}

/**
 * In a pipe one table, three lines per load (total, queue, run); on a terminal two that fit 80 columns, and
 * the chart of a sweep.
 */
export function benchView(bench: BenchJson, layout: Layout): string[] {
  const { results, trace } = bench;
  if (trace !== undefined) return traceView(trace, layout);
  if (!layout.tty) return renderTable(PIPE_COLUMNS, results.flatMap(pipeRows), layout);
  const { paint } = layout;
  const sweep = results.filter((one) => one.scenario === 'sweep');
  const chart = latencyChart(sweep.flatMap(pointOf), {
    width: Math.min(layout.width, 120),
    thresholdMs: bench.thresholdMs ?? undefined,
  });
  return [
    ...renderTable(THROUGHPUT, results.map(throughputRow), layout),
    ...results.filter((one) => one.errors > 0).map((one) => errorLine(one, paint)),
    '',
    heading('Latency of a row, or of a chunk of a group', paint),
    ...renderTable(LATENCY, results.flatMap(latencyRows), layout),
    ...(chart.length === 0 ? [] : ['', heading('Latency over rate', paint), ...chart]),
    ...(sweep.length === 0 ? [] : ['', paint('bold', bestRateText(bench))]),
  ];
}

const TRACE_COLUMNS: Column[] = columnsOf('STEP WHERE', 'MEAN P50 P99');

/** The steps of a job in their order, and what they add up to. */
function traceView({ jobs, awake, totalMs, steps, addAnsweredMs }: TraceFigures, layout: Layout): string[] {
  const row = (step: string, where: string, { meanMs, p50Ms, p99Ms }: StepTimes): Cell[] => [
    step,
    where,
    ...[meanMs, p50Ms, p99Ms].map((ms) => formatDuration(ms)),
  ];
  const lines = renderTable(
    TRACE_COLUMNS,
    [
      ...steps.map(({ step, where, ...times }) => row(step, where, times)),
      row('total', 'all of them', totalMs),
      row('add answered', 'meanwhile: client, Redis', addAnsweredMs),
    ],
    layout,
  );
  if (!layout.tty) return lines;
  const left = awake === 0 ? '' : `, without ${count(awake)} that found it awake`;
  return [...lines, '', `${plural(jobs, 'job')} on an idle worker${left}`];
}

function errorLine({ scenario, load, errorCodes }: Figures, paint: Paint): string {
  const codes = Object.entries(errorCodes).map(([code, times]) => `${printable(code)} ${count(times)}`);
  return `${paint('red', '!')} ${scenario}, ${load}: ${codes.join(', ')}`;
}

/** The result of the sweep in words. */
export function bestRateText({ bestRate, thresholdMs }: BenchJson): string {
  const within = thresholdMs === null ? '' : ` with p99 within ${formatDuration(thresholdMs)}`;
  if (bestRate === null || bestRate === undefined) return `No rate was kept up${within}.`;
  return `Kept up${within}: ${count(bestRate)} requests a second.`;
}

function throughputRow(one: Figures): Cell[] {
  const kept = one.keptUp === false ? ', not kept up' : '';
  const errors: Cell = one.errors > 0 ? { text: count(one.errors), format: 'red' } : '0';
  const mean = one.meanBatch === null ? '-' : one.meanBatch.toFixed(1);
  return [one.scenario, `${one.load}${kept}`, count(one.rowsPerSecond), mean, errors, one.seconds.toFixed(1)];
}

function latencyRows(one: Figures): Cell[][] {
  return [
    [one.load, 'total', ...times(one.totalMs)],
    ['', 'queue', ...times(one.queueMs)],
    ['', 'run', ...times(one.runMs)],
  ];
}

function pipeRows(one: Figures): Cell[][] {
  const head = throughputRow(one).slice(0, -1);
  const of = one.samples.of === 'chunks' ? ' of a chunk' : '';
  return [
    [...head, `total${of}`, ...times(one.totalMs)],
    [...head, `queue${of}`, ...times(one.queueMs)],
    [...head, `run${of}`, ...times(one.runMs)],
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
  'pays-no-more': () => 'a larger one processes less than 10 % more rows per second',
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
export function adviceText(bench: BenchModelJson): string {
  const { best, batchable, latencyTargetMs, device, advice, openShapes } = bench;
  if (!batchable) return 'This model takes one row per run, so batching does not apply.';
  const target = formatDuration(latencyTargetMs);
  const threads = advice.length > 1 && device === 'cpu' ? ` --threads ${best.threads}` : '';
  return `Advised on ${device}${shapesText(openShapes)}: --max-batch ${best.maxBatch}${threads} (${REASONS[best.because](target.replace(' ', ''))})`;
}

/** Why a result missed the threshold. */
export function missedText(one: Figures, thresholdMs: number): string {
  const p99 = one.totalMs === null ? 'has no answer' : `has p99 ${formatDuration(one.totalMs.p99)}`;
  return `${one.scenario}, ${one.load}: ${p99}, over --latency-threshold ${formatDuration(thresholdMs)}`;
}

export function errorText(results: readonly Figures[]): string {
  const errors = results.reduce((sum, one) => sum + one.errors, 0);
  return `${plural(errors, 'request')} failed`;
}
