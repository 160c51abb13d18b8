import type { QueueConsumer } from '../queue/broker/consumer-port.js';
import { damagedKeyText, type QueueDamage, repairCommand } from '../queue/damage.js';
import type { Logger } from '../telemetry/logger.js';

/**
 * Logs what is damaged in Redis for a worker's queues: each key when it is first seen, and each job that was
 * set aside.
 */
export class DamageWatch {
  /** Damaged keys already logged, with their messages. */
  private readonly told = new Map<string, string>();
  /** By queue, when the last logged job was set aside, ms by Redis's clock. */
  private readonly seenUntil = new Map<string, number>();

  /** @param since jobs set aside before this time are not logged, ms by Redis's clock. */
  constructor(
    private readonly consumers: readonly Pick<QueueConsumer, 'damage'>[],
    private readonly log: Logger,
    private readonly since: number,
  ) {}

  async look(): Promise<void> {
    for (const consumer of this.consumers) {
      const damage = await consumer.damage();
      this.tellKeys(damage);
      this.tellJobs(damage);
    }
  }

  private tellKeys({ queue, keys }: QueueDamage): void {
    for (const damaged of keys) {
      const text = damagedKeyText(damaged);
      if (this.told.get(damaged.key) === text) continue;
      this.told.set(damaged.key, text);
      const { key, what, effect } = damaged;
      this.log.error({ queue, key, effect, fix: repairCommand(queue) }, `a key of the queue ${what}`);
    }
    const damaged = new Set(keys.map(({ key }) => key));
    for (const key of this.told.keys()) if (!damaged.has(key)) this.told.delete(key);
  }

  private tellJobs({ queue, jobs }: QueueDamage): void {
    const until = this.seenUntil.get(queue) ?? this.since;
    for (const { id, at, what } of jobs.filter((job) => job.at > until).reverse()) {
      this.log.error({ queue, id, reason: what }, 'job is damaged in Redis and was set aside');
      this.seenUntil.set(queue, at);
    }
  }
}
