import { Queue } from 'bullmq';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BullConsumer } from '../../../src/lib/queue/broker/consumer.js';
import { Producer } from '../../../src/lib/queue/broker/producer.js';
import { purge } from '../../../src/lib/queue/broker/purge.js';
import { setPriority } from '../../../src/lib/queue/broker/set-priority.js';
import { byModelKey, filedKey, wakeKey } from '../../../src/lib/queue/keys.js';
import { QueueScripts } from '../../../src/lib/queue/lua/script-client.js';
import { snapshotQueue } from '../../../src/lib/queue/read/inspector.js';
import { countFiled, reroute } from '../../../src/lib/queue/routes.js';
import { type AclRole, aclRules } from '../../../src/lib/redis/acl.js';
import { denials, setUser } from '../../support/acl.js';
import { useRedis } from '../../support/redis.js';
import { completed, idsOf, PREFIX, QueueKit } from './queue-kit.js';

const redis = useRedis();
const never = new AbortController().signal;
let kit: QueueKit;
let queue: Queue;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
  queue = new Queue(kit.queue, { connection: kit.client, prefix: kit.tag, skipVersionCheck: true });
});
afterEach(async () => {
  await queue.close();
  await kit.close();
});

async function serving(...routes: string[]): Promise<BullConsumer> {
  const consumer = await kit.consumer();
  consumer.serve(routes);
  return consumer;
}

const filed = async () => Object.fromEntries(await countFiled(kit.client, PREFIX, kit.queue));
const look = () => reroute(new QueueScripts(kit.client, PREFIX, kit.queue));
/** How often a consumer looks before it may sleep. */
async function takeAll(consumer: BullConsumer, rows = 100): Promise<string[]> {
  const ids: string[] = [];
  for (let looks = 0; looks < 50; looks++) {
    const jobs = await consumer.take(rows);
    ids.push(...idsOf(jobs));
    await consumer.settle(jobs.map((job) => completed(job)));
    if (!consumer.more) return ids;
  }
  throw new Error('it never comes to rest');
}

