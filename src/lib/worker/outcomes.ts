import type { Clock } from '../core/clock.js';
import { type FailureRecord, SOFT_TIME_LIMIT, toFailureRecord } from '../core/errors.js';
import { formatDuration } from '../core/units.js';
import { encodeEnvelope } from '../model/envelope.js';
import { NEEDS_UPGRADE, upgradeFix } from '../queue/layout.js';
import type { QueueConsumer, ResultMeta, Settlement, TakenJob } from '../queue/types.js';
import type { Logger } from '../telemetry/logger.js';
import type { HeldJob } from './held.js';
import { retryDelay } from './retry.js';
import { Settler } from './settler.js';
import { WorkRecord } from './work-record.js';

export interface OutcomeParts {
  workerName: string;
  consumers: readonly QueueConsumer[];
  clock: Clock;
  log: Logger;
  /** 0..1, for the jitter of retries. */
  random: () => number;
  /** The job is no longer held: called before its outcome is sent. */
  forget(job: HeldJob): void;
}

/** A job of a newer layout that was taken all the same is not taken again for so long, ms. */
const NEWER_JOB_MS = 30_000;

/** Decides how a held job ends, words it, and sends it to its queue; counts what was accepted. */
export class Outcomes {
  readonly counts = { done: 0, rows: 0, failed: 0 };
  /** What was done, for the statistics. */
  readonly work: WorkRecord;
  private readonly settlers: ReadonlyMap<string, Settler>;

  constructor(private readonly parts: OutcomeParts) {
    this.work = new WorkRecord(parts.clock);
    this.settlers = new Map(
      parts.consumers.map((consumer) => [
        consumer.queue,
        new Settler(consumer, parts.log, (settlement, ours) => this.onSettled(settlement, ours)),
      ]),
    );
  }

  /** Resolves when Redis has taken everything decided so far. */
  async flushed(): Promise<void> {
    await Promise.all([...this.settlers.values()].map((settler) => settler.flushed()));
  }

  /** Jobs of a queue that have ended here and not yet in Redis. */
  unsettled(queue: string): TakenJob[] {
    return this.settlers.get(queue)?.unsettled ?? [];
  }

  abandon(): void {
    for (const settler of this.settlers.values()) settler.abandon();
  }

  /** Every row has an output or an error: completed, or failed with the others' rows kept. */
  over(job: HeldJob): void {
    const error = job.firstError;
    if (error === undefined) {
      // Before the job is let go: this may fail, and the job must then still be there to fail with it.
      const result = job.job.spec.resultTtl === 0 ? new Uint8Array() : encodeEnvelope(job.outputs());
      this.end(job, (meta) => ({ kind: 'completed', job: job.job, result, meta }));
      return;
    }
    const { code, message, hint } = error.failure;
    if (error.count === job.rows && error.codes.size === 1) {
      this.failPartly(job, {
        code,
        message: `all ${job.rows} rows failed, the first with: ${message}`,
        hint,
      });
      return;
    }
    this.failPartly(job, {
      code: 'ROWS_FAILED',
      message: `${error.count} of ${job.rows} rows failed, the first is row ${error.row + 1} (${code}): ${message}`,
      hint: 'the other rows have results: infer result shows both, in input order',
    });
  }

  softLimit(job: HeldJob): void {
    const limit = formatDuration(job.limits.softMs ?? 0);
    this.failPartly(job, {
      code: SOFT_TIME_LIMIT,
      message: `it was stopped at its soft time limit of ${limit} with ${job.doneCount} of ${job.rows} rows done`,
      hint: 'raise --soft-time-limit, or submit fewer rows at once',
    });
  }

  /** The job as a whole failed: again later if that may help, else for good. */
  failed(job: HeldJob, error: unknown): void {
    const failure = toFailureRecord(error);
    const delayMs = retryDelay(job.job.spec, job.job.failures, failure.code, this.parts.random());
    if (delayMs === undefined) this.failPartly(job, failure);
    else this.end(job, () => ({ kind: 'retry', job: job.job, failure, delayMs }));
  }

