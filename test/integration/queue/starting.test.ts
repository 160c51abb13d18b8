import { expect, it } from 'vitest';
import { isServed, unservedJobs } from '../../../src/lib/queue/routes.js';
import {
  announceStart,
  endStart,
  forgetDeadStarts,
  listStarting,
  startsFor,
} from '../../../src/lib/queue/starting.js';
import { useRedis } from '../../support/redis.js';

const redis = useRedis();
const of = (id: string, beatAt: number) => ({ id, name: id, queues: ['q'], models: ['m'], beatAt });

it('a starting worker is listed until it is ready or has been silent for 15 s', async () => {
  const client = await redis.client();
  await announceStart(client, 'p', of('b', 100_000));
  await announceStart(client, 'p', of('a', 90_000));
  const at = async (now: number) => (await listStarting(client, 'p', now)).map(({ id }) => id);
  expect(await at(104_999)).toEqual(['a', 'b']);
  expect(await at(105_000)).toEqual(['b']);
  await forgetDeadStarts(client, 'p', 105_000);
  expect(await client.hkeys('{p}:starting')).toEqual(['b']);
  await endStart(client, 'p', 'b');
  await forgetDeadStarts(client, 'p', 105_000);
  expect(await client.exists('{p}:starting')).toBe(0);
});

it('garbage among starting workers is skipped', async () => {
  const client = await redis.client();
  await client.hset('{g}:starting', { a: 'x', b: '{}', c: JSON.stringify(of('c', 100_000)) });
  expect(await listStarting(client, 'g', 100_000)).toMatchObject([{ id: 'c' }]);
  await forgetDeadStarts(client, 'g', 100_000);
  expect(await client.hkeys('{g}:starting')).toEqual(['c']);
  await client.set('{h}:starting', 'x');
  expect(await listStarting(client, 'h', 100_000)).toEqual([]);
  await endStart(client, 'h', 'a');
});

it('a starting worker counts for its queues, and for its models in any version', async () => {
  const starting = [of('a', 0)];
  const cases: [string, string | undefined, boolean][] = [
    ['q', undefined, true],
    ['q', 'm', true],
    ['q', 'm@2', true],
    ['q', 'other', false],
    ['r', undefined, false],
    ['r', 'm', false],
  ];
  for (const [queue, route, is] of cases)
    expect(startsFor(starting, queue, route), `${queue} ${route}`).toBe(is);
  const queue = { name: 'q', unmatched: { m: 2, other: 1 } };
  expect(unservedJobs(queue, [], starting)).toEqual([{ route: 'other', jobs: 1 }]);
  expect(unservedJobs(queue, [])).toHaveLength(2);

  const client = await redis.client();
  expect(await isServed(client, 'now', 'q', 'm')).toBe(false);
  await announceStart(client, 'now', of('a', Date.now()));
  expect(await isServed(client, 'now', 'q', 'm')).toBe(true);
  expect(await isServed(client, 'now', 'q', 'other')).toBe(false);
});
