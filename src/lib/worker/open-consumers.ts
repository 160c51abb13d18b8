import { BullConsumer, type ConsumerOptions } from '../queue/broker/consumer.js';
import { settleQueues } from '../queue/broker/open-queue.js';
import { type ConnectionSettings, connect } from '../redis/connect.js';
import type { RedisTarget } from '../redis/types.js';

/** A job that took its worker down, or hung it past its lock, this often is failed as poison. */
const MAX_STALLS = 3;

/** Opens a worker's holds on its queues, in order of urgency, each with a connection to sleep on; `cleanup` gets what closes them. */
export async function openConsumers(
  queues: readonly string[],
  { target, settings }: { target: RedisTarget; settings: ConnectionSettings },
  shared: Omit<ConsumerOptions, 'queue' | 'blocking' | 'maxStalls'>,
  cleanup: (() => Promise<unknown>)[],
): Promise<BullConsumer[]> {
  await settleQueues(shared.client, shared.prefix, queues);
  const consumers: BullConsumer[] = [];
  for (const queue of queues) {
    const blocking = await connect(target, 'blocking', settings);
    const consumer = new BullConsumer({ ...shared, queue, blocking, maxStalls: MAX_STALLS });
    consumers.push(consumer);
    cleanup.push(() => consumer.close());
  }
  return consumers;
}