  expired(job: HeldJob): void {
    const failure = { code: 'EXPIRED', message: 'it was not started before its deadline' };
    this.end(job, (meta) => ({ kind: 'expired', job: job.job, failure, meta }));
  }

  cancelled(job: HeldJob): void {
    const failure = { code: 'CANCELLED', message: 'cancelled on request' };
    this.end(job, (meta) => ({ kind: 'cancelled', job: job.job, failure, meta }));
  }

  /** Back to its queue as if never taken. */
  release(job: HeldJob): void {
    this.end(job, () => ({ kind: 'release', job: job.job }));
  }

  /** A job that could not even be admitted: it is not held. */
  refuse(job: TakenJob, error: unknown): void {
    const failure = toFailureRecord(error);
    const delayMs = retryDelay(job.spec, job.failures, failure.code, this.parts.random());
    if (delayMs !== undefined) {
      this.send({ kind: 'retry', job, failure, delayMs });
      return;
    }
    const now = this.parts.clock.now();
    const meta = this.metaOf(job, '', now, 0);
    this.send({ kind: 'failed', job, failure, meta });
  }

  /**
   * Hands back a job of a layout that this release does not know, and says which upgrade it needs; false for any other. It
   * has a while to come to a worker that knows it: given back at once, this one would take it again and again.
   */
  tooNew(job: TakenJob): boolean {
    if (job.unrunnable?.kind !== 'newer') return false;
    const { spec } = job;
    const { layout } = job.unrunnable;
    const about = { id: spec.id, queue: spec.queue, layout: layout.number, needs: layout.since };
    this.parts.log.error({ ...about, fix: upgradeFix(layout) }, NEEDS_UPGRADE);
    this.send({ kind: 'release', job, delayMs: NEWER_JOB_MS });
    return true;
  }

  /** A job that was taken and is one too many: it is not held. */
  handBack(job: TakenJob): void {
    this.send({ kind: 'release', job });
  }

  /** Failed, with the rows that are done kept. */
  private failPartly(job: HeldJob, failure: FailureRecord): void {
    const partial = job.partial();
    const rowsDone = job.doneCount;
    this.end(job, (meta) => ({ kind: 'failed', job: job.job, failure, meta, partial, rowsDone }));
  }

  private end(job: HeldJob, settlement: (meta: ResultMeta) => Settlement): void {
    const startedAt = job.startedAt ?? this.parts.clock.now();
    this.parts.forget(job);
    this.send(settlement(this.metaOf(job.job, job.device, startedAt, job.runMs)));
  }

  private send(settlement: Settlement): void {
    (this.settlers.get(settlement.job.spec.queue) as Settler).push(settlement);
  }

  private metaOf(job: TakenJob, device: string, startedAt: number, runMs: number): ResultMeta {
    return {
      worker: this.parts.workerName,
      device,
      attempts: job.attempt,
      queueMs: toMicros(startedAt - job.submittedAt),
      runMs: runMs === 0 ? null : toMicros(runMs),
      totalMs: toMicros(this.parts.clock.now() - job.submittedAt),
    };
  }

  private onSettled(settlement: Settlement, ours: boolean): void {
    const { job, kind } = settlement;
    const { log } = this.parts;
    if (!ours) {
      log.warn({ id: job.spec.id, outcome: kind }, 'outcome refused: the lock had lapsed');
      return;
    }
    this.work.settled(settlement);
    if (kind === 'completed') {
      this.counts.done += 1;
      this.counts.rows += job.spec.rows;
    } else if (kind === 'failed') {
      this.counts.failed += 1;
      // The failure's own words are kept with the job: a model's may quote its input.
      log.warn({ id: job.spec.id, code: settlement.failure.code }, 'job failed');
    } else if (kind === 'retry') {
      const { failure, delayMs } = settlement;
      log.warn({ id: job.spec.id, code: failure.code, retryMs: delayMs }, 'job failed, will be tried again');
    }
  }
}

/** Milliseconds with three decimals, never negative: clocks of two hosts may differ. */
function toMicros(ms: number): number {
  return Math.max(0, Math.round(ms * 1000) / 1000);
}
