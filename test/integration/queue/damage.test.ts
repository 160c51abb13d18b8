import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InferError } from '../../../src/lib/core/errors.js';
import { newId } from '../../../src/lib/core/job.js';
import { readDamage } from '../../../src/lib/queue/damage.js';
import type { TakenJob } from '../../../src/lib/queue/types.js';
import { useRedis } from '../../support/redis.js';
import { expectSetAside, namedAs, overwrite, WRONG_VALUES, type WrongValue, workOff } from './damage-kit.js';
import { completed, FAILURE, idsOf, PREFIX, QueueKit } from './queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(() => kit.close());

/** Five jobs in the given state, the third of which is to be damaged. */
async function fiveJobs(place: 'waiting' | 'delayed' | 'overdue'): Promise<string[]> {
  const large = Buffer.alloc(5000, 1);
  const notBefore = place === 'waiting' ? undefined : Date.now() + 60_000;
  const deadline = place === 'overdue' ? Date.now() + 90_000 : Date.now() + 3_600_000;
  const one = { input: large, deadline, ...(notBefore === undefined ? {} : { notBefore }) };
  return kit.submit(one, one, one, one, one);
}

const without = (ids: readonly string[], id: string): string[] => ids.filter((one) => one !== id).sort();

describe('a damaged job', () => {
  const JUNK = ['', 'abc', 'nan', 'inf', '0x10', '1e400', '99999999999999999999', '{"s":', '-'];
  const NUMBERS = ['timestamp', 'priority', 'atm', 'ats', 'stc'];

  for (const place of ['waiting', 'delayed'] as const) {
    it.each(WRONG_VALUES.filter((value) => value !== 'hash'))(
      `that is ${place} affects only itself: its record is a %s`,
      async (value) => {
        const ids = await fiveJobs(place);
        const bad = ids[2] as string;
        await overwrite(kit, kit.base + bad, value);
        await kit.passTime(60_000);
        expect((await workOff(await kit.consumer())).sort()).toEqual(without(ids, bad));
        await expectSetAside(kit, bad);
        expect(await namedAs(kit, bad)).toContain('its record');
      },
    );

    it(`that is ${place} takes no runner capacity: the next healthy job is taken instead`, async () => {
      const ids = await fiveJobs(place);
      for (const bad of ids.slice(0, 3)) await kit.client.hset(kit.base + bad, 'atm', 'many');
      await kit.passTime(60_000);
      const consumer = await kit.consumer();
      expect(idsOf(await consumer.take(1))).toEqual([ids[3]]);
      expect(idsOf(await consumer.take(1))).toEqual([ids[4]]);
    });

    it(`that is ${place} affects only itself: a numeric field of its record is not a number`, async () => {
      const consumer = await kit.consumer();
      for (const field of NUMBERS) {
        for (const junk of JUNK) {
          const ids = await fiveJobs(place);
          const bad = ids[2] as string;
          await kit.client.hset(kit.base + bad, field, junk);
          await kit.passTime(60_000);
          expect((await workOff(consumer)).sort(), `${field} ${junk}`).toEqual(without(ids, bad));
          await expectSetAside(kit, bad);
          expect(await namedAs(kit, bad), `${field} ${junk}`).toContain(`its field ${field} `);
          expect(await kit.record(bad)).toMatchObject({ state: 'failed', failure: { code: 'JOB_DAMAGED' } });
        }
      }
    });
  }

  it.each(WRONG_VALUES.filter((value) => value !== 'string' && value !== 'number'))(
    'affects only itself: its input is a %s',
    async (value) => {
      const ids = await fiveJobs('waiting');
      const bad = ids[2] as string;
      await overwrite(kit, kit.inputKey(bad), value);
      expect((await workOff(await kit.consumer())).sort()).toEqual(without(ids, bad));
      await expectSetAside(kit, bad);
      expect(await namedAs(kit, bad)).toContain('its input');
    },
  );

  it('affects only itself: its data is missing or unreadable, or its record is missing', async () => {
    const consumer = await kit.consumer();
    const damages: [what: string, (key: string) => Promise<unknown>][] = [
      ['its field data is missing', (key) => kit.client.hdel(key, 'data')],
      ['its field data is not JSON', (key) => kit.client.hset(key, 'data', '{"s":{"model":"m"')],
      ['the group in its', (key) => kit.client.hset(key, 'data', '{"s":{"model":"m","group":"g"}}')],
      ['the group in its', (key) => kit.client.hset(key, 'data', '{"s":{"model":"m","group":{"id":7}}}')],
      ['the deadline in its', (key) => kit.client.hset(key, 'data', '{"s":{"model":"m","deadline":"x"}}')],
      ['its field timestamp is missing', (key) => kit.client.hdel(key, 'timestamp')],
      ['its record is missing', (key) => kit.client.del(key)],
    ];
    for (const [what, damage] of damages) {
      const ids = await fiveJobs('waiting');
      const bad = ids[2] as string;
      await damage(kit.base + bad);
      expect((await workOff(consumer)).sort(), what).toEqual(without(ids, bad));
      await expectSetAside(kit, bad);
      expect(await namedAs(kit, bad)).toContain(what);
    }
  });

  it('affects only itself when it expires', async () => {
    for (const value of ['string', 'list', 'zset'] as const) {
      const ids = await fiveJobs('overdue');
      const bad = ids[2] as string;
      await overwrite(kit, kit.base + bad, value);
      await kit.passTime(50_000);
      await kit.passTime(50_000);
      const expired = await (await kit.consumer()).expireDue();
      expect(expired.sort()).toEqual(without(ids, bad));
      await expectSetAside(kit, bad);
    }
  });

  it('affects only itself while it runs: other jobs keep their locks and complete', async () => {
    for (const value of ['string', 'list', 'zset', 'set', 'stream'] as const) {
      const consumer = await kit.consumer();
      const ids = await fiveJobs('waiting');
      const bad = ids[2] as string;
      const jobs = await consumer.take(5);
      await overwrite(kit, kit.base + bad, value);
      const { lost, cancelled } = await consumer.renew(jobs);
      expect([idsOf(lost), cancelled]).toEqual([[bad], []]);
      await expectSetAside(kit, bad);
      expect(await consumer.settle(jobs.map((job) => completed(job)))).toEqual(ids.map((id) => id !== bad));
      expect(await kit.states(without(ids, bad))).toEqual(Array(4).fill('completed'));
    }
  });

  it('is set aside once, even when its outcome is sent again', async () => {
    const consumer = await kit.consumer();
    for (const value of ['string', 'zset'] as const) {
      const ids = await fiveJobs('waiting');
      const bad = ids[2] as string;
      const jobs = await consumer.take(5);
      await overwrite(kit, kit.base + bad, value);
      await consumer.settle(jobs.map((job) => completed(job)));
      expect(await kit.states(without(ids, bad))).toEqual(Array(4).fill('completed'));
      await expectSetAside(kit, bad);
      const before = await kit.client.zscore(`${kit.tag}:damaged`, bad);
      await kit.tick();
      await consumer.settle(jobs.map((job) => completed(job)));
      expect(await kit.client.zscore(`${kit.tag}:damaged`, bad)).toBe(before);
    }
  });

  it('affects only itself when its worker is lost: other jobs are requeued, none as poison', async () => {
    const damages: ((id: string) => Promise<unknown>)[] = [
      (id) => overwrite(kit, kit.base + id, 'string'),
      (id) => overwrite(kit, kit.base + id, 'list'),
      (id) => kit.client.hset(kit.base + id, 'stc', 'often'),
      (id) => kit.client.hset(kit.base + id, 'priority', 'high'),
      (id) => kit.client.hdel(kit.base + id, 'data'),
      (id) => kit.client.del(kit.base + id),
    ];
    for (const damage of damages) {
      const [dead, alive] = [await kit.consumer(), await kit.consumer()];
      const ids = await fiveJobs('waiting');
      const bad = ids[2] as string;
      await dead.take(5);
      for (const id of ids) await kit.loseLock(id);
      await damage(bad);
      const { requeued, poisoned } = await alive.recover();
      expect([requeued.sort(), poisoned]).toEqual([without(ids, bad), []]);
      await expectSetAside(kit, bad);
      expect((await workOff(alive)).sort()).toEqual(without(ids, bad));
    }
  });

  it('is set aside even when it was cancelled while running', async () => {
    const consumer = await kit.consumer();
    const ids = await fiveJobs('waiting');
    const bad = ids[2] as string;
    await consumer.take(5);
    await kit.producer.cancel(kit.queue, bad);
    await kit.client.hset(kit.base + bad, 'data', 'junk', 'stc', 'junk');
    for (const id of ids) await kit.loseLock(id);
    expect((await consumer.recover()).requeued.sort()).toEqual(without(ids, bad));
    await expectSetAside(kit, bad);
  });
});

