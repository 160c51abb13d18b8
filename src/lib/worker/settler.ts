import { setTimeout as delay } from 'node:timers/promises';
import { Gate } from '../core/gate.js';
import type { QueueConsumer } from '../queue/broker/consumer-port.js';
import { settlementBytes } from '../queue/broker/settlement.js';
import { withoutResult } from '../queue/broker/too-large.js';
import type { Settlement, TakenJob } from '../queue/types.js';
import { SHARED_BYTES } from '../redis/bulk-writes.js';
import { SizeRefused } from '../redis/size-limits.js';
import type { Logger } from '../telemetry/logger.js';
import { Trouble } from './trouble.js';

/** Jobs ended in one script at most: about 2 ms of Redis time. Nor more bytes than a shared connection may carry. */
const BATCH = 128;
/**
 * Sent in one go: all jobs of the largest micro-batch. One script at a time, of two or more that each run
 * brought, let outcomes pile up while the worker went on taking: 5,500 jobs were held where 256 should be.
 */
const AT_ONCE = 1024;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5000;

/**
 * Ends jobs of one queue, in groups: while one script is under way, further outcomes gather for the
 * next. An outcome is sent until Redis takes it; the lock decides whether it still counts.
 */
export class Settler {
  private readonly pending: Settlement[] = [];
  /** For results of a size that holds others up: they are sent beside, one by one. */
  private readonly large: Settler | undefined;
  /** Refused for their size together with others: each goes in a script of its own. */
  private readonly alone = new WeakSet<Settlement>();
  private working = false;
  private abandoned = false;
  private readonly idle = new Gate();
  private readonly trouble: Trouble;

  constructor(
    private readonly consumer: QueueConsumer,
    log: Logger,
    private readonly onSettled: (settlement: Settlement, ours: boolean) => void,
    apart = true,
  ) {
    this.trouble = new Trouble(log);
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
    // After this turn of the event loop: all jobs of one micro-batch go together, and behind the look
    // for more urgent work, which holds up the next run.
    setImmediate(() => void this.work());
  }

  /** Jobs whose outcome Redis has not taken yet: their locks must live until it has. */
  get unsettled(): TakenJob[] {
    const own = this.pending.map((settlement) => settlement.job);
    return this.large === undefined ? own : [...own, ...this.large.unsettled];
  }

  /** Resolves when everything pushed so far has been taken by Redis. */
  async flushed(): Promise<void> {
    while (this.working) await this.idle.wait();
    await this.large?.flushed();
  }

  /** Gives up what Redis has not taken: the locks of those jobs lapse, and others run them. */
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
        this.trouble.say('cannot store outcomes, will try again', failure.reason, {
          queue: this.consumer.queue,
          jobs: failure.jobs,
        });
        await delay(retryMs);
        retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
      }
    }
    this.working = false;
    this.idle.open();
  }

  /** Sends outcomes, several scripts in one go; what Redis took leaves `pending`. Answers the first failure. */
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

  /** Scripts of a bounded number of jobs and bytes. */
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
   * What Redis will never take is not sent again: jobs refused together go one by one, and one that is
   * refused alone ends without its result. False for a failure that may pass.
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
