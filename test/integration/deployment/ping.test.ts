import { afterEach, beforeEach, expect, it } from 'vitest';
import { renderList } from '../../../src/lib/cli/output/list-format.js';
import { pingList } from '../../../src/lib/cli/views/ping-list.js';
import { THRESHOLDS } from '../../../src/lib/core/thresholds.js';
import { DeploymentReader } from '../../../src/lib/deployment/deployment-reader.js';
import { type Pong, ping } from '../../../src/lib/deployment/ping.js';
import { beat } from '../../../src/lib/queue/registry.js';
import { serverNow } from '../../../src/lib/redis/server-clock.js';
import type { RedisTarget } from '../../../src/lib/redis/types.js';
import { useRedis } from '../../support/redis.js';
import { worker } from '../../unit/doctor/records.js';
import { PREFIX, QueueKit } from '../queue/queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(async () => {
  await kit.close();
  await kit.client.flushall();
});

it('a worker that does not answer is silent from the threshold of all lists, and ready before it', async () => {
  const at = await serverNow(kit.client);
  const silent = THRESHOLDS.workerSilent.value;
  await beat(kit.client, PREFIX, worker({ id: 'a', name: 'a', beatAt: at + 60_000 }));
  await beat(kit.client, PREFIX, worker({ id: 'b', name: 'b', beatAt: at - silent - 1 }));
  const reader = DeploymentReader.over(kit.client, {} as RedisTarget, PREFIX);
  const pongs: Pong[] = [];
  for await (const pong of ping(reader, undefined, 100)) pongs.push(pong);
  expect(pongs).toMatchObject([
    { name: 'a', state: 'ready', answered: false, silent: false },
    { name: 'b', state: 'ready', answered: false, silent: true },
  ]);
  const layout = { tty: false, width: 200, paint: (_: unknown, text: string) => text };
  const rows = renderList(pingList, pongs, 'table', layout);
  expect(rows.slice(1).map((row) => row.split('\t').slice(0, 4))).toEqual([
    ['a', 'no answer', '-', 'ready'],
    ['b', 'no answer', '-', 'silent'],
  ]);
});