describe('routing by model', () => {
  it('delivers every job to a consumer of its model, by priority and in order, whatever happens in between', async () => {
    const models = ['a', 'b', 'c'];
    const steps = fc.array(
      fc.oneof(
        {
          weight: 5,
          arbitrary: fc.record({ do: fc.constant('submit' as const), model: fc.nat(2), priority: fc.nat(9) }),
        },
        {
          weight: 5,
          arbitrary: fc.record({
            do: fc.constant('take' as const),
            by: fc.nat(3),
            rows: fc.integer({ min: 1, max: 4 }),
          }),
        },
        {
          weight: 2,
          arbitrary: fc.record({ do: fc.constant('urge' as const), by: fc.nat(3), floor: fc.nat(9) }),
        },
        { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), which: fc.nat() }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), which: fc.nat() }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat() }) },
        {
          weight: 1,
          arbitrary: fc.record({
            do: fc.constant('priority' as const),
            which: fc.nat(),
            priority: fc.nat(9),
          }),
        },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat() }) },
        { weight: 1, arbitrary: fc.constant({ do: 'look' as const }) },
      ),
      { maxLength: 60 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (plan) => {
        const own = await QueueKit.open(redis);
        const stock = new Queue(own.queue, {
          connection: own.client,
          prefix: own.tag,
          skipVersionCheck: true,
        });
        const sets = [['a'], ['b'], ['a', 'b'], ['c', 'a']];
        const consumers = await Promise.all(sets.map(() => own.consumer()));
        for (const [i, consumer] of consumers.entries()) consumer.serve(sets[i] as string[]);
        // The waiting jobs in the order in which they should be taken: returned ones first, by id.
        const waiting: { id: string; model: string; priority: number; at: number }[] = [];
        const held: { by: number; job: Awaited<ReturnType<BullConsumer['take']>>[number] }[] = [];
        let clock = 0;
        const order = (x: (typeof waiting)[number], y: typeof x) =>
          y.priority - x.priority || x.at - y.at || (x.id < y.id ? -1 : 1);
        const putBack = (job: { spec: { id: string; model: string | undefined; priority: number } }) =>
          waiting.push({
            id: job.spec.id,
            model: job.spec.model as string,
            priority: job.spec.priority,
            at: -1,
          });
        const taken = (
          by: number,
          jobs: Awaited<ReturnType<BullConsumer['take']>>,
          most: number,
          floor: number,
        ) => {
          const mine = waiting
            .filter(({ model, priority }) => sets[by]?.includes(model) && priority > floor)
            .sort(order);
          expect(idsOf(jobs)).toEqual(mine.slice(0, most).map(({ id }) => id));
          for (const job of jobs) {
            waiting.splice(
              waiting.findIndex(({ id }) => id === job.spec.id),
              1,
            );
            held.push({ by, job });
          }
        };
        for (const step of plan) {
          const one =
            'which' in step && waiting.length > 0 ? waiting[step.which % waiting.length] : undefined;
          const hold = 'which' in step && held.length > 0 ? held[step.which % held.length] : undefined;
          const drop = () => one !== undefined && waiting.splice(waiting.indexOf(one), 1);
          if (step.do === 'submit') {
            const model = models[step.model] as string;
            const [id] = await own.submit({ model, priority: step.priority });
            waiting.push({ id: id as string, model, priority: step.priority, at: ++clock });
          } else if (step.do === 'take') {
            taken(step.by, await (consumers[step.by] as BullConsumer).take(step.rows), step.rows, -1);
          } else if (step.do === 'urge') {
            taken(step.by, await (consumers[step.by] as BullConsumer).take(3, step.floor), 3, step.floor);
          } else if (step.do === 'look') {
            await reroute(new QueueScripts(own.client, PREFIX, own.queue));
          } else if (step.do === 'cancel' && one !== undefined) {
            expect(await own.producer.cancel(own.queue, one.id)).toBe('cancelled');
            drop();
          } else if (step.do === 'remove' && one !== undefined) {
            // By other BullMQ code, which knows nothing of the index.
            await stock.remove(one.id);
            drop();
          } else if (step.do === 'priority' && one !== undefined) {
            await setPriority(own.client, PREFIX, own.queue, [one.id], step.priority);
            if (one.priority !== step.priority) Object.assign(one, { priority: step.priority, at: ++clock });
          } else if ((step.do === 'release' || step.do === 'lose') && hold !== undefined) {
            held.splice(held.indexOf(hold), 1);
            const consumer = consumers[hold.by] as BullConsumer;
            if (step.do === 'release') await consumer.settle([{ kind: 'release', job: hold.job }]);
            else {
              await own.loseLock(hold.job.spec.id);
              const { requeued, poisoned } = await consumer.recover();
              expect([...requeued, ...poisoned]).toEqual([hold.job.spec.id]);
              if (poisoned.length > 0) continue;
            }
            // A release does not change the priority in the job's data, which is where it returns to.
            putBack(hold.job);
          }
          expect(await stock.getJobCounts('prioritized', 'waiting')).toEqual({
            prioritized: waiting.length,
            waiting: 0,
          });
        }
        // The rest goes to the consumer that serves it, and nothing stays in the index.
        for (const consumer of consumers.slice(1)) {
          let jobs = await consumer.take(100);
          taken(consumers.indexOf(consumer), jobs, 100, -1);
          while (consumer.more) {
            jobs = await consumer.take(100);
            taken(consumers.indexOf(consumer), jobs, 100, -1);
          }
        }
        expect(waiting).toEqual([]);
        await reroute(new QueueScripts(own.client, PREFIX, own.queue));
        expect(await own.client.keys(`${own.tag}:bymodel:*`)).toEqual([]);
        expect(await own.client.exists(filedKey(own.tag))).toBe(0);
        await stock.close();
        await own.close();
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  it('leaves unserved jobs in place, where BullMQ counts and lists them as before', async () => {
    const [b, a] = (await kit.submit({ model: 'b', priority: 7 }, { model: 'a', priority: 2 })) as [
      string,
      string,
    ];
    const consumer = await serving('a');
    expect(await takeAll(consumer)).toEqual([a]);
    expect(await filed()).toEqual({ b: 1 });
    expect(await queue.getJobState(b)).toBe('prioritized');
    expect(await queue.getJobCounts()).toMatchObject({ prioritized: 1, waiting: 0, completed: 1 });
    expect(await queue.getCountsPerPriority([3])).toEqual({ 3: 1 });
    expect((await queue.getPrioritized()).map(({ id }) => id)).toEqual([b]);
    expect(await kit.states([b])).toEqual(['waiting']);
  });

  it('passes jobs of other models in bounded steps, each once', async () => {
    for (let part = 0; part < 3; part++)
      await kit.submit(...Array.from({ length: 500 }, () => ({ model: 'b' })));
    const [last] = await kit.submit({ model: 'a' });
    const consumer = await serving('a');
    expect(await consumer.take(4)).toEqual([]);
    expect(consumer.more).toBe(true);
    expect((await filed()).b).toBeLessThan(700);
    expect(await takeAll(consumer, 4)).toEqual([last]);
    expect(await filed()).toEqual({ b: 1500 });
    // Indexed jobs are not looked at again, by this or another consumer.
    const other = await serving('c');
    await kit.client.config('RESETSTAT');
    expect(await other.take(4)).toEqual([]);
    const stats = await kit.client.info('commandstats');
    expect(Number(/cmdstat_hget:calls=(\d+)/.exec(stats)?.[1] ?? 0)).toBeLessThan(5);
  });

  it('does not spin on jobs of a model that no one serves', async () => {
    await kit.submit({ model: 'b' }, { model: 'b' });
    const consumers = [await serving('a'), await serving('c')];
    for (const consumer of consumers) expect(await takeAll(consumer)).toEqual([]);
    const markers = [`${kit.base}marker`, wakeKey(kit.tag, 'a'), wakeKey(kit.tag, 'c')];
    // The marker of the submit is used up; no take restores it.
    await kit.client.del(`${kit.base}marker`);
    for (const consumer of consumers) {
      expect(await takeAll(consumer)).toEqual([]);
      expect(await kit.client.exists(...markers)).toBe(0);
    }
  });

  it('wakes a consumer of the model after one without it was woken', async () => {
    const [a, b] = [await serving('a'), await serving('b')];
    await takeAll(a);
    await takeAll(b);
    // Asleep first, so the marker goes to it.
    const wokenA = a.waitForWork(20_000, never);
    await kit.tick();
    const wokenB = b.waitForWork(20_000, never);
    await kit.tick();
    const [id] = await kit.submit({ model: 'b' });
    await wokenA;
    expect(await takeAll(a)).toEqual([]);
    await wokenB;
    expect(await takeAll(b)).toEqual([id]);
    expect(await kit.client.exists(wakeKey(kit.tag, 'b'))).toBe(0);
  });

  it('wakes consumers of the model one after another while its jobs wait', async () => {
    await kit.submit(...Array.from({ length: 4 }, () => ({ model: 'b' })));
    expect(await takeAll(await serving('a'))).toEqual([]);
    const [one, two] = [await serving('b'), await serving('b')];
    await one.waitForWork(20_000, never);
    expect(await one.take(2)).toHaveLength(2);
    expect(one.more).toBe(true);
    await two.waitForWork(20_000, never);
    expect(await two.take(2)).toHaveLength(2);
  });

  it('wakes a consumer that starts to serve the model of a waiting job', async () => {
    const [id] = await kit.submit({ model: 'b' });
    const consumer = await serving('a');
    expect(await takeAll(consumer)).toEqual([]);
    const woken = consumer.waitForWork(20_000, never);
    await kit.tick();
    consumer.serve(['a', 'b']);
    await woken;
    expect(await takeAll(consumer)).toEqual([id]);
  });

  it('delivers a job pinned to a version to that version only', async () => {
    const [one, two, any] = await kit.submit(
      { model: 'm', version: 1 },
      { model: 'm', version: 2 },
      { model: 'm' },
    );
    expect(await takeAll(await serving('m', 'm@3'))).toEqual([any]);
    expect(await takeAll(await serving('m', 'm@2'))).toEqual([two]);
    expect(await takeAll(await serving('m', 'm@1'))).toEqual([one]);
  });

  it('finds jobs of its model when the queue is resumed', async () => {
    const [a, b] = [await serving('a'), await serving('b')];
    await kit.submit({ model: 'b' });
    await takeAll(a);
    await kit.producer.setPaused(kit.queue, true);
    // Its wake-up is used up on a paused queue.
    await b.waitForWork(20_000, never);
    expect(await b.take(4)).toEqual([]);
    const woken = b.waitForWork(20_000, never);
    await kit.producer.setPaused(kit.queue, false);
    await woken;
    expect(await b.take(4)).toHaveLength(1);
  });
});

