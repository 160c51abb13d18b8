import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { snapshotQueue, snapshotQueues } from '../../../src/lib/queue/read/inspector.js';
import { listQueues, locate, readGroup, readJob } from '../../../src/lib/queue/read/reader.js';
import * as registry from '../../../src/lib/queue/registry.js';
import type { TakenJob } from '../../../src/lib/queue/types.js';
import { useRedis } from '../../support/redis.js';
import { completed, FAILURE, failed, META, PREFIX, QueueKit, takeOne } from './queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(() => kit.close());

describe('snapshotQueue', () => {
  it('matches what Redis holds, with jobs in every state', async () => {
    // The middle of a statistics bucket.
    kit.offsetMs = 15_000 - (Date.now() % 10_000);
    const consumer = await kit.consumer();
    const before = Date.now();
    await kit.submit(...Array.from({ length: 6 }, () => ({ priority: 9 })));
    const jobs = (await consumer.take(6)) as never[];
    const [a, b, c, d, e] = jobs as [never, never, never, never, never];
    await consumer.settle([
      completed(a),
      completed(b),
      failed(c),
      { kind: 'retry', job: d, failure: FAILURE, delayMs: 60_000 },
      { kind: 'expired', job: e, failure: FAILURE, meta: META },
    ]);
    await kit.submit({ priority: 0 }, { priority: 0 }, { priority: 4 });
    const [unwanted] = (await kit.submit({})) as [string];
    await kit.producer.cancel(kit.queue, unwanted);
    await kit.producer.setPaused(kit.queue, true);
    await kit.producer.close();
    const now = kit.clock.now();
    const snapshot = await snapshotQueue(kit.client, PREFIX, kit.queue, now);
    expect(snapshot).toMatchObject({
      name: kit.queue,
      waiting: 3,
      active: 1,
      delayed: 1,
      completed: 2,
      failed: 1,
      expired: 1,
      cancelled: 1,
      paused: true,
      byPriority: [2, 0, 0, 0, 1, 0, 0, 0, 0, 0],
    });
    expect(snapshot.oldestMs).toBeLessThanOrEqual(now - before);
    // 2 completed, 1 failed and 1 expired have ended since the bucket began, and 10 were added.
    const seconds = (now % 10_000) / 1000;
    expect(snapshot.ratePerSecond).toBeCloseTo(4 / seconds, 6);
    expect(snapshot.arrivalsPerSecond).toBeCloseTo(10 / seconds, 6);
    expect(snapshot).toMatchObject({ etaMs: null, growing: true });
  });

  it('of an empty queue is all zero, and creates nothing', async () => {
    const keys = await kit.client.dbsize();
    expect(await snapshotQueue(kit.client, PREFIX, 'nobody', Date.now())).toMatchObject({
      waiting: 0,
      active: 0,
      paused: false,
      oldestMs: undefined,
      ratePerSecond: null,
      etaMs: null,
    });
    expect(await kit.client.dbsize()).toBe(keys);
  });

  it('finds the oldest job of all priorities', async () => {
    await kit.submit({ priority: 9 });
    const [old] = await kit.submit({ priority: 2 });
    const now = Date.now();
    await kit.client.hset(kit.base + old, 'timestamp', now - 90_000);
    const { oldestMs } = await snapshotQueue(kit.client, PREFIX, kit.queue, now);
    expect(oldestMs).toBe(90_000);
  });
});

describe('the job reader', () => {
  it('finds jobs and groups of any queue, in every state', async () => {
    const consumer = await kit.consumer();
    await kit.producer.registerQueue(kit.queue);
    await kit.producer.groups.open(
      { id: 'g1', queue: kit.queue, model: 'm', priority: 1, resultTtl: 60 },
      'me',
    );
    const [id] = (await kit.submit({ priority: 7, model: 'digits', rows: 4 })) as [string];
    const queues = await listQueues(kit.client, PREFIX);
    expect(queues).toContain(kit.queue);
    expect(await locate(kit.client, PREFIX, id, queues)).toEqual({ queue: kit.queue, kind: 'job' });
    expect(await locate(kit.client, PREFIX, 'g1', queues)).toEqual({ queue: kit.queue, kind: 'group' });
    expect(await locate(kit.client, PREFIX, 'none', queues)).toBeUndefined();
    expect((await snapshotQueues(kit.client, PREFIX, Date.now())).map((one) => one.name)).toEqual(queues);

    expect(await kit.record(id)).toMatchObject({
      state: 'waiting',
      priority: 7,
      model: 'digits',
      rows: 4,
      attempts: 0,
    });
    await takeOne(consumer);
    expect(await kit.record(id)).toMatchObject({
      state: 'active',
      attempts: 1,
      startedAt: expect.any(Number),
    });
    expect(await readJob(kit.client, PREFIX, kit.queue, 'none')).toBeUndefined();
    expect(await readGroup(kit.client, PREFIX, kit.queue, 'none')).toBeUndefined();
  });

  it('shows a returned job as waiting again', async () => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({})) as [string];
    await consumer.settle([{ kind: 'release', job: await takeOne(consumer) }]);
    expect(await kit.record(id)).toMatchObject({ state: 'waiting', attempts: 0 });
  });
});

