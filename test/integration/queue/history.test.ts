import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listSeries, readHistory } from '../../../src/lib/queue/history/read-history.js';
import { HOUR_MS, MINUTE_MS, seriesOf, startOf } from '../../../src/lib/queue/history/series.js';
import type { History, HistoryQuery } from '../../../src/lib/queue/history/types.js';
import { HistoryWriter } from '../../../src/lib/queue/history/writer.js';
import {
  eventsKey,
  historyOpenKey,
  historySeriesKey,
  historyWriterKey,
  hoursKey,
  minutesKey,
  queueTag,
  statesKey,
  statsKey,
  workKey,
} from '../../../src/lib/queue/keys.js';
import { beat, registerQueues, removeWorker } from '../../../src/lib/queue/registry.js';
import type { WorkerRecord } from '../../../src/lib/queue/types.js';
import { bucketAt, WorkFigures, writeWorkStats } from '../../../src/lib/queue/work-stats.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { useRedis } from '../../support/redis.js';
import { worker } from '../../unit/doctor/records.js';

const redis = useRedis();
let client: RedisClient;
let prefix: string;
/** Time of the writers. Readers use Redis's, so all of it lies in the past by an hour or two. */
let now: number;
let deployments = 0;
const clock = { now: () => now };

beforeEach(async () => {
  client = await redis.client('command');
  prefix = `h${++deployments}`;
  now = startOf(Date.now(), HOUR_MS) - 2 * HOUR_MS + 10 * MINUTE_MS;
  await registerQueues(client, prefix, ['realtime', 'batch']);
});
afterEach(async () => {
  await client.quit();
});

const writer = (id: string): HistoryWriter => new HistoryWriter({ client, prefix, id, clock });

const record = (id: string, name = id): WorkerRecord =>
  worker({ id, name, beatAt: now, startedAt: now - 1000, busyMs: 250 });

/** Registers a worker as its heartbeat does. */
const alive = (id: string, name?: string) => beat(client, prefix, record(id, name));

interface Done {
  jobs?: number;
  failed?: number;
  ms?: number;
  model?: string;
}

/** What a worker's heartbeat reports of the current ten seconds: all of it, each time. */
async function report(id: string, queue: string, ...given: Done[]): Promise<void> {
  const done = given.length === 0 ? [{}] : given;
  const figures = new WorkFigures();
  for (const { jobs = 1, failed = 0, ms = 10, model = 'digits' } of done as Done[]) {
    for (const one of [figures, figures.ofModel(model)]) {
      one.jobs.completed += jobs;
      one.jobs.failed += failed;
      one.rows += 2 * jobs;
      if (failed > 0) one.addFailure('RUN_FAILED', 16, failed);
      for (let i = 0; i < jobs; i++) {
        one.wait.add(ms);
        one.run.add(ms);
        one.total.add(2 * ms);
        one.addBatch(2, 'full');
      }
    }
  }
  const bucket = bucketAt(now);
  await writeWorkStats(client, prefix, id, { buckets: [{ queue, bucket, figures }], totals: new Map() });
}

/** Moves on by ten seconds at a time (20 where it is long), with a look of each writer in each. */
async function pass(ms: number, ...writers: HistoryWriter[]): Promise<void> {
  const step = ms > 5 * MINUTE_MS ? 20_000 : 10_000;
  for (const end = now + ms; now < end; ) {
    now += step;
    for (const one of writers) await one.look();
  }
}

const read = (query: Partial<HistoryQuery> = {}): Promise<History> =>
  readHistory(client, prefix, { kind: 'all', range: '24h', stepMs: MINUTE_MS, ...query });
const queue = (name: string, more: Partial<HistoryQuery> = {}) => read({ kind: 'queue', name, ...more });

