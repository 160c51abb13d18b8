import type { QueueConsumer } from '../queue/broker/consumer-port.js';
import { LAYOUTS, NEEDS_UPGRADE, upgradeFix } from '../queue/layout.js';
import { newerRoute } from '../queue/routes.js';
import type { Logger } from '../telemetry/logger.js';

/**
 * Logs which upgrade a worker needs for jobs of its queues that it skips because they have a newer layout.
 */
export class LayoutWatch {
  /** Releases already named, by queue, while jobs wait for them. */
  private readonly told = new Map<string, ReadonlySet<string>>();

  constructor(
    private readonly consumers: readonly Pick<QueueConsumer, 'queue' | 'passedOver'>[],
    private readonly log: Logger,
    private readonly layouts = LAYOUTS,
  ) {}

  /** One read-only look: a command per queue, and one more per route with such jobs. */
  async look(): Promise<void> {
    for (const consumer of this.consumers) {
      const { queue } = consumer;
      const filed = await consumer.passedOver();
      const told = this.told.get(queue);
      const now = new Set<string>();
      for (const [route, jobs] of filed) {
        const newer = newerRoute(route, this.layouts);
        if (newer === undefined) continue;
        const { layout } = newer;
        if (!now.has(layout.since) && told?.has(layout.since) !== true) {
          const about = { queue, jobs, model: newer.route, layout: layout.number, needs: layout.since };
          this.log.error({ ...about, fix: upgradeFix(layout) }, NEEDS_UPGRADE);
        }
        now.add(layout.since);
      }
      this.told.set(queue, now);
    }
  }
}
