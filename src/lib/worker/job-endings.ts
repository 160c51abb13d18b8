import type { Clock } from '../core/clock.js';
import type { OwnFailure } from '../core/errors.js';
import { InferError, toFailureRecord } from '../core/errors.js';
import { formatDuration } from '../core/units.js';
import type { Arena } from '../model/arena.js';
import { encodeEnvelope } from '../model/envelope.js';
import type { QueueConsumer } from '../queue/broker/consumer-port.js';
import { NEEDS_UPGRADE, upgradeFix } from '../queue/layout.js';
import type { ResultMeta, Settlement, TakenJob } from '../queue/types.js';
import type { Logger } from '../telemetry/logger.js';
import { type HeldJob, HeldJobs } from './held-jobs.js';
import { timeLimit } from './limits.js';
import { isCurable, retryDelay } from './retry.js';
import type { ServedModels } from './served-models.js';
import { Settler } from './settler.js';
import { WorkRecord } from './work-record.js';

export interface EndingParts {
  workerName: string;
  consumers: readonly QueueConsumer[];
  clock: Clock;
  log: Logger;
  /** 0..1, for the jitter of retries. */
  random: () => number;
  /** A model stays loaded as long as jobs of it are held. */
  models: Pick<ServedModels, 'hold' | 'release'>;
  /** Where large inputs are staged for the runners. */
  arena?: Pick<Arena, 'stage' | 'release'> | undefined;
  /** None of a job's waiting rows may run any more. */
  withdraw(job: HeldJob): void;
  /** A job is no longer held; called before its outcome is sent. */
  onLetGo(job: HeldJob): void;
}

/** A job of a newer layout that was taken anyway is not taken again for this long, ms. */
const NEWER_JOB_MS = 30_000;

/**
 * Ends every job that a worker takes, from the decision to the count. It knows which jobs are held, and ends
 * each of them exactly once: it decides how, words the outcome, releases the job and what was held for it,
 * has its queue settle it, and counts what the queue accepted. Other code reports what happened to a job and
 * lets this class decide.
 */
export class JobEndings {
  readonly held = new HeldJobs();
  readonly counts = { done: 0, rows: 0, failed: 0 };
  /** Work done, for the statistics. */
  readonly work: WorkRecord;
  private readonly settlers: ReadonlyMap<string, Settler>;

  constructor(private readonly parts: EndingParts) {
    this.work = new WorkRecord(parts.clock);
    this.settlers = new Map(
      parts.consumers.map((consumer) => [
        consumer.queue,
        new Settler(consumer, parts.log, (settlement, ours) => this.onSettled(settlement, ours)),
      ]),
    );
  }

  /** A job was taken and admitted: from now on this class ends it. */
  hold(job: HeldJob): void {
    this.held.set(job.job, job);
    this.parts.models.hold(job.session);
  }

  /** Its rows may run from now on: they are put where runners find them. */
  stage(job: HeldJob): void {
    this.parts.arena?.stage(job.payload);
  }

  /** Jobs of a queue whose locks must be renewed: those held, and those ended here but not yet in Redis. */
  toRenew(queue: string): TakenJob[] {
    const held = [...this.held.values()].filter((job) => job.job.spec.queue === queue && !job.over);
    const unsettled = this.settlers.get(queue)?.unsettled ?? [];
    return [...held.map((job) => job.job), ...unsettled];
  }

  /** Resolves when Redis has accepted everything decided so far. */
  async flushed(): Promise<void> {
    await Promise.all([...this.settlers.values()].map((settler) => settler.flushed()));
  }

  /** Sends nothing more: for a Redis that is unreachable at shutdown. */
  abandon(): void {
    for (const settler of this.settlers.values()) settler.abandon();
  }

  /** False for a job past its deadline, which is then ended. */
  mayStart(job: HeldJob): boolean {
    const { deadline } = job.job.spec;
    if (deadline === undefined || this.parts.clock.now() <= deadline) return true;
    this.expired(job);
    return false;
  }

  /**
   * Rows of a job have run: ends it if they or its limits require it. Does nothing while it has other rows to
   * run.
   */
  afterRun(job: HeldJob): void {
    if (job.over) return;
    const { hardMs, softMs } = job.limits;
    if (job.cancelled) this.cancelled(job);
    else if (job.isOver) this.allJudged(job);
    else if (hardMs !== undefined && job.runMs >= hardMs) this.failed(job, timeLimit(hardMs));
    else if (softMs !== undefined && job.runMs >= softMs) this.softLimit(job);
  }

