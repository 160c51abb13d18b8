import { describe, expect, it } from 'vitest';
import { newId } from '../../../src/lib/core/job.js';
import { repair } from '../../../src/lib/queue/broker/repair.js';
import { readDamage } from '../../../src/lib/queue/damage.js';
import { ifReadable } from '../../../src/lib/redis/wrong-type.js';
import { type Random, random as randomOf } from '../../chaos/random.js';
import { useRedis } from '../../support/redis.js';
import { namedAs, overwrite, WRONG_VALUES, workOff } from './damage-kit.js';
import { completed, PREFIX, QueueKit } from './queue-kit.js';

const redis = useRedis();

/** A queue at work: jobs that wait, are delayed, held, failed and ended, and a group. */
async function busyQueue(kit: QueueKit) {
  const holder = await kit.consumer();
  const deadline = Date.now() + 3_600_000;
  const held = await kit.submit({ priority: 9, deadline }, { priority: 9, input: Buffer.alloc(5000) });
  const jobs = await holder.take(2);
  const waiting = await kit.submit({ deadline }, { input: Buffer.alloc(5000) }, { priority: 4 });
  const delayed = await kit.submit({ notBefore: Date.now() + 60_000 }, { notBefore: Date.now() + 60_000 });
  const group = newId('g');
  const { groups } = kit.producer;
  await groups.open({ ...kit.spec(), id: group }, 'sender');
  const place = (index: number) => ({ id: group, index, start: index, total: 2 }) as never;
  const chunks = [0, 1].map((index) => ({ id: `${group}-${index}`, group: place(index) }));
  await kit.submit(...chunks);
  await groups.close(kit.queue, group, 'sender', { rows: 2, jobs: 2 });
  return { holder, jobs, ids: [...held, ...waiting, ...delayed, ...chunks.map(({ id }) => id)] };
}

/** Damages one key of the queue, or a field of one; returns what was done. */
async function damageAny(kit: QueueKit, random: Random): Promise<{ key: string; how: string }> {
  const key = random.pick((await kit.client.keys(`${kit.tag}*`)).sort());
  const kind = await kit.client.type(key);
  if (kind === 'hash' && random.chance(0.5)) {
    const field = random.pick((await kit.client.hkeys(key)).sort());
    const junk = random.pick(['', 'junk', '-1e999', '{"s":{}', '99999999999999999999']);
    await kit.client.hset(key, field, junk);
    return { key, how: `${field} = ${junk}` };
  }
  if (random.chance(0.1)) {
    await kit.client.del(key);
    return { key, how: 'deleted' };
  }
  const value = random.pick(WRONG_VALUES);
  await overwrite(kit, key, value);
  return { key, how: value };
}

describe('damage to any key or field of a queue', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'does not stop other jobs from completing, and is reported by name (seed %i)',
    async (seed) => {
      const random = randomOf(seed);
      for (let round = 0; round < 12; round++) {
        const kit = await QueueKit.open(redis);
        try {
          const { holder, jobs, ids } = await busyQueue(kit);
          const { key, how } = await damageAny(kit, random);
          const said = `seed ${seed}, round ${round}: ${key} ${how}`;
          await holder.settle(jobs.map((job) => completed(job)));
          const consumer = await kit.consumer();
          await ifReadable(kit.passTime(60_000), undefined);
          await workOff(consumer);
          const { keys } = await readDamage(kit.client, PREFIX, kit.queue);
          for (const damaged of keys) expect(damaged.key, said).toBe(key);
          await repair(kit.client, PREFIX, kit.queue, new AbortController().signal);
          await kit.passTime(60_000);
          // A lock in another holder's name expires in time, and has an expiry.
          for (const id of ids) {
            expect(await kit.client.pttl(`${kit.base}${id}:lock`), said).not.toBe(-1);
            await kit.loseLock(id);
          }
          await workOff(consumer);
          const ends = await Promise.all(
            ids.map(async (id) => ({ id, state: (await kit.record(id)).state })),
          );
          const others = ends.filter(({ state }) => state !== 'completed');
          for (const { id } of others) {
            expect(key, `${said}: ${id} has not completed`).toContain(id);
            expect(await namedAs(kit, id), said).not.toBe('');
          }
          expect((await readDamage(kit.client, PREFIX, kit.queue)).keys, said).toEqual([]);
          // And it continues.
          const [more] = (await kit.submit({})) as [string];
          expect(await workOff(consumer), said).toEqual([more]);
        } finally {
          await kit.close();
        }
      }
    },
    120_000,
  );
});
