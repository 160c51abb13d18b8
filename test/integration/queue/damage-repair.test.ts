import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { planRepair, repair } from '../../../src/lib/queue/broker/repair.js';
import { readDamage } from '../../../src/lib/queue/damage.js';
import { useRedis } from '../../support/redis.js';
import { expectSetAside, overwrite, WRONG_VALUES, workOff } from './damage-kit.js';
import { completed, idsOf, PREFIX, QueueKit } from './queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(() => kit.close());

const never = new AbortController().signal;
const repaired = () => repair(kit.client, PREFIX, kit.queue, never);
const plan = () => planRepair(kit.client, PREFIX, kit.queue, never);
const damagedKeys = async () => (await readDamage(kit.client, PREFIX, kit.queue)).keys.map(({ key }) => key);

describe('queue repair', () => {
  it('restores every job at its priority, first come first served, whichever key was overwritten', async () => {
    const right: Record<string, string> = {
      prioritized: 'zset',
      active: 'list',
      delayed: 'zset',
      meta: 'hash',
    };
    for (const [part, kind] of [
      ...Object.entries(right),
      ['pc', 'number'],
      ['id', 'number'],
      ['wait', 'list'],
    ]) {
      for (const value of WRONG_VALUES.filter((one) => one !== kind)) {
        const [holder, other] = [await kit.consumer(), await kit.consumer()];
        const held = await kit.submit({ priority: 9 }, { priority: 9 });
        const jobs = await holder.take(2);
        const [late] = (await kit.submit({ notBefore: Date.now() + 600_000 })) as [string];
        const [a, b] = [await kit.submit({ priority: 5 }), await kit.submit({ priority: 7 })];
        await kit.tick();
        const c = await kit.submit({ priority: 7 }, { priority: 5 });
        await overwrite(kit, kit.base + part, value);
        expect(await damagedKeys(), `${part} ${value}`).toEqual([kit.base + part]);
        const { putAway } = await repaired();
        expect(putAway.map(({ key }) => key)).toEqual([kit.base + part]);
        const away = putAway[0]?.as as string;
        expect([await kit.client.exists(away), (await kit.client.ttl(away)) > 600_000]).toEqual([1, true]);
        expect([await damagedKeys(), (await plan()).lost]).toEqual([[], []]);
        const [later] = (await kit.submit({ priority: 7 })) as [string];
        expect(idsOf(await other.take(9)), `${part} ${value}`).toEqual([...b, c[0], later, ...a, c[1]]);
        expect(await holder.settle(jobs.map((job) => completed(job)))).toEqual([true, true]);
        expect(await kit.states([...held, late])).toEqual(['completed', 'completed', 'delayed']);
        await kit.client.flushall();
      }
    }
  });

  it('returns ended jobs to their lists, and requeues jobs that are in no list', async () => {
    const consumer = await kit.consumer();
    const ids = (await kit.submit({}, {}, {}, { priority: 3 })) as [string, string, string, string];
    const [done, failing, dropped, lost] = ids;
    const jobs = await consumer.take(2, undefined);
    expect(new Set(idsOf(jobs))).toContain(lost);
    await consumer.settle(
      jobs.map((job) => (job.spec.id === lost ? { kind: 'release', job } : completed(job))),
    );
    await kit.producer.cancel(kit.queue, dropped);
    await kit.client.del(`${kit.base}prioritized`, `${kit.base}completed`, `${kit.tag}:cancelled`);
    expect(new Set((await plan()).lost)).toEqual(new Set(ids));
    expect((await repaired()).placed).toEqual({ waiting: 2, active: 0, delayed: 0, ended: 2 });
    expect([
      await kit.client.zrange(`${kit.base}completed`, '0', '-1'),
      await kit.client.zrange(`${kit.tag}:cancelled`, '0', '-1'),
    ]).toEqual([[done], [dropped]]);
    expect(await workOff(consumer)).toEqual([lost, failing]);
    expect(await repaired()).toEqual({
      putAway: [],
      placed: { waiting: 0, active: 0, delayed: 0, ended: 0 },
    });
  });

  it('sets aside damaged jobs that it finds, and touches no foreign keys', async () => {
    const [bad, sound] = (await kit.submit({}, {})) as [string, string];
    await kit.client.hset(kit.base + bad, 'priority', 'junk');
    await kit.client.hset(`${kit.base}not-a-job`, 'name', 'x');
    await overwrite(kit, `${kit.base}list`, 'list');
    await kit.client.del(`${kit.base}prioritized`);
    expect((await repaired()).placed.waiting).toBe(1);
    await expectSetAside(kit, bad);
    expect(await workOff(await kit.consumer())).toEqual([sound]);
    expect(await kit.client.exists(`${kit.base}not-a-job`, `${kit.base}list`)).toBe(2);
  });

  it('stops where it is interrupted', async () => {
    await kit.submit({}, {});
    await overwrite(kit, `${kit.base}prioritized`, 'string');
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(repair(kit.client, PREFIX, kit.queue, signal)).rejects.toThrow('enough');
    expect((await repaired()).placed.waiting).toBe(2);
  });
});