it('routing needs no permissions beyond those of each role', async () => {
  const as = async (role: AclRole) => {
    await setUser(redis, role, 'pw', aclRules(role, PREFIX));
    const client = await redis.client(role === 'worker' ? 'worker' : 'command');
    await client.call('AUTH', role, 'pw');
    return client;
  };
  const [id, other] = await kit.submit({ model: 'b' }, { model: 'b' });
  const client = await as('worker');
  const consumer = await kit.consumer({ client });
  consumer.serve(['a']);
  expect(await takeAll(consumer)).toEqual([]);
  await consumer.reroute();
  expect(await consumer.waiting()).toBe(0);
  const looker = await as('inspector');
  const snapshot = await snapshotQueue(looker, PREFIX, kit.queue, Date.now());
  expect(snapshot).toMatchObject({ waiting: 2, unmatched: { b: 2 } });
  const producer = new Producer(await as('producer'), PREFIX, kit.clock);
  expect(await producer.cancel(kit.queue, id as string)).toBe('cancelled');
  expect(await filed()).toEqual({ b: 1 });
  const operator = await as('admin');
  expect(await setPriority(operator, PREFIX, kit.queue, [other as string], 7)).toEqual(['changed']);
  expect(await filed()).toEqual({});
  expect(await takeAll(consumer)).toEqual([]);
  expect(await filed()).toEqual({ b: 1 });
  await producer.close();
  expect(await denials(redis)).toEqual([]);
});

