import { describe, expect, it } from 'vitest';
import { InferClient } from '../../../src/lib/client/client.js';
import { useRedis } from '../../support/redis.js';
import { until } from './fault-kit.js';
import { AOF, LINES_A_MINUTE, loggedWorker, measured, row, useOutage } from './outage-kit.js';

/** Loading time per key in microseconds: long enough to be observed, for the test that writes many. */
const SLOW_LOADING = ['--key-load-delay', '200'];
const MANY_KEYS = 10_000;
const redis = useRedis({ port: true, args: [...AOF, ...SLOW_LOADING] });
const outage = useOutage(redis);
const { kit } = outage;

const seconds = (from: number) => (performance.now() - from) / 1000;

describe('a Redis outage during a run', () => {
  it.each(['restart', 'kill'] as const)('commits the running job exactly once: %s', async (how) => {
    const lines = await loggedWorker(kit, { lockMs: 10_000 });
    const id = await outage.inFlight();
    const waiting = await outage.submit(0, undefined, 'batch');
    if (how === 'kill') await redis.kill();
    await redis.restart();
    const back = performance.now();
    expect(await outage.end(id)).toMatchObject({ state: 'completed', attempts: 1, result: { y: [1, 2] } });
    expect((await outage.end(waiting)).state).toBe('completed');
    const fresh = performance.now();
    await outage.end(await outage.submit(0));
    measured(`redis ${how}, a job after`, seconds(fresh));
    measured(`redis ${how}, all jobs`, seconds(back));
    await outage.clean();
    expect(lines.troubles.length).toBeLessThan(LINES_A_MINUTE);
  });

  it('that outlasts the lock ends every job once, without a restart of the worker', async () => {
    const lines = await loggedWorker(kit, { lockMs: 1000 });
    const id = await outage.inFlight();
    const lock = (await outage.redisClient.keys('*:lock'))[0] as string;
    const left = await outage.redisClient.pttl(lock);
    const waiting = await outage.submit(0, undefined, 'batch');
    await redis.kill();
    // The outage lasts longer than the remaining time of the lock.
    await new Promise((resolve) => setTimeout(resolve, left + 500));
    await redis.restart();
    const back = performance.now();
    expect(await outage.end(id)).toMatchObject({ state: 'completed', result: { y: [1, 2] } });
    expect((await outage.end(waiting)).state).toBe('completed');
    measured('redis away beyond the lock, all jobs', seconds(back));
    await outage.clean();
    expect(lines.troubles.length).toBeLessThan(LINES_A_MINUTE);
  });
});

describe('clients while Redis is unreachable', () => {
  it('fail within seconds with the reason; the same id submitted again is one job', async () => {
    await kit.worker();
    await outage.with(async (client) => {
      const id = 'order-1234';
      await redis.kill();
      const from = performance.now();
      const submitted = client.submit(row(0), { model: 'slow', id });
      await expect(submitted).rejects.toMatchObject({ code: 'REDIS_UNREACHABLE', exitCode: 69 });
      await expect(outage.submit(0, id)).rejects.toMatchObject({ code: 'REDIS_UNREACHABLE' });
      expect(seconds(from)).toBeLessThan(20);
      await redis.restart();
      const again = await Promise.all([1, 2, 3].map(() => outage.submit(0, id)));
      expect(again).toEqual([id, id, id]);
      expect(await outage.end(id)).toMatchObject({ state: 'completed', attempts: 1 });
      const { duplicate } = await outage.with((other) => other.submit(row(0), { model: 'slow', id }));
      expect(duplicate).toBe(true);
      await outage.clean();
    });
  });
});

/** Last in this file: its keys slow down every later start of this server. */
describe('a Redis that is loading its data', () => {
  it('makes a worker wait, and fails a client within seconds', async () => {
    const lines = await loggedWorker(kit);
    const pipe = outage.redisClient.pipeline();
    for (let i = 0; i < MANY_KEYS; i++) pipe.set(`filler:${i}`, '1');
    await pipe.exec();
    await redis.kill();
    await redis.restart();
    const from = performance.now();
    const early = await InferClient.open({
      prefix: 'faults',
      modelsDir: undefined,
      resultTtl: 60,
      redis: redis.settings({ connectTimeoutMs: 1500 }),
    }).then(
      (client) => client.close().then(() => undefined),
      (error: unknown) => error,
    );
    expect(early).toMatchObject({ code: 'REDIS_LOADING', exitCode: 75 });
    expect(seconds(from)).toBeLessThan(15);
    await until(async () => ((await outage.redisClient.dbsize()) >= MANY_KEYS ? true : undefined));
    await outage.redisClient.flushdb();
    const id = await outage.submit(0);
    const ended = await outage.end(id);
    expect(ended.state).toBe('completed');
    measured('redis loading, a job after', ended.seconds);
    expect(lines.troubles.length).toBeLessThan(LINES_A_MINUTE);
  });
});
