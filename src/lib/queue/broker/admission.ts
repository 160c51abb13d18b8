import type { Clock } from '../../core/clock.js';
import { InferError } from '../../core/errors.js';
import { THRESHOLDS } from '../../core/thresholds.js';
import { formatBytes } from '../../core/units.js';
import { memoryHeadroom, readMemory } from '../../redis/info.js';
import type { RedisClient } from '../../redis/types.js';

/**
 * Share of maxmemory above which new work is refused. The rest is reserved for jobs already queued: renewing
 * a lock, taking a job and storing a result all need memory, so a completely full queue could not be
 * processed.
 */
const HIGH_WATER = THRESHOLDS.memoryFull.value;
/** One INFO a second, regardless of the number of submits. */
const FRESH_MS = 1000;
/** And one whenever this client has added this share of maxmemory since the last: a bulk submit is fast. */
const FRESH_SHARE = 0.05;

/** Refuses new work before Redis would have to refuse everything. */
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
    const headroom = facts === undefined ? undefined : memoryHeadroom(facts);
    this.allowance =
      headroom === undefined ? Number.POSITIVE_INFINITY : FRESH_SHARE * (facts?.maxMemory ?? 0);
    if (facts === undefined || headroom === undefined || 1 - headroom < HIGH_WATER) return undefined;
    const used = `${formatBytes(facts.usedMemory)} of ${formatBytes(facts.maxMemory)}`;
    return new InferError(
      'REDIS_FULL',
      `Redis is full: ${used} used (${Math.round((1 - headroom) * 100)} %), and new work is taken up to ${HIGH_WATER * 100} %`,
      {
        hint: 'try again when workers have caught up (infer inspect), keep results shorter with --result-ttl, or raise maxmemory',
      },
    );
  }
}