describe('a damaged lock', () => {
  it('does not matter to its holder, whatever it contains', async () => {
    for (const value of WRONG_VALUES) {
      const consumer = await kit.consumer();
      const ids = await fiveJobs('waiting');
      const jobs = await consumer.take(5);
      const lock = `${kit.base}${ids[2]}:lock`;
      if (value === 'string' || value === 'number') continue;
      await overwrite(kit, lock, value);
      expect((await consumer.renew(jobs)).lost).toEqual([]);
      expect(await kit.client.type(lock)).toBe('string');
      await overwrite(kit, lock, value);
      expect(await consumer.settle(jobs.map((job) => completed(job)))).toEqual(Array(5).fill(true));
      expect(await kit.client.exists(lock)).toBe(0);
    }
  });

  it('without a TTL does not prevent recovery, and gives its holder time first', async () => {
    for (const value of ['string', 'hash'] as const) {
      const [dead, alive] = [await kit.consumer(), await kit.consumer()];
      const ids = await fiveJobs('waiting');
      await dead.take(5);
      const lock = `${kit.base}${ids[2]}:lock`;
      await overwrite(kit, lock, value);
      expect((await alive.recover()).requeued).toEqual([]);
      expect(await kit.client.pttl(lock)).toBeGreaterThan(5000);
      for (const id of ids) await kit.loseLock(id);
      expect((await alive.recover()).requeued.sort()).toEqual([...ids].sort());
      await workOff(alive);
    }
  });
});

