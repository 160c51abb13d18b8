import { expect, it } from 'vitest';
import { systemClock } from '../../../src/lib/core/clock.js';
import { DataWatch } from '../../../src/lib/queue/broker/data-watch.js';
import { Producer } from '../../../src/lib/queue/broker/producer.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';

it('keeps nothing of a producer that was closed', async () => {
  // A gateway makes one for each cancel, retry and delete.
  const client = {} as RedisClient;
  const watch = new DataWatch(client, 'infer');
  const producers = Array.from({ length: 3 }, () => new Producer(client, 'infer', systemClock));
  expect(watch.heardBy).toBe(3);
  await Promise.all(producers.map((producer) => producer.close()));
  expect(watch.heardBy).toBe(0);
});
