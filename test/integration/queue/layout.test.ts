import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Mover } from '../../../src/lib/queue/broker/move.js';
import { Producer } from '../../../src/lib/queue/broker/producer.js';
import { purge } from '../../../src/lib/queue/broker/purge.js';
import { setPriority } from '../../../src/lib/queue/broker/set-priority.js';
import { watchEnd } from '../../../src/lib/queue/broker/watch.js';
import { LAYOUTS, marksOf, newestOf } from '../../../src/lib/queue/layout.js';
import { parseJobFilter } from '../../../src/lib/queue/read/job-filter.js';
import { scanJobs } from '../../../src/lib/queue/read/job-list.js';
import { readGroup, readJob } from '../../../src/lib/queue/read/reader.js';
import { routesTo } from '../../../src/lib/queue/routes.js';
import type { JobSpec } from '../../../src/lib/queue/types.js';
import { useRedis } from '../../support/redis.js';
import { completed, FAILURE, failed, idsOf, PREFIX, QueueKit, takeOne } from './queue-kit.js';

const NEXT = { number: newestOf(LAYOUTS).number + 1, since: '9.8.0' };
const BOTH = [...LAYOUTS, NEXT] as const;
const NEEDS = { code: 'LAYOUT_NEWER', message: expect.stringContaining('infer 9.8.0 or newer') };

const redis = useRedis();
let kit: QueueKit;
let newer: Producer;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
  // On a new connection, since scripts are defined once per connection.
  newer = new Producer(await redis.client(), PREFIX, kit.clock, BOTH);
});
afterEach(async () => {
  await newer.close();
  await kit.close();
});

async function submitNewer(more: Partial<JobSpec> = {}): Promise<string> {
  const spec = kit.spec(more);
  await newer.submit(kit.queue, [{ spec, input: Buffer.from('input') }], false);
  return spec.id;
}

/** A worker of this release, and one of the next. */
async function workers() {
  const [here, next] = [await kit.consumer(), await kit.consumer({ layouts: BOTH })];
  here.serve(routesTo('m', 1));
  next.serve(routesTo('m', 1, marksOf(BOTH)));
  return { here, next };
}