describe('the register of damaged jobs', () => {
  it('holds 1,000, expires, and is replaced when it is itself damaged', async () => {
    const consumer = await kit.consumer();
    await overwrite(kit, `${kit.tag}:damaged`, 'string');
    await overwrite(kit, `${kit.tag}:damaged:why`, 'list');
    const ids = await kit.submit(...Array.from({ length: 1100 }, () => ({})));
    const pipeline = kit.client.pipeline();
    for (const id of ids) pipeline.hset(kit.base + id, 'stc', 'junk');
    await pipeline.exec();
    expect(await workOff(consumer)).toEqual([]);
    expect([
      await kit.client.zcard(`${kit.tag}:damaged`),
      await kit.client.hlen(`${kit.tag}:damaged:why`),
    ]).toEqual([1000, 1000]);
    for (const key of ['damaged', 'damaged:why']) {
      expect(await kit.client.ttl(`${kit.tag}:${key}`)).toBeGreaterThan(6 * 86_400);
    }
    await expectSetAside(kit, ids[1099] as string);
  });
});

describe('a damaged key shared by a queue', () => {
  /** Without these a job can neither be added nor taken. */
  const NEEDED = ['prioritized', 'delayed', 'meta', 'pc', 'id'];
  const right: Record<string, WrongValue> = {
    prioritized: 'zset',
    delayed: 'zset',
    meta: 'hash',
    pc: 'number',
    id: 'number',
    active: 'list',
    wait: 'list',
    marker: 'zset',
    completed: 'zset',
    failed: 'zset',
    events: 'stream',
    deadlines: 'zset',
    expired: 'zset',
    cancelled: 'zset',
    arriving: 'zset',
  };
  const keyOf = (part: string): string =>
    ['deadlines', 'expired', 'cancelled', 'arriving'].includes(part) ? `${kit.tag}:${part}` : kit.base + part;
  const wrongFor = (part: string) => WRONG_VALUES.filter((value) => value !== right[part]);

  it.each(NEEDED)(
    "that submitting needs (%s) makes a submit fail with the key's name and leave nothing behind",
    async (part) => {
      for (const value of wrongFor(part)) {
        await kit.submit({});
        await overwrite(kit, keyOf(part), value);
        const id = newId('j');
        const submitted = kit.submit({ id, input: Buffer.alloc(5000) });
        const error = (await submitted.catch((reason: unknown) => reason)) as InferError;
        expect(error, value).toMatchObject({
          code: 'QUEUE_DAMAGED',
          hint: `infer control repair ${kit.queue}`,
        });
        expect(error.message).toContain(keyOf(part));
        expect(await kit.client.exists(kit.base + id)).toBe(0);
        await kit.client.del(keyOf(part));
      }
    },
  );

  it.each([
    'events',
    'marker',
    'completed',
    'failed',
    'deadlines',
    'expired',
    'cancelled',
    'arriving',
    'wait',
  ])('that no job depends on (%s) stops no job, and is reported', async (part) => {
    const consumer = await kit.consumer();
    for (const value of wrongFor(part)) {
      await overwrite(kit, keyOf(part), value);
      const ids = await fiveJobs('waiting');
      const [cancelled, ...others] = ids as [string, ...string[]];
      expect(await kit.producer.cancel(kit.queue, cancelled)).toBe('cancelled');
      const [retried] = others as [string];
      const [first, ...rest] = await consumer.take(5);
      const { job, failure } = { job: first as TakenJob, failure: FAILURE };
      expect(job.spec.id).toBe(retried);
      await consumer.settle([{ kind: 'retry', job, failure, delayMs: 0 }]);
      await consumer.settle(rest.map((one) => ({ kind: 'release', job: one })));
      if (part !== 'marker') {
        const { keys } = await readDamage(kit.client, PREFIX, kit.queue);
        expect(
          keys.map(({ key }) => key),
          value,
        ).toEqual([keyOf(part)]);
      }
      expect((await workOff(consumer)).sort(), value).toEqual([...others].sort());
      expect(await kit.states(ids)).toEqual(['cancelled', ...Array(4).fill('completed')]);
      await kit.client.del(keyOf(part));
    }
  });

  it('that taking needs keeps all jobs in place, and none becomes poison', async () => {
    const consumer = await kit.consumer({ maxStalls: 2 });
    for (const part of ['active', 'prioritized', 'delayed']) {
      for (const value of wrongFor(part)) {
        const ids = await fiveJobs('waiting');
        const jobs = part === 'active' ? [] : await consumer.take(2);
        await kit.client.rename(keyOf(part), 'aside').catch(() => undefined);
        await overwrite(kit, keyOf(part), value);
        for (const job of jobs) await kit.loseLock(job.spec.id);
        for (let round = 0; round < 4; round++) {
          await consumer.take(5, part === 'delayed' ? 9 : undefined);
          await consumer.recover();
        }
        expect((await readDamage(kit.client, PREFIX, kit.queue)).keys.map(({ key }) => key)).toEqual([
          keyOf(part),
        ]);
        await kit.client.del(keyOf(part));
        await kit.client.rename('aside', keyOf(part)).catch(() => undefined);
        expect((await workOff(consumer)).sort(), `${part} ${value}`).toEqual([...ids].sort());
      }
    }
  });

  it('wakes a worker that waits on it no more often than an intact one', async () => {
    const consumer = await kit.consumer();
    await overwrite(kit, keyOf('marker'), 'string');
    await consumer.waitForWork(10_000, new AbortController().signal);
    expect(await kit.client.type(keyOf('marker'))).toBe('none');
    const woken = consumer.waitForWork(10_000, new AbortController().signal);
    await kit.submit({});
    await woken;
    expect(await consumer.take(1)).toHaveLength(1);
  });
});
