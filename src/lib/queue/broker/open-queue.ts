import type { Queue } from 'bullmq';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { bullBase } from '../keys.js';
import { EVENTS_KEPT } from '../wire.js';

/**
 * Sets the maximum length of the queues' event streams, for BullMQ's scripts, ours or another program's.
 * BullMQ's default of 10,000 entries, with 4 events per job, takes megabytes.
 */
export async function settleQueues(
  client: RedisClient,
  prefix: string,
  queues: readonly string[],
): Promise<void> {
  await Promise.all(
    // If the key has another type, `readDamage` reports it; the worker serves the queue anyway.
    queues.map((queue) =>
      ifReadable(client.hset(`${bullBase(prefix, queue)}meta`, 'opts.maxLenEvents', EVENTS_KEPT), 0),
    ),
  );
}

/**
 * A BullMQ queue, on a shared connection, to pause and resume. The library is loaded only here: it is a tenth of what a
 * submit loads.
 */
export async function openQueue(client: RedisClient, tag: string, name: string): Promise<Queue> {
  const { Queue: BullQueue } = await import('./bull-queue.js');
  const queue = new BullQueue(name, {
    connection: client,
    prefix: tag,
    streams: { events: { maxLen: EVENTS_KEPT } },
    // We check version and eviction policy and word the messages; BullMQ prints to the console.
    skipVersionCheck: true,
    // A submitter needs no right to change a queue's settings: `paused` is one of them.
    skipMetasUpdate: true,
  });
  // Without a listener BullMQ prints whole errors, arguments included, to the console.
  queue.on('error', () => undefined);
  await queue.waitUntilReady();
  return queue;
}
