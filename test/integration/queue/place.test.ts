import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PlaceReader } from '../../../src/lib/deployment/place/place-reader.js';
import { statsKey } from '../../../src/lib/queue/keys.js';
import { beat, removeWorker } from '../../../src/lib/queue/registry.js';
import { bucketAt } from '../../../src/lib/queue/work-stats.js';
import { aclRules } from '../../../src/lib/redis/acl.js';
import { closeClient, connect } from '../../../src/lib/redis/connect.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { denials, setUser } from '../../support/acl.js';
import { useRedis } from '../../support/redis.js';
import { worker } from '../../unit/deployment/place/place-kit.js';
import { PREFIX, QueueKit, takeOne } from './queue-kit.js';

const redis = useRedis({ port: true });
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(async () => {
  await removeWorker(kit.client, PREFIX, 'w1');
  await kit.close();
});

/** A worker that serves model `m` of the kit's queue, as its heartbeat says. */
async function serve(more: Parameters<typeof worker>[0] = {}): Promise<void> {
  const now = Date.now();
  const models = [{ name: 'm', version: 1, batch: 1 }];
  await beat(
    kit.client,
    PREFIX,
    worker({ queues: [kit.queue], models, startedAt: now, beatAt: now + 60_000, ...more }),
  );
}

/** As a process that has just started sees it. */
const place = async (id: string, client: RedisClient = kit.client) =>
  (await new PlaceReader(client, PREFIX).read(kit.queue, id))?.place;

/** How often Redis has run a command. */
async function calls(command: string): Promise<number> {
  const text = await kit.client.call('INFO', 'commandstats');
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(String(text))?.[1] ?? 0);
}

it('the position is exact: by priority, then by submit', async () => {
  await serve();
  const ids = await kit.submit(
    { priority: 1 },
    { priority: 9 },
    { priority: 1 },
    { priority: 5 },
    { priority: 9 },
  );
  const ahead = await Promise.all(ids.map(async (id) => (await place(id))?.position?.jobsAhead));
  expect(ahead).toEqual([3, 0, 4, 2, 1]);
  const why = await Promise.all(ids.map(async (id) => (await place(id))?.why.code));
  const urgent = 'AHEAD_MORE_URGENT';
  expect(why).toEqual([urgent, 'STARTING', urgent, urgent, 'AHEAD_SAME']);
});

it('jobs of models that no worker serves are not in the way, and have a position of their own', async () => {
  await serve();
  const other = await kit.submit({ model: 'other', priority: 9 }, { model: 'other', priority: 5 });
  const [own, later] = (await kit.submit({ priority: 5 }, { model: 'other', priority: 9 })) as [
    string,
    string,
  ];
  // A worker without that model meets the jobs, and files them.
  const consumer = await kit.consumer();
  consumer.serve(['m', 'm@1']);
  const job = await takeOne(consumer);
  expect(job.spec.id).toBe(own);
  await consumer.settle([{ kind: 'release', job }]);
  expect(await place(own)).toMatchObject({ position: { jobsAhead: 0 }, why: { code: 'STARTING' } });
  expect(await place(later)).toMatchObject({ position: { jobsAhead: 1 }, why: { code: 'MODEL_NOT_SERVED' } });
  expect((await place(other[1] as string))?.position?.jobsAhead).toBe(3);
});

it('what a worker holds and has not begun is ahead', async () => {
  const [, waiting] = (await kit.submit({ priority: 5 }, { priority: 5 })) as [string, string];
  await takeOne(await kit.consumer());
  await serve({ notStarted: { [kit.queue]: [0, 0, 0, 0, 0, 1, 0, 0, 0, 0] } });
  expect((await place(waiting))?.position?.jobsAhead).toBe(1);
});

it('a job that has started has no place; nor has one that is not there', async () => {
  await serve();
  const [id] = (await kit.submit({})) as [string];
  await takeOne(await kit.consumer());
  const reader = new PlaceReader(kit.client, PREFIX);
  expect(await reader.read(kit.queue, id)).toBeNull();
  expect(await reader.read(kit.queue, 'nothing')).toBeUndefined();
});

it('a delayed job waits for its time, one that failed for its next try', async () => {
  await serve();
  const [later, again] = (await kit.submit({ notBefore: Date.now() + 60_000 }, { priority: 9 })) as [
    string,
    string,
  ];
  expect(await place(later)).toMatchObject({ position: null, why: { code: 'DELAYED', fix: null } });
  const consumer = await kit.consumer();
  const failure = { code: 'RUNNER_DIED', message: 'gone' } as const;
  await consumer.settle([{ kind: 'retry', job: await takeOne(consumer), failure, delayMs: 60_000 }]);
  expect((await place(again))?.why).toMatchObject({
    code: 'RETRY_AT',
    text: expect.stringContaining('RUNNER_DIED'),
  });
});

it('arrivals are counted by priority too', async () => {
  await kit.submit({ priority: 9 }, { priority: 9 }, { priority: 0 });
  await kit.close();
  const keys = [0, 1].map((back) => statsKey(kit.tag, bucketAt(Date.now()) - back));
  const found = await Promise.all(keys.map((key) => kit.client.hmget(key, 'a', 'a:9', 'a:0', 'a:5')));
  expect(found).toContainEqual(['3', '2', '1', null]);
});

describe('what it costs', () => {
  it('a thousand callers at once read workers and rates once, and each its own rank', async () => {
    await serve();
    const [id] = (await kit.submit({})) as [string];
    const reader = new PlaceReader(kit.client, PREFIX);
    await reader.read(kit.queue, id);
    const before = { ranks: await calls('zrank'), lists: await calls('zrange'), all: await calls('hgetall') };
    // As a process in which no reading is young enough.
    const fresh = new PlaceReader(kit.client, PREFIX);
    await Promise.all(Array.from({ length: 1000 }, () => fresh.read(kit.queue, id)));
    expect((await calls('zrank')) - before.ranks).toBe(1000);
    expect((await calls('zrange')) - before.lists).toBe(1);
    expect((await calls('hgetall')) - before.all).toBe(6);
  });

  it('what is shared is read again when it is a second old', async () => {
    let now = 0;
    await serve();
    const [id] = (await kit.submit({})) as [string];
    const reader = new PlaceReader(kit.client, PREFIX, () => now);
    const code = async () => (await reader.read(kit.queue, id))?.place.why.code;
    expect(await code()).toBe('STARTING');
    await kit.client.hset(`${kit.base}meta`, 'paused', '1');
    now = 999;
    expect(await code()).toBe('STARTING');
    now = 1000;
    expect(await code()).toBe('PAUSED');
  });
});

it('a producer and an inspector may ask', async () => {
  const [id] = (await kit.submit({})) as [string];
  for (const role of ['producer', 'inspector'] as const) {
    await setUser(redis, role, 'secret', aclRules(role, PREFIX));
    const url = `redis://${role}:secret@127.0.0.1:${redis.port}`;
    const client = await connect({ ...redis.target, url }, 'command', redis.settings({ url }));
    try {
      expect((await place(id, client))?.why.code).toBe('NO_WORKER');
    } finally {
      await closeClient(client);
    }
  }
  expect(await denials(redis)).toEqual([]);
});
