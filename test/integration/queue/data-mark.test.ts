import { beforeEach, expect, it } from 'vitest';
import {
  type DataLoss,
  DataMark,
  lossText,
  lossThatTook,
  readLosses,
} from '../../../src/lib/queue/data-mark.js';
import { dataKey, installationTag } from '../../../src/lib/queue/keys.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { useRedis } from '../../support/redis.js';

const redis = useRedis();
const KEY = dataKey(installationTag('infer'));
let client: RedisClient;
beforeEach(async () => {
  client ??= await redis.client();
  await client.flushall();
});

/** A process: its mark, and the losses that were reported to it. */
function process(): { look(): Promise<void>; told: DataLoss[] } {
  const told: DataLoss[] = [];
  const mark = new DataMark(client, 'infer', undefined, (loss) => told.push(loss));
  return { look: () => mark.look(), told };
}

it('processes that check the data mark in turn see no loss', async () => {
  const [a, b] = [process(), process()];
  for (const one of [a, b, a, a, b]) await one.look();
  expect([a.told, b.told]).toEqual([[], []]);
  expect(await readLosses(client, 'infer', [])).toEqual([]);
  expect(Number(await client.hget(KEY, 'n'))).toBe(5);
});

it('a data loss is reported once to each process that knew the data, with when it was last seen', async () => {
  const [a, b] = [process(), process()];
  await a.look();
  await b.look();
  const seenAt = Number(await client.hget(KEY, 'seen'));
  await client.flushall();
  for (const one of [a, b, a, b]) await one.look();
  expect(a.told).toHaveLength(1);
  expect(a.told[0]).toMatchObject({ kind: 'all', from: 0 });
  // Another process saw the data last: the only record knows that, and it is not reported a second time.
  expect(b.told).toHaveLength(1);
  expect(b.told[0]).toMatchObject({ kind: 'all', seenAt, noticedAt: a.told[0]?.noticedAt });
  expect(await readLosses(client, 'infer', [])).toEqual(b.told);
  const late = process();
  await late.look();
  expect(late.told).toEqual([]);
});

it('a data loss is reported even though a process without knowledge wrote the new mark', async () => {
  const a = process();
  await a.look();
  await client.flushall();
  const fresh = process();
  await fresh.look();
  await a.look();
  expect(a.told).toMatchObject([{ kind: 'all' }]);
  await fresh.look();
  expect(fresh.told).toEqual(a.told);
  await client.flushall();
  await a.look();
  expect(a.told).toHaveLength(2);
});

it('a Redis restored to an older state is reported with the time from which writes are lost', async () => {
  const [a, b] = [process(), process()];
  await a.look();
  const older = (await client.dumpBuffer(KEY)) as Buffer;
  const from = Number(await client.hget(KEY, 'seen'));
  for (const one of [b, a, b]) await one.look();
  await client.restore(KEY, 0, older, 'REPLACE');
  await a.look();
  await b.look();
  expect(a.told).toMatchObject([{ kind: 'part', from }]);
  expect(b.told).toMatchObject([{ kind: 'part', from, noticedAt: a.told[0]?.noticedAt }]);
  for (const one of [a, b, a]) await one.look();
  expect([a.told.length, b.told.length]).toEqual([1, 1]);
});

it('a data mark of another type, or with garbage in its fields, is replaced and blocks no check', async () => {
  const a = process();
  await client.set(KEY, 'x');
  expect(await readLosses(client, 'infer', [])).toEqual([]);
  await a.look();
  await client.hset(KEY, 'n', 'x', 'seen', 'x', 'part', 'x', 'partSeen', 'x');
  await a.look();
  await a.look();
  expect(Number(await client.hget(KEY, 'n'))).toBeGreaterThan(0);
});

it('a lookup finds the loss that took a given write, and describes it', () => {
  const all: DataLoss = { kind: 'all', from: 0, seenAt: 4000, noticedAt: 5000 };
  const part: DataLoss = { kind: 'part', from: 7000, seenAt: 7400, noticedAt: 8000, queue: 'batch' };
  const losses = [part, all];
  expect(lossThatTook(losses, 4500)).toBe(all);
  expect(lossThatTook(losses, 5001)).toBeUndefined();
  expect(lossThatTook(losses, 6999)).toBeUndefined();
  expect(lossThatTook(losses, 7001)).toBe(part);
  expect(lossThatTook(losses, 7001, 'batch')).toBe(part);
  expect(lossThatTook(losses, 7001, 'realtime')).toBeUndefined();
  expect(lossThatTook(losses, 8001)).toBeUndefined();
  expect(lossText(all, 65_000)).toBe(
    'Redis lost all data 1m 0s ago, between 1970-01-01 00:00:04.000 UTC and 1970-01-01 00:00:05.000 UTC: jobs, groups and results from before are gone',
  );
  expect(lossText({ ...all, queue: 'batch' })).toMatch(/^Redis lost all data of queue batch between 1970/);
  expect(lossText(part, 9000)).toBe(
    'Redis went back to an older state of queue batch 1 s ago, at 1970-01-01 00:00:08.000 UTC: what it accepted after 1970-01-01 00:00:07.000 UTC may be lost',
  );
});
