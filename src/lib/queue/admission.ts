import type { Clock } from '../core/clock.js';
import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { formatBytes } from '../core/units.js';
import { memoryHeadroom, readMemory } from '../redis/info.js';
import type { RedisClient } from '../redis/types.js';

/**
 * Share of maxmemory above which new work is refused. The rest is for what is queued already:
 * renewing a lock, taking a job and storing a result all need memory, so a queue filled to the brim
 * could not be worked off.
 */
const HIGH_WATER = 0.8;
/** One INFO a second at most, however many submits. */
const FRESH_MS = 1000;

/** Refuses new work before Redis would have to refuse everything. */
export class Admission {
  private checkedAt = Number.NEGATIVE_INFINITY;
  private refusal: InferError | undefined;

  constructor(
    private readonly client: RedisClient,
    private readonly clock: Clock,
  ) {}

  /** @throws InferError REDIS_FULL (exit 75) with the numbers. */
  async check(): Promise<void> {
    const now = this.clock.now();
    if (now - this.checkedAt >= FRESH_MS) {
      this.checkedAt = now;
      this.refusal = await this.look();
    }
    if (this.refusal !== undefined) throw this.refusal;
  }

  private async look(): Promise<InferError | undefined> {
    const facts = await readMemory(this.client);
    const headroom = facts === undefined ? undefined : memoryHeadroom(facts);
    if (facts === undefined || headroom === undefined || 1 - headroom < HIGH_WATER) return undefined;
    const used = `${formatBytes(facts.usedMemory)} of ${formatBytes(facts.maxMemory)}`;
    return new InferError(
      'REDIS_FULL',
      `Redis is full: ${used} used (${Math.round((1 - headroom) * 100)} %), and new work is taken up to ${HIGH_WATER * 100} %`,
      {
        hint: 'try again when workers have caught up (infer inspect), keep results shorter with --result-ttl, or raise maxmemory',
        exitCode: ExitCode.TryAgain,
      },
    );
  }
}
