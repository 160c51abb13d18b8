import { type Percentiles, roundMs, Series } from './percentiles.js';
import type { Outcome, Work } from './target.js';

export const SCENARIOS = ['idle', 'drain', 'bulk', 'mixed', 'sweep'] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

/** One line of the report: a load and its results. */
export interface Figures {
  scenario: ScenarioName;
  /** As text: `1 at a time`, `20,000 single rows`. */
  load: string;
  /** Concurrent requests of a closed loop. */
  concurrency?: number;
  /** Target requests per second of an open loop. */
  rate?: number;
  /** For an open loop: whether answers came as fast as requests. */
  keptUp?: boolean;
  seconds: number;
  rows: number;
  rowsPerSecond: number;
  /** What the percentiles refer to: requests of one row, or chunks of a group. */
  samples: { of: 'rows' | 'chunks'; count: number };
  queueMs: Percentiles | null;
  runMs: Percentiles | null;
  totalMs: Percentiles | null;
  /** Mean rows per run of the model, over all workers; null when they did not report it. */
  meanBatch: number | null;
  errors: number;
  errorCodes: Record<string, number>;
}

/** Collects outcomes of one load. */
export class Tally {
  private readonly queue = new Series();
  private readonly run = new Series();
  private readonly total = new Series();
  private readonly codes = new Map<string, number>();
  errors = 0;

  /** A failed request counts as an error, and its latency like the others. */
  add(outcome: Outcome): void {
    this.queue.add(outcome.queueMs);
    this.run.add(outcome.runMs);
    this.total.add(outcome.totalMs);
    if (outcome.ok) return;
    this.errors += 1;
    const code = outcome.error ?? 'FAILED';
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
  }

  get count(): number {
    return this.total.count;
  }

  figures(
    head: Pick<Figures, 'scenario' | 'load' | 'concurrency' | 'rate' | 'keptUp'>,
    did: { rows: number; ms: number; of: 'rows' | 'chunks'; meanBatch: number | null },
  ): Figures {
    return {
      ...head,
      seconds: roundMs(did.ms / 1000),
      rows: did.rows,
      rowsPerSecond: did.ms > 0 ? Math.round((did.rows / did.ms) * 10_000) / 10 : 0,
      samples: { of: did.of, count: this.count },
      queueMs: this.queue.percentiles(),
      runMs: this.run.percentiles(),
      totalMs: this.total.percentiles(),
      meanBatch: did.meanBatch,
      errors: this.errors,
      errorCodes: Object.fromEntries(this.codes),
    };
  }
}

/** Mean rows per run between two counts; null when a worker appeared, disappeared or did not report. */
export function meanBatch(before: Work | undefined, after: Work | undefined): number | null {
  if (before === undefined || after === undefined) return null;
  const [rows, batches] = [after.rows - before.rows, after.batches - before.batches];
  return rows > 0 && batches > 0 ? Math.round((rows / batches) * 100) / 100 : null;
}