describe('the history of a deployment', () => {
  it('has what every worker did, by queue, model and worker, and together', async () => {
    await Promise.all([alive('a', 'gpu-1'), alive('b', 'gpu-2')]);
    const [a, b] = [writer('a'), writer('b')];
    await report('a', 'realtime', { jobs: 3, ms: 10 }, { jobs: 1, ms: 40, model: 'other' });
    await report('b', 'realtime', { jobs: 6, ms: 20, failed: 2 });
    await report('b', 'batch', { jobs: 5, ms: 100 });
    await client.hset(statsKey(queueTag(prefix, 'realtime'), bucketAt(now)), { a: '17' });
    await a.look();
    await b.look();
    const all = await read();
    expect(all.points).toHaveLength(1);
    expect(all.points[0]).toMatchObject({
      at: startOf(now, MINUTE_MS),
      jobs: { completed: 15, failed: 2 },
      failures: { RUN_FAILED: 2 },
      added: 17,
      rows: 30,
      batches: { count: 15, rows: 2, closed: { full: 15 } },
      workers: { mean: 2, max: 2 },
      busy: 0.25,
      load: null,
    });
    const realtime = await queue('realtime');
    expect(realtime.total).toMatchObject({
      jobs: { completed: 10, failed: 2 },
      added: 17,
      workers: null,
      busy: null,
    });
    expect(realtime.total.waitMs?.p50).toBeCloseTo(20, -1);
    expect(realtime.total.totalMs?.max).toBe(80);
    expect((await queue('batch')).total).toMatchObject({ jobs: { completed: 5 }, added: 0 });
    const model = await read({ kind: 'model', name: 'digits' });
    expect(model.total).toMatchObject({ jobs: { completed: 14, failed: 2 }, added: null, backlog: null });
    const second = await read({ kind: 'worker', name: 'gpu-2' });
    expect(second.total).toMatchObject({
      jobs: { completed: 11 },
      waitMs: null,
      busy: 0.25,
      load: { busy: 0.25, rssBytes: expect.any(Number) },
    });
    expect(second.total.runMs?.max).toBe(100);
    expect(await listSeries(client, prefix)).toEqual(
      [
        ['all', null],
        ['model', 'digits'],
        ['model', 'other'],
        ['queue', 'batch'],
        ['queue', 'realtime'],
        ['worker', 'gpu-1'],
        ['worker', 'gpu-2'],
      ].map(([kind, name]) => ({ kind, name, at: startOf(now, MINUTE_MS) })),
    );
  });

  it('counts a report once, however often it is sent and whoever writes the history', async () => {
    await Promise.all([alive('a'), alive('b')]);
    const [a, b] = [writer('a'), writer('b')];
    for (let i = 0; i < 3; i++) {
      await report('a', 'realtime', { jobs: 4 });
      await a.look();
      await b.look();
    }
    // The right to write lapses, and the other one begins in the middle of the minute.
    await client.del(historyWriterKey(prefix));
    await b.look();
    await pass(20_000, b, a);
    await report('a', 'realtime', { jobs: 5 });
    await pass(3 * MINUTE_MS, b, a);
    const { points, total } = await queue('realtime');
    expect(total.jobs.completed).toBe(9);
    expect(points.map(({ jobs }) => jobs.completed)).toEqual([9, 0, 0, 0]);
    expect(points.map(({ ms }) => ms)).toEqual([60_000, 60_000, 60_000, expect.any(Number)]);
  });

  it('is not changed by a writer that was held up and writes again what is closed', async () => {
    await alive('a');
    const [a, late] = [writer('a'), writer('late')];
    await report('a', 'realtime', { jobs: 4 });
    await a.look();
    const open = await client.hgetall(historyOpenKey(prefix));
    await pass(2 * MINUTE_MS, a);
    expect((await queue('realtime')).total.jobs.completed).toBe(4);
    // As if its command had arrived only now.
    await client.hset(historyOpenKey(prefix), open);
    await client.del(historyWriterKey(prefix));
    await late.look();
    await pass(2 * MINUTE_MS, late);
    const { points } = await queue('realtime');
    expect(points[0]?.jobs.completed).toBe(4);
    expect((await queue('realtime')).total.jobs.completed).toBe(4);
  });

  it('keeps the figures of a worker that died, under its name, when another one writes', async () => {
    await Promise.all([alive('a', 'gpu-1'), alive('b', 'gpu-2')]);
    const [a, b] = [writer('a'), writer('b')];
    await a.look();
    await b.look();
    await report('a', 'realtime', { jobs: 7 });
    // It is killed before it has recorded them, and its heartbeat and its right expire.
    await removeWorker(client, prefix, 'a');
    await client.del(historyWriterKey(prefix));
    await pass(3 * MINUTE_MS, b);
    expect((await read({ kind: 'worker', name: 'gpu-1' })).total.jobs.completed).toBe(7);
    expect((await queue('realtime')).total.jobs.completed).toBe(7);
  });

  it('has the last figures of a single worker that stops, and goes on with the next one', async () => {
    await alive('a');
    const a = writer('a');
    await a.started(record('a'));
    await a.look();
    now += 2000;
    await report('a', 'realtime', { jobs: 2 });
    await removeWorker(client, prefix, 'a');
    await a.stop();
    expect((await queue('realtime')).total.jobs.completed).toBe(2);
    expect(await client.exists(historyWriterKey(prefix))).toBe(0);
    // The next one starts within the same minute.
    now += 20_000;
    await alive('b');
    const b = writer('b');
    await report('b', 'realtime', { jobs: 3 });
    await pass(3 * MINUTE_MS, b);
    expect((await queue('realtime')).points[0]?.jobs.completed).toBe(5);
    expect((await queue('realtime')).total.jobs.completed).toBe(5);
  });

  it('leaves a gap where no worker ran, and zeros where nothing was done', async () => {
    await alive('a');
    const a = writer('a');
    await report('a', 'realtime');
    await a.look();
    await pass(2 * MINUTE_MS, a);
    await a.stop();
    now += 5 * MINUTE_MS;
    await alive('b');
    await pass(MINUTE_MS, writer('b'));
    const { points, from, to, stepMs } = await queue('realtime');
    const minutes = points.map(({ at }) => (at - (points[0]?.at ?? 0)) / MINUTE_MS);
    expect(minutes).toEqual([0, 1, 2, 7, 8]);
    expect(points.map(({ jobs }) => jobs.completed)).toEqual([1, 0, 0, 0, 0]);
    expect(points[1]).toMatchObject({
      ms: 60_000,
      added: 0,
      backlog: { waiting: { mean: 0, max: 0 }, oldestMs: 0 },
    });
    expect([stepMs, to - from]).toEqual([MINUTE_MS, expect.any(Number)]);
  });

  it('shows what waits, as one worker sees it', async () => {
    await Promise.all([alive('a'), alive('b')]);
    const base = `{${prefix}:batch}:batch:`;
    const score = 10 * 2 ** 32;
    await client.zadd(`${base}prioritized`, score, 'j1', score + 1, 'j2');
    await client.hset(`${base}j1`, 'timestamp', String(now - 5000));
    await client.zadd(`${base}delayed`, 1, 'j3');
    const [a, b] = [writer('a'), writer('b')];
    await a.look();
    await b.look();
    now += 10_000;
    await client.zadd(`${base}prioritized`, score + 2, 'j4', score + 3, 'j5');
    await a.look();
    const { total } = await queue('batch');
    expect(total.backlog).toEqual({
      waiting: { mean: 3, max: 4 },
      delayed: { mean: 1, max: 1 },
      active: { mean: 0, max: 0 },
      oldestMs: 15_000,
    });
    expect((await read()).total.backlog?.waiting.max).toBe(4);
    // An idle queue is not written down, and was seen empty as often.
    expect((await queue('realtime')).total.backlog?.waiting).toEqual({ mean: 0, max: 0 });
  });

  it('takes the busy share and the GPU of a worker from its heartbeats', async () => {
    const gpuMemory = { usedBytes: 3e9, totalBytes: 8e9, utilisation: 0.4 };
    const busy = (busyMs: number) =>
      beat(client, prefix, { ...record('a'), startedAt: now - HOUR_MS, busyMs, gpuMemory });
    const a = writer('a');
    await busy(100_000);
    await a.look();
    now += 10_000;
    await busy(102_500);
    await a.look();
    const { load } = (await read({ kind: 'worker', name: 'a' })).total;
    expect(load).toEqual({
      busy: 0.25,
      rssBytes: record('a').rssBytes,
      gpu: { usedBytes: 3e9, totalBytes: 8e9, utilisation: 0.4 },
    });
  });

  it('is bounded: a day of minutes, two weeks of hours, and everything expires', async () => {
    await alive('a');
    const a = writer('a');
    await report('a', 'realtime');
    await a.look();
    await pass(HOUR_MS, a);
    const series = [seriesOf('all', undefined), seriesOf('queue', 'realtime'), seriesOf('worker', 'a')];
    for (const name of series) {
      expect(await client.ttl(minutesKey(prefix, name))).toBeGreaterThan(24 * 3600);
      expect(await client.ttl(hoursKey(prefix, name))).toBeGreaterThan(14 * 86_400);
    }
    for (const key of [historyOpenKey(prefix), historySeriesKey(prefix), historyWriterKey(prefix)]) {
      expect(await client.ttl(key)).toBeGreaterThan(0);
    }
    // As many as a full stream has: the oldest go, in whole nodes of the stream.
    const full = minutesKey(prefix, 'all:');
    const first = startOf(now, MINUTE_MS) - 3000 * MINUTE_MS;
    await client.del(full);
    for (let i = 0; i < 2990; i++) void client.xadd(full, `${first + i * MINUTE_MS}-0`, 'v', '{"t":60000}');
    await pass(2 * MINUTE_MS, a);
    expect(await client.xlen(full)).toBeLessThan(1600);
  });

  it('sums up each hour once, from its minutes, also for hours that ended without a worker', async () => {
    await alive('a');
    const a = writer('a');
    for (let i = 0; i < 3; i++) {
      await report('a', 'realtime', { jobs: 2, ms: 10 });
      await a.look();
      await pass(10 * MINUTE_MS, a);
    }
    const hour = startOf(now, HOUR_MS);
    await a.stop();
    now = hour + HOUR_MS + 5 * MINUTE_MS;
    await alive('b');
    const b = writer('b');
    await pass(MINUTE_MS, b, a);
    const entries = await client.xrange(hoursKey(prefix, 'queue:realtime'), '-', '+');
    expect(entries.map(([id]) => id)).toEqual([`${hour}-0`]);
    const days = await queue('realtime', { range: '14d', stepMs: undefined });
    expect(days.points.map(({ at, jobs }) => [at, jobs.completed])).toEqual([
      [hour, 6],
      [hour + HOUR_MS, 0],
    ]);
    expect(days.points[0]?.waitMs?.p95).toBeCloseTo(10, 0);
    const byDay = await queue('realtime', { range: '14d', stepMs: 24 * HOUR_MS });
    expect(byDay.total.jobs.completed).toBe(6);
  });

  it('keeps 200 series of a kind: an idle one makes room for a new one, and none that is active', async () => {
    await alive('a');
    const idle = Array.from({ length: 200 }, (_, i) => [now - 2 * HOUR_MS + i, `worker:old-${i}`]);
    await client.zadd(historySeriesKey(prefix), ...idle.flat());
    await client.xadd(minutesKey(prefix, 'worker:old-0'), '*', 'v', '{}');
    await pass(3 * MINUTE_MS, writer('a'));
    const names = await client.zrange(historySeriesKey(prefix), '0', '-1');
    expect(names.filter((name) => name.startsWith('worker:'))).toHaveLength(200);
    expect(names).toContain('worker:a');
    expect(names).not.toContain('worker:old-0');
    expect(await client.exists(minutesKey(prefix, 'worker:old-0'))).toBe(0);
    const active = Array.from({ length: 199 }, (_, i) => [now, `worker:new-${i}`]);
    await client.del(historySeriesKey(prefix));
    await client.zadd(historySeriesKey(prefix), ...active.flat(), now, 'worker:a');
    await alive('z');
    await pass(2 * MINUTE_MS, writer('a'));
    expect(await client.zscore(historySeriesKey(prefix), 'worker:z')).toBeNull();
  });

  it('survives damaged keys: they cost their own figures', async () => {
    await alive('a');
    const a = writer('a');
    await client.set(eventsKey(prefix), 'text');
    await client.set(statesKey(prefix), 'text');
    await client.set(minutesKey(prefix, 'queue:batch'), 'text');
    await client.set(workKey(queueTag(prefix, 'batch'), bucketAt(now)), 'text');
    await client.hset(historyOpenKey(prefix), {
      '1:queue:x': 'no json',
      y: '',
      [`${startOf(now, MINUTE_MS)}@9`]: '7',
    });
    await report('a', 'realtime', { jobs: 2 });
    await a.look();
    await pass(2 * MINUTE_MS, a);
    expect((await queue('realtime')).total.jobs.completed).toBe(2);
    expect((await queue('batch')).points.length).toBeGreaterThan(0);
  });

  it.each([
    ['1h', 1000],
    ['1h', 7 * MINUTE_MS],
    ['14d', 90 * MINUTE_MS],
    ['5m', HOUR_MS],
  ] as const)('refuses steps that do not fit: %s by %d ms', async (range, stepMs) => {
    await expect(read({ range, stepMs })).rejects.toMatchObject({ code: 'FILTER' });
  });
});
