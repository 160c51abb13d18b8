import type { Clock } from '../../core/clock.js';
import { percent } from '../../core/counts.js';
import { InferError } from '../../core/errors.js';
import { THRESHOLDS } from '../../core/thresholds.js';
import { formatBytes } from '../../core/units.js';
import { readMemory } from '../../redis/info.js';
import { memoryState } from '../../redis/memory-state.js';
import type { RedisClient } from '../../redis/types.js';

/** One INFO a second, regardless of the number of submits. */
const FRESH_MS = 1000;
/** And one whenever this client has added this share of maxmemory since the last: a bulk submit is fast. */
const FRESH_SHARE = 0.05;

/**
 * Refuses new work before Redis would have to refuse everything. The rest of the memory is reserved for jobs
 * already queued: renewing a lock, taking a job and storing a result all need some, so a completely full
 * queue could not be processed.
 */
export class Admission {
  private checkedAt = Number.NEGATIVE_INFINITY;
  private refusal: InferError | undefined;
  private allowance = Number.POSITIVE_INFINITY;
  private addedBytes = 0;

  constructor(
    private readonly client: RedisClient,
    private readonly clock: Clock,
  ) {}

  /** @throws InferError REDIS_FULL (exit 75) with the numbers; otherwise `bytes` count as added. */
  async check(bytes: number): Promise<void> {
    const now = this.clock.now();
    this.addedBytes += bytes;
    if (now - this.checkedAt >= FRESH_MS || this.addedBytes > this.allowance) {
      this.checkedAt = now;
      this.addedBytes = bytes;
      this.refusal = await this.look();
    }
    if (this.refusal !== undefined) throw this.refusal;
  }

  private async look(): Promise<InferError | undefined> {
    const facts = await readMemory(this.client);
    const state = facts === undefined ? 'unlimited' : memoryState(facts);
    this.allowance = state === 'unlimited' ? Number.POSITIVE_INFINITY : FRESH_SHARE * (facts?.maxMemory ?? 0);
    if (facts === undefined || state !== 'full') return undefined;
    const used = `${formatBytes(facts.usedMemory)} of ${formatBytes(facts.maxMemory)}`;
    return new InferError(
      'REDIS_FULL',
      `Redis is full: ${used} used (${percent(Math.min(1, facts.usedMemory / facts.maxMemory))}), and new work is taken up to ${percent(THRESHOLDS.memoryFull.value)}`,
      {
        hint: 'try again when workers have caught up (infer inspect), keep results shorter with --result-ttl, or raise maxmemory',
      },
    );
  }
}
