import { Quotas } from '../../queue/quota.js';
import type { RedisClient } from '../../redis/types.js';
import { KnownQueues } from './known-queues.js';
import { QueueLoads } from './queue-load.js';

/** What a gateway process needs to admit or refuse work. */
export interface Admissions {
  readonly quotas: Quotas;
  readonly loads: QueueLoads;
  readonly queues: KnownQueues;
}

export function openAdmissions(client: RedisClient, prefix: string): Admissions {
  return {
    quotas: new Quotas(client, prefix),
    loads: new QueueLoads(client, prefix),
    queues: new KnownQueues(client, prefix),
  };
}