describe('the sweep of indexes', () => {
  it('drops only the entries of expired records', async () => {
    const consumer = await kit.consumer();
    const ids = (await kit.submit({}, {}, {}, {})) as [string, string, string, string];
    const [a, b, c, d] = (await consumer.take(4)) as [never, never, never, never];
    await consumer.settle([
      completed(a),
      completed(b),
      failed(c),
      { kind: 'cancelled', job: d, failure: FAILURE, meta: META },
    ]);
    expect(await consumer.sweep()).toBe(0);
    await kit.client.del(kit.base + ids[0], kit.base + ids[3]);
    expect(await consumer.sweep()).toBe(2);
    expect(await kit.client.zrange(`${kit.base}completed`, '0', '-1')).toEqual([ids[1]]);
    expect(await kit.client.zrange(`${kit.base}failed`, '0', '-1')).toEqual([ids[2]]);
    expect(await kit.client.zcard(`${kit.tag}:cancelled`)).toBe(0);
  });

  it('reaches an expired record behind many live ones', async () => {
    const consumer = await kit.consumer();
    const many = Array.from({ length: 1200 }, (_, i) => ({ priority: 0, id: `s-${i}` }));
    const ids = await kit.submit(...many);
    const jobs: TakenJob[] = [];
    while (jobs.length < 1200) {
      const some = await consumer.take(1200);
      // No script takes more, however many are wanted, since others use this Redis too.
      expect(some.length).toBeLessThanOrEqual(128);
      expect(consumer.more).toBe(jobs.length + some.length < 1200);
      jobs.push(...some);
    }
    await consumer.settle(jobs.map((job) => completed(job, '')));
    await kit.client.del(kit.base + ids[1100]);
    let removed = 0;
    for (let round = 0; round < 4; round++) removed += await consumer.sweep();
    expect(removed).toBe(1);
    expect(await kit.client.zcard(`${kit.base}completed`)).toBe(1199);
  });
});

describe('the worker registry', () => {
  it('lists a worker while it sends heartbeats and drops it afterwards', async () => {
    const worker = { id: 'w1', name: 'zoe', beatAt: Date.now() } as never;
    await registry.beat(kit.client, PREFIX, worker);
    await registry.beat(kit.client, PREFIX, { id: 'w2', name: 'adam', beatAt: Date.now() } as never);
    const names = async () => (await registry.listWorkers(kit.client, PREFIX)).map((one) => one.name);
    expect(await names()).toEqual(['adam', 'zoe']);
    const ttl = await kit.client.pttl(`{${PREFIX}}:worker:w1`);
    expect(ttl).toBeGreaterThan(14_000);
    await registry.removeWorker(kit.client, PREFIX, 'w1');
    await kit.client.del(`{${PREFIX}}:worker:w2`);
    expect(await names()).toEqual([]);
    expect(await registry.forgetDeadWorkers(kit.client, PREFIX, Date.now())).toBe(0);
    expect(await registry.forgetDeadWorkers(kit.client, PREFIX, Date.now() + 400_000)).toBe(1);
  });

  it('lists published models, the newest per name', async () => {
    const model = (name: string, version: number) => ({ name, version }) as never;
    for (const one of [model('b', 1), model('a', 1), model('a', 2)]) {
      await registry.publishModel(kit.client, PREFIX, one);
    }
    expect(await registry.publishedModels(kit.client, PREFIX)).toEqual([model('a', 2), model('b', 1)]);
    expect(await registry.publishedModel(kit.client, PREFIX, 'a')).toEqual(model('a', 2));
    expect(await registry.publishedModel(kit.client, PREFIX, 'c')).toBeUndefined();
    expect(await registry.publishedVersion(kit.client, PREFIX, 'a', 2)).toEqual(model('a', 2));
    expect(await registry.publishedVersion(kit.client, PREFIX, 'a', 7)).toBeUndefined();
    // Only as many versions of a model are kept as may be requested, and the one loaded last.
    for (let version = 3; version <= 30; version++)
      await registry.publishModel(kit.client, PREFIX, model('a', version));
    await registry.publishModel(kit.client, PREFIX, model('a', 1));
    const kept = [...Array.from({ length: 15 }, (_, at) => 30 - at), 1];
    expect(await registry.publishedVersions(kit.client, PREFIX, 'a')).toEqual(kept);
    expect(await registry.publishedModels(kit.client, PREFIX)).toHaveLength(2);
  });
});