describe('a job of a newer layout', () => {
  it('is skipped by a worker that does not know it: not taken, not counted, and it does not wake the worker', async () => {
    const { here } = await workers();
    const id = await submitNewer({ priority: 9 });
    const [own] = (await kit.submit({})) as [string];
    expect(idsOf(await here.take(10))).toEqual([own]);
    for (let look = 0; look < 3; look++) {
      expect(await here.take(10)).toEqual([]);
      expect(here.more).toBe(false);
    }
    expect(await kit.record(id)).toMatchObject({ state: 'waiting', attempts: 0, newer: NEXT });
    expect(await kit.client.exists(`${kit.base}${id}:lock`)).toBe(0);
  });

  it('is run in its turn by a worker that reads it, along with jobs of this release', async () => {
    const { here, next } = await workers();
    const [low] = (await kit.submit({ priority: 1 })) as [string];
    const high = await submitNewer({ priority: 8 });
    expect(idsOf(await here.take(10, 5))).toEqual([]);
    const jobs = await next.take(10);
    expect(idsOf(jobs)).toEqual([high, low]);
    expect(jobs.map(({ unrunnable, routed }) => [unrunnable, routed])).toEqual([
      [undefined, true],
      [undefined, true],
    ]);
    expect(await next.settle(jobs.map((job) => completed(job)))).toEqual([true, true]);
    expect(await kit.states([high, low])).toEqual(['completed', 'completed']);
    expect(await kit.record(high)).toMatchObject({ model: 'm', rows: 1, priority: 8, newer: NEXT });
  });

  it('is recovered from a lost worker by its own release, and never failed as poison here', async () => {
    const { next } = await workers();
    const here = await kit.consumer({ maxStalls: 1 });
    const id = await submitNewer();
    await takeOne(next);
    await kit.loseLock(id);
    expect(await here.recover()).toEqual({ requeued: [id], poisoned: [] });
    expect(await takeOne(next)).toMatchObject({ spec: { id }, stalls: 1, attempt: 2 });
  });

  it('can be cancelled, retried, moved, reprioritised and purged by its own release only', async () => {
    const id = await submitNewer({ priority: 3, deadline: 1 });
    const before = await kit.client.hgetall(kit.base + id);
    await expect(kit.producer.cancel(kit.queue, id)).rejects.toMatchObject(NEEDS);
    expect(await kit.producer.retry(kit.queue, [id])).toBe(0);
    expect(await setPriority(kit.client, PREFIX, kit.queue, [id], 9)).toEqual(['newer']);
    expect(await new Mover(kit.client, PREFIX, 'elsewhere').move(id, kit.queue)).toBe('newer');
    const purged = await purge(kit.client, PREFIX, kit.queue, {
      states: ['waiting'],
      now: Date.now() + 60_000,
    });
    expect(purged).toEqual({ jobs: { waiting: 0 }, newer: 1 });
    await kit.producer.expireDue(kit.queue, id);
    expect(await watchEnd(kit.client, PREFIX, kit.queue, id, 'list', 'job')).toBe('newer');
    expect(await kit.client.hgetall(kit.base + id)).toEqual(before);
    expect(await newer.cancel(kit.queue, id)).toBe('cancelled');
  });

  it('that has ended is reported as ended, and is retried by its own release only', async () => {
    const { next } = await workers();
    const id = await submitNewer();
    await next.settle([failed(await takeOne(next))]);
    expect(await kit.producer.cancel(kit.queue, id)).toBe('failed');
    await expect(kit.producer.retry(kit.queue, [id])).rejects.toMatchObject(NEEDS);
    expect(await newer.retry(kit.queue, [id])).toBe(1);
  });

  it('is listed with the fields that every layout has', async () => {
    const id = await submitNewer({ priority: 6, rows: 5 });
    expect(await readJob(kit.client, PREFIX, kit.queue, id)).toMatchObject({
      model: 'm',
      rows: 5,
      priority: 6,
    });
    await kit.client.hset(`{${PREFIX}}:queues`, kit.queue, '{}');
    const page = await scanJobs(
      kit.client,
      PREFIX,
      parseJobFilter({ state: ['waiting'], queue: [kit.queue] }),
      { limit: 5 },
    );
    expect(page.jobs).toMatchObject([{ id, model: 'm', rows: 5, newer: NEXT }]);
  });

  it('whose name does not show the layout is returned with a delay, and waits as if never taken', async () => {
    const { here } = await workers();
    const id = await submitNewer();
    await kit.client.hset(kit.base + id, 'name', 'm#1');
    const job = await takeOne(here);
    expect(job).toMatchObject({ spec: { id }, unrunnable: { kind: 'newer', layout: NEXT } });
    expect(await here.settle([{ kind: 'release', job, delayMs: 30_000 }])).toEqual([true]);
    expect(await here.take(10)).toEqual([]);
    expect(here.more).toBe(false);
    expect(await kit.record(id)).toMatchObject({ state: 'delayed', attempts: 0 });
    expect((await kit.record(id)).failure).toBeUndefined();
    const { next } = await workers();
    await kit.passTime(31_000);
    expect(await takeOne(next)).toMatchObject({ spec: { id }, attempt: 1, failures: 0 });
  });
});

it('a job returned without a delay is at the front of its priority at once', async () => {
  const here = await kit.consumer();
  const [first, second] = (await kit.submit({}, {})) as [string, string];
  const job = await takeOne(here);
  await here.settle([{ kind: 'release', job }]);
  expect(idsOf(await here.take(2))).toEqual([first, second]);
});

it('a retried job waits for its delay', async () => {
  const here = await kit.consumer();
  const [id] = (await kit.submit({})) as [string];
  await here.settle([{ kind: 'retry', job: await takeOne(here), failure: FAILURE, delayMs: 5000 }]);
  expect(await kit.states([id])).toEqual(['delayed']);
});

describe('a group of a newer layout', () => {
  const opened = () =>
    newer.groups.open(
      { id: 'g', queue: kit.queue, model: 'm', priority: 0, resultTtl: 60 },
      'jsender-of-the-next-release',
    );

  it('is not read by this release, which names the release it needs', async () => {
    expect(await opened()).toBe('new');
    await expect(readGroup(kit.client, PREFIX, kit.queue, 'g')).rejects.toMatchObject(NEEDS);
  });

  it('is not continued by this release', async () => {
    await opened();
    const group = { id: 'g', queue: kit.queue, model: 'm', priority: 0, resultTtl: 60 };
    expect(await kit.producer.groups.open(group, 'jsender-of-this-release')).toBe('other');
  });
});