  /** A job whose rows all met a failure that may be temporary is retried as a whole. */
  private allJudged(job: HeldJob): void {
    const error = job.doneCount === 0 ? job.firstError : undefined;
    if (error === undefined || ![...error.codes].every(isCurable)) this.rowsOver(job);
    else this.failed(job, new InferError(error.failure.code, error.failure.message, error.failure));
  }

  /** Every row has an output or an error: the job completed, or failed with the good rows kept. */
  rowsOver(job: HeldJob): void {
    const error = job.firstError;
    if (error === undefined) {
      // Before the job is released: this may fail, and the job must then still be held so that it can fail
      // with it.
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
      code: 'SOFT_TIME_LIMIT',
      message: `it was stopped at its soft time limit of ${limit} with ${job.doneCount} of ${job.rows} rows done`,
      hint: 'raise --soft-time-limit, or submit fewer rows at once',
    });
  }

  /** The job as a whole failed: it is retried if that may help, otherwise it fails permanently. */
  failed(job: HeldJob, error: unknown): void {
    const failure = toFailureRecord(error);
    const delayMs = retryDelay(job.job.spec, job.job.failures, failure.code, this.parts.random());
    if (delayMs === undefined) this.failPartly(job, failure);
    else this.end(job, () => ({ kind: 'retry', job: job.job, failure, delayMs }));
  }

  private expired(job: HeldJob): void {
    const failure: OwnFailure = { code: 'EXPIRED', message: 'it was not started before its deadline' };
    this.end(job, (meta) => ({ kind: 'expired', job: job.job, failure, meta }));
  }

  cancelled(job: HeldJob): void {
    const failure: OwnFailure = { code: 'CANCELLED', message: 'cancelled on request' };
    this.end(job, (meta) => ({ kind: 'cancelled', job: job.job, failure, meta }));
  }

  /** Back to its queue as if never taken. */
  private release(job: HeldJob): void {
    this.end(job, () => ({ kind: 'release', job: job.job }));
  }

  /** Its lock is lost: another worker ends it. */
  lost(queue: string, taken: readonly TakenJob[]): void {
    const jobs = taken.map((job) => this.held.get(job)).filter((job) => job !== undefined && !job.over);
    for (const job of jobs as HeldJob[]) this.letGo(job);
    const [first] = jobs;
    if (first === undefined) return;
    this.parts.log.warn(
      { queue, jobs: jobs.length, first: first.id },
      'locks lost: these jobs are run again',
    );
  }

  /** Returns the matching held jobs to their queues. */
  releaseAll(matches: (job: HeldJob) => boolean): void {
    for (const job of this.held.values()) if (!job.over && matches(job)) this.release(job);
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
   * Hands back a job of a layout that this release does not know, and says which upgrade it needs; false for
   * any other job. The delay gives it time to reach a worker that knows the layout: handed back at once, this
   * worker would take it again and again.
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

  /** Hands back a job taken in excess: it is not held. */
  handBack(job: TakenJob): void {
    this.send({ kind: 'release', job });
  }

  /** Failed, with the completed rows kept. */
  private failPartly(job: HeldJob, failure: OwnFailure): void {
    const partial = job.partial();
    const rowsDone = job.doneCount;
    this.end(job, (meta) => ({ kind: 'failed', job: job.job, failure, meta, partial, rowsDone }));
  }

  private end(job: HeldJob, settlement: (meta: ResultMeta) => Settlement): void {
    const startedAt = job.startedAt ?? this.parts.clock.now();
    this.letGo(job);
    const meta = this.metaOf(job.job, job.device, startedAt, job.runMs);
    this.send(settlement(job.version === undefined ? meta : { ...meta, version: job.version }));
  }

  private letGo(job: HeldJob): void {
    job.over = true;
    this.parts.withdraw(job);
    if (this.held.delete(job.job)) this.parts.models.release(job.session);
    this.freeInput(job);
    this.parts.onLetGo(job);
  }

  /** Frees the memory of an ended job's input, unless a runner may still read it. */
  freeInput(job: HeldJob): void {
    if (job.over && job.atRunner === 0) this.parts.arena?.release(job.payload);
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
      log.warn({ id: job.spec.id, outcome: kind }, 'outcome refused: the lock had expired');
      return;
    }
    this.work.settled(settlement);
    if (kind === 'completed') {
      this.counts.done += 1;
      this.counts.rows += job.spec.rows;
    } else if (kind === 'failed') {
      this.counts.failed += 1;
      // The failure's text is stored with the job only: a model's may quote its input.
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
