import { setTimeout as delay } from 'node:timers/promises';
import { WakeUp } from '../core/wake-up.js';
import type { QueueConsumer } from '../queue/broker/consumer-port.js';
import { settlementBytes } from '../queue/broker/settlement.js';
import { withoutResult } from '../queue/broker/too-large.js';
import type { Settlement, TakenJob } from '../queue/types.js';
import { SHARED_BYTES } from '../redis/bulk-writes.js';
import { SizeRefused } from '../redis/size-limits.js';
import type { Logger } from '../telemetry/logger.js';
import { RepeatedWarnings } from './repeated-warnings.js';

/**
 * Maximum number of jobs ended in one script: about 2 ms of Redis time. Nor more bytes than a shared
 * connection may carry.
 */
const BATCH = 128;
/**
 * Sent in one pipeline: all jobs of the largest micro-batch. When each run brought two or more scripts and
 * they were sent one at a time, outcomes piled up while the worker went on taking: 5,500 jobs were held
 * instead of 256.
 */
const AT_ONCE = 1024;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5000;

/**
 * Ends jobs of one queue in groups: while one script is in progress, further outcomes are collected for the
 * next. An outcome is sent until Redis accepts it; the lock decides whether it still counts.
 */
export class Settler {
  private readonly pending: Settlement[] = [];
  /** For results so large that they delay others: they are sent separately, one by one. */
  private readonly large: Settler | undefined;
  /** Refused because of their size together with others: each is sent in its own script. */
  private readonly alone = new WeakSet<Settlement>();
  private working = false;
  private abandoned = false;
  private readonly idle = new WakeUp();
  private readonly warnings: RepeatedWarnings;

  constructor(
    private readonly consumer: QueueConsumer,
    log: Logger,
    private readonly onSettled: (settlement: Settlement, ours: boolean) => void,
    apart = true,
  ) {
    this.warnings = new RepeatedWarnings(log);
    this.large = apart ? new Settler(consumer, log, onSettled, false) : undefined;
  }

  push(settlement: Settlement): void {
    if (this.large !== undefined && settlementBytes(settlement) > SHARED_BYTES) {
      this.large.push(settlement);
      return;
    }
    this.pending.push(settlement);
    if (this.working) return;
    this.working = true;
    // After this turn of the event loop: all jobs of one micro-batch are sent together, and after the check
    // for more urgent work, for which the next run waits.
    setImmediate(() => void this.work());
  }

  /** Jobs whose outcome Redis has not accepted yet: their locks must be renewed until it has. */
  get unsettled(): TakenJob[] {
    const own = this.pending.map((settlement) => settlement.job);
    return this.large === undefined ? own : [...own, ...this.large.unsettled];
  }

  /** Resolves when Redis has accepted everything pushed so far. */
  async flushed(): Promise<void> {
    while (this.working) await this.idle.wait();
    await this.large?.flushed();
  }

  /** Drops what Redis has not accepted: the locks of those jobs expire, and other workers run them. */
  abandon(): void {
    this.pending.length = 0;
    this.abandoned = true;
    this.large?.abandon();
  }

  private async work(): Promise<void> {
    let retryMs = RETRY_MIN_MS;
    while (this.pending.length > 0 && !this.abandoned) {
      const failure = await this.send(this.pending.slice(0, AT_ONCE));
      if (failure === undefined) retryMs = RETRY_MIN_MS;
      else if (!this.abandoned) {
        this.warnings.report('cannot store outcomes, will try again', failure.reason, {
          queue: this.consumer.queue,
          jobs: failure.jobs,
        });
        await delay(retryMs);
        retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
      }
    }
    this.working = false;
    this.idle.wake();
  }

  /**
   * Sends outcomes, several scripts in one pipeline; accepted ones are removed from `pending`. Returns the
   * first failure.
   */
  private async send(
    settlements: readonly Settlement[],
  ): Promise<{ reason: unknown; jobs: number } | undefined> {
    const batches = this.batchesOf(settlements);
    const answers = await Promise.allSettled(batches.map((batch) => this.consumer.settle(batch)));
    if (this.abandoned) return undefined;
    const taken = new Set<Settlement>();
    for (const [i, answer] of answers.entries()) {
      if (answer.status === 'fulfilled') for (const settlement of batches[i] ?? []) taken.add(settlement);
    }
    const left = this.pending.filter((settlement) => !taken.has(settlement));
    this.pending.splice(0, this.pending.length, ...left);
    for (const [i, answer] of answers.entries()) {
      if (answer.status === 'rejected') continue;
      batches[i]?.forEach((settlement, j) => {
        this.onSettled(settlement, answer.value[j] === true);
      });
    }
    const failed = answers.find(
      (answer, i) => answer.status === 'rejected' && !this.giveIn(batches[i] ?? [], answer.reason),
    ) as PromiseRejectedResult | undefined;
    return failed && { reason: failed.reason, jobs: settlements.length - taken.size };
  }

  /** Scripts with a bounded number of jobs and bytes. */
  private batchesOf(settlements: readonly Settlement[]): Settlement[][] {
    const batches: Settlement[][] = [];
    let last: Settlement[] = [];
    let bytes = 0;
    for (const settlement of settlements) {
      const more = settlementBytes(settlement);
      const alone = this.alone.has(settlement);
      if (last.length > 0 && (alone || last.length === BATCH || bytes + more > SHARED_BYTES)) {
        batches.push(last);
        last = [];
        bytes = 0;
      }
      last.push(settlement);
      bytes += alone ? SHARED_BYTES : more;
    }
    if (last.length > 0) batches.push(last);
    return batches;
  }

  /**
   * Stops resending what Redis will never accept: jobs refused together are sent one by one, and a job
   * refused alone ends without its result. False for a failure that may be temporary.
   */
  private giveIn(batch: readonly Settlement[], reason: unknown): boolean {
    if (!(reason instanceof SizeRefused)) return false;
    if (batch.length > 1) {
      for (const settlement of batch) this.alone.add(settlement);
      return true;
    }
    const [refused] = batch as [Settlement];
    const instead = withoutResult(refused, reason);
    const at = this.pending.indexOf(refused);
    if (instead === undefined || at < 0) return false;
    this.pending[at] = instead;
    return true;
  }
}
