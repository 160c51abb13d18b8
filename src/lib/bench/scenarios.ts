import { count } from '../core/counts.js';
import type { Figures, ScenarioName } from './figures.js';
import { backlog, closedLoop, duringBatch } from './load.js';
import { bestRate, sweep } from './sweep.js';
import type { Target } from './target.js';

export interface Plan {
  scenarios: readonly ScenarioName[];
  /** Concurrent requests, one closed loop for each number. */
  concurrencies: readonly number[];
  /** Requests per second of the sweep; if omitted, doubling from 50. */
  rates: readonly number[] | undefined;
  /** Duration of each closed loop and each step of the sweep. */
  durationMs: number;
  /** Rows of a backlog; if omitted, what is processed in about `durationMs`, within bounds. */
  rows: number | undefined;
  seed: number;
  /** Limit for p99, ms. */
  thresholdMs: number | undefined;
  /** Jobs to trace one at a time, instead of the scenarios. */
  traceJobs?: number | undefined;
}

export interface Report {
  results: Figures[];
  /** Highest rate of the sweep that held; null when none did, absent without a sweep. */
  bestRate?: number | null;
}

/** Without `--rows`: the minimum for a steady state, and the maximum from which the figures benefit. */
const ROWS = { singles: [32, 20_000], group: [64, 200_000], mixed: [64, 100_000] } as const;
/**
 * Rows of the first trial group, which shows how fast the model is, and the approximate time limit for one.
 */
const TRIAL_ROWS = [16, 2048] as const;
const TRIAL_MS = 1200;
const TRIAL_GROWTH = 4;
const WARM_UP_MS = 300;
const LEAST_SINGLES = 3;

/** Warms up, then runs the scenarios in order. */
export async function runScenarios(
  target: Target,
  plan: Plan,
  options: { signal: AbortSignal; step(text: string): void },
): Promise<Report> {
  const { signal, step } = options;
  const { durationMs, thresholdMs } = plan;
  step('warming up ...');
  const perSecond = await warmUp(target, signal);
  const rowsFor = (kind: keyof typeof ROWS) =>
    plan.rows ?? within(ROWS[kind], (perSecond * durationMs) / 1000);
  const report: Report = { results: [] };
  for (const name of plan.scenarios) {
    signal.throwIfAborted();
    if (name === 'idle') {
      for (const concurrency of plan.concurrencies) {
        step(`idle: ${concurrency === 1 ? 'one row' : `${concurrency} rows`} at a time ...`);
        report.results.push(await closedLoop(target, { concurrency, durationMs, signal }));
      }
    } else if (name === 'drain') {
      const rows = rowsFor('singles');
      step(`drain: ${count(rows)} single rows queued, then worked off ...`);
      report.results.push(await backlog(target, { scenario: name, kind: 'singles', rows, signal }));
    } else if (name === 'bulk') {
      const rows = rowsFor('group');
      step(`bulk: a group of ${count(rows)} rows ...`);
      report.results.push(await backlog(target, { scenario: name, kind: 'group', rows, signal }));
    } else if (name === 'mixed') {
      const rows = rowsFor('mixed');
      step(`mixed: priority-9 rows during a batch of ${count(rows)} ...`);
      report.results.push(...(await duringBatch(target, { rows, signal })));
    } else {
      const onStep = (rate: number) => step(`sweep: ${rate.toLocaleString('en-US')} requests a second ...`);
      const steps = await sweep(target, { ...plan, signal, onStep });
      report.results.push(...steps);
      report.bestRate = bestRate(steps, thresholdMs);
    }
  }
  return report;
}

/** Results whose p99 is judged by a threshold: those that measure one row's latency. */
export function missed(results: readonly Figures[], thresholdMs: number | undefined): Figures[] {
  if (thresholdMs === undefined) return [];
  return results.filter(
    (one) =>
      (one.scenario === 'idle' || one.scenario === 'mixed') &&
      one.samples.of === 'rows' &&
      (one.totalMs === null || one.totalMs.p99 > thresholdMs),
  );
}

/** Opens connections, loads lazy modules, lets the worker learn a batch size; returns rows per second. */
async function warmUp(target: Target, signal: AbortSignal): Promise<number> {
  const started = performance.now();
  let rows = 0;
  while (rows < LEAST_SINGLES || performance.now() - started < WARM_UP_MS) {
    signal.throwIfAborted();
    await target.run(rows++, false);
  }
  const eachMs = (performance.now() - started) / rows;
  for (let trialRows = within(TRIAL_ROWS, TRIAL_MS / eachMs); ; trialRows *= TRIAL_GROWTH) {
    const began = performance.now();
    const trial = await target.queueRows('group', trialRows);
    await trial.ended;
    signal.throwIfAborted();
    const tookMs = performance.now() - began;
    if (tookMs >= TRIAL_MS / TRIAL_GROWTH || trialRows >= ROWS.group[1]) return (trialRows / tookMs) * 1000;
  }
}

function within([least, most]: readonly [number, number], rows: number): number {
  return Math.round(Math.min(most, Math.max(least, rows)));
}
