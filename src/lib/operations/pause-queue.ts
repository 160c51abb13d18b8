import { refuseUnknownNames } from '../deployment/known-names.js';
import { Producer } from '../queue/broker/producer.js';
import { snapshotQueue } from '../queue/read/inspector.js';
import { parseJobFilter } from '../queue/read/job-filter.js';
import { isServed } from '../queue/routes.js';
import { serverClock, serverNow } from '../redis/server-clock.js';
import { pausedText } from './audit-text.js';
import type { Operation } from './operation.js';
import type { PauseOutcome } from './outcomes.js';

/** Pausing or resuming a queue; idempotent. */
export function pauseQueue(queue: string, paused: boolean): Operation<PauseOutcome, PauseOutcome> {
  return {
    action: paused ? 'pause' : 'resume',
    target: queue,
    needsConsent: () => false,
    plan: async ({ client, prefix }) => {
      await refuseUnknownNames(client, prefix, parseJobFilter({ queue: [queue] }));
      const [now, served] = await Promise.all([
        serverNow(client).then((at) => snapshotQueue(client, prefix, queue, at)),
        isServed(client, prefix, queue),
      ]);
      return {
        queue,
        paused,
        changed: now.paused !== paused,
        waiting: now.waiting,
        active: now.active,
        served,
      };
    },
    preview: async (plan) => plan,
    act: async (plan, { client, prefix }) => {
      if (!plan.changed) return plan;
      const producer = new Producer(client, prefix, serverClock(client));
      try {
        await producer.setPaused(queue, paused);
      } finally {
        await producer.close();
      }
      return plan;
    },
    summary: (outcome) => ({
      count: outcome.changed ? 1 : 0,
      outcome: 'ok',
      result: pausedText(outcome),
    }),
  };
}
