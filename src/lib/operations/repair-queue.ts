import { refuseUnknownNames } from '../deployment/known-names.js';
import { planRepair, type RepairPlan, repair } from '../queue/broker/repair.js';
import { parseJobFilter } from '../queue/read/job-filter.js';
import { repairedText, sumOf } from './audit-text.js';
import type { Operation } from './operation.js';
import type { QueueRepaired } from './outcomes.js';

export interface QueueRepairPlan extends RepairPlan {
  queue: string;
}

/** Taking damaged keys of a queue out of use and rebuilding its lists; idempotent. */
export function repairQueue(queue: string): Operation<QueueRepairPlan, QueueRepaired> {
  return {
    action: 'repair',
    target: queue,
    needsConsent: ({ keys }) => keys.length > 0,
    plan: async ({ client, prefix, signal }) => {
      await refuseUnknownNames(client, prefix, parseJobFilter({ queue: [queue] }));
      return { queue, ...(await planRepair(client, prefix, queue, signal)) };
    },
    preview: async (plan) => plan,
    act: async ({ damagedJobs }, { client, prefix, signal }) => ({
      queue,
      ...(await repair(client, prefix, queue, signal)),
      damagedJobs,
    }),
    summary: (outcome) => ({
      count: outcome.putAway.length + sumOf(outcome.placed),
      outcome: 'ok',
      result: repairedText(outcome),
    }),
  };
}