describe('the index of jobs by model', () => {
  it('holds no purged jobs, and soon none that BullMQ code removed', async () => {
    const ids = await kit.submit(...Array.from({ length: 6 }, () => ({ model: 'b' })));
    await takeAll(await serving('a'));
    await queue.remove(ids[0] as string);
    expect(await filed()).toEqual({ b: 6 });
    await look();
    expect(await filed()).toEqual({ b: 5 });
    await purge(kit.client, PREFIX, kit.queue, { states: ['waiting'], now: Date.now() + 1000 });
    expect(await filed()).toEqual({});
    await look();
    expect(await kit.client.keys(`${kit.tag}:{bymodel,wake,filed}*`)).toEqual([]);
    expect(await kit.client.exists(filedKey(kit.tag), byModelKey(kit.tag, 'b'), wakeKey(kit.tag, 'b'))).toBe(
      0,
    );
  });

  it('is rebuilt where it is damaged', async () => {
    const consumer = await serving('a');
    const b = await serving('b');
    for (const damage of [filedKey(kit.tag), byModelKey(kit.tag, 'b'), wakeKey(kit.tag, 'b')]) {
      const ids = await kit.submit({ model: 'b' }, { model: 'b' });
      await takeAll(consumer);
      await kit.client.del(damage);
      await kit.client.set(damage, 'no index');
      const [more, own] = await kit.submit({ model: 'b' }, { model: 'a' });
      expect(await takeAll(consumer)).toEqual([own]);
      await look();
      expect((await takeAll(b)).sort()).toEqual([...ids, more].sort());
    }
  });

  it("survives a reset of BullMQ's counter", async () => {
    const consumer = await serving('a');
    await kit.submit(...Array.from({ length: 3 }, () => ({ model: 'b' })));
    await takeAll(consumer);
    // A stock worker that finds the queue empty resets it.
    expect(await takeAll(await serving('b'))).toHaveLength(3);
    await kit.client.del(`${kit.base}pc`);
    const [id] = await kit.submit({ model: 'a' });
    expect(await takeAll(consumer)).toEqual([id]);
  });

  it('finds a job that other code returned to the front', async () => {
    const [front, other] = (await kit.submit({ model: 'b' }, { model: 'b' })) as [string, string];
    await takeAll(await serving('a'));
    await kit.client.zadd(`${kit.base}prioritized`, 10 * 2 ** 32, front);
    await kit.client.zrem(byModelKey(kit.tag, 'b'), front);
    await look();
    expect(await takeAll(await serving('b'))).toEqual([front, other]);
  });

  it("restores the priority of another model's job that BullMQ code put before all others", async () => {
    const [id] = (await kit.submit({ model: 'b', priority: 3 })) as [string];
    await kit.client.zrem(`${kit.base}prioritized`, id);
    await kit.client.rpush(`${kit.base}wait`, id);
    const [own] = await kit.submit({ model: 'a' });
    expect(await takeAll(await serving('a'))).toEqual([own]);
    expect(await kit.client.zscore(`${kit.base}prioritized`, id)).toBe(String(7 * 2 ** 32));
    expect(await takeAll(await serving('b'))).toEqual([id]);
  });
});
