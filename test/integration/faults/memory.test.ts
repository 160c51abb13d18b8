import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { payloadFromValue } from '../../../src/lib/input/value.js';
import { useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { until } from './fault-kit.js';
import { clientOf, LINES_A_MINUTE, loggedWorker, measured, PREFIX, row, useOutage } from './outage-kit.js';

const redis = useRedis({ port: true });
const results = useRedis({ port: true });
const outage = useOutage(redis);
const { kit } = outage;
const infer = useInfer(redis);
const LOCK_MS = 1000;
const REFUSED = { code: 'REDIS_FULL', exitCode: 75 };

beforeAll(async () => {
  // Enough used memory that a few more connections do not change it by a percent.
  for (let i = 0; i < 128; i++) await outage.redisClient.set(`filler:${i}`, Buffer.alloc(64 * 1024));
});

/** Sets the limit so that Redis's current use is this share of it. */
async function fill(share: number): Promise<void> {
  const used = Number(/used_memory:(\d+)/.exec(await outage.redisClient.info('memory'))?.[1]);
  await outage.redisClient.config('SET', 'maxmemory', String(Math.round(used / share)));
}

async function empty(): Promise<void> {
  await outage.redisClient.config('SET', 'maxmemory', '0');
}

describe('admission at a nearly full Redis', () => {
  it('makes submit exit 75 with the figures at 80 %, and accepts again once memory is free', async () => {
    const args = ['submit', '-', '--model', 'slow', '--prefix', PREFIX, '--models', kit.modelsDir];
    const stdin = JSON.stringify(row(0));
    try {
      await fill(0.86);
      const run = await infer.run(args, { stdin });
      expect([run.exitCode, run.stdout]).toEqual([75, '']);
      expect(run.stderr).toMatch(
        /Redis is full: \d+(\.\d)? MB of \d+(\.\d)? MB used \(8\d %\), and new work is taken up to 80 %/,
      );
      expect(run.stderr).toContain('Try: ');
      const json = await infer.run([...args, '--json'], { stdin });
      expect(json.json()).toMatchObject({ ok: false, error: REFUSED });
    } finally {
      await empty();
    }
    const accepted = await infer.run([...args, '--quiet'], { stdin });
    expect(accepted.exitCode).toBe(0);
    await kit.worker();
    expect((await outage.end(accepted.stdout.trim())).state).toBe('completed');
  });

  it('withdraws the queued part of a group when memory runs out midway, and says so', async () => {
    const signature = await outage.with((client) => client.signatures.find('slow'));
    await outage.with(async (client) => {
      await fill(0.5);
      const writer = await client.openGroup(signature, { queue: 'batch' });
      const chunk = payloadFromValue(row(0), signature);
      try {
        for (let i = 0; i < 64; i++) await writer.write(chunk);
        await fill(0.85);
        const overfull = async () => {
          for (let i = 0; i < 10_000; i++) await writer.write(chunk);
        };
        await expect(overfull()).rejects.toMatchObject(REFUSED);
        await writer.abandon();
      } finally {
        await empty();
      }
    });
    await outage.clean();
    // None of it had run, so nothing is left of it, and it may be sent again.
    expect(await outage.redisClient.keys(`{${PREFIX}:batch}:grp:*`)).toEqual([]);
    expect(await outage.redisClient.zcard(`{${PREFIX}:batch}:cancelled`)).toBe(0);
  });

  it('makes the command withdraw a file that does not fit', async () => {
    const line = `${JSON.stringify(row(0))}\n`;
    try {
      await fill(0.78);
      // What a file this large puts into Redis is more than the rest.
      const file = infer.file('many.ndjson', line.repeat(150_000));
      const args = ['submit', file, '--model', 'slow', '--prefix', PREFIX, '--models', kit.modelsDir];
      const run = await infer.run([...args, '-Q', 'file'], { env: { INFER_LOG_LEVEL: 'debug' } });
      expect(run.exitCode).toBe(75);
      expect(run.stderr).toMatch(/Redis is full: .* the \d+ rows sent before that were cancelled/);
    } finally {
      await empty();
    }
    await outage.clean();
  });
});

describe('a worker whose Redis is full', () => {
  it('loses nothing, does not spin, and resumes automatically once memory is free', async () => {
    const lines = await loggedWorker(kit, { queues: ['realtime', 'batch', 'default'] });
    const running = await outage.inFlight();
    const waiting = await Promise.all([1, 2, 3].map(() => outage.submit(0, undefined, 'batch')));
    try {
      await fill(1.02);
      const refused = outage.with((client) => client.submit(row(0), { model: 'slow' }));
      await expect(refused).rejects.toMatchObject(REFUSED);
      const before = Number(
        /total_commands_processed:(\d+)/.exec(await outage.redisClient.info('stats'))?.[1],
      );
      await delay(2500);
      const after = Number(
        /total_commands_processed:(\d+)/.exec(await outage.redisClient.info('stats'))?.[1],
      );
      expect(after - before).toBeLessThan(500);
    } finally {
      await empty();
    }
    const ended = await outage.end(running);
    expect(ended).toMatchObject({ state: 'completed', attempts: 1 });
    for (const id of waiting) expect((await outage.end(id)).state).toBe('completed');
    const fresh = await outage.end(await outage.submit(0));
    measured('memory free again, a job after', fresh.seconds);
    await outage.clean();
    expect(lines.troubles.length).toBeLessThan(LINES_A_MINUTE);
  });

  it('keeps a result that cannot be stored and stores it later; its job does not fail', async () => {
    const lines = await loggedWorker(kit, { lockMs: LOCK_MS }, { results: results.settings() });
    const full = await results.client('worker');
    await full.config('SET', 'maxmemory', '1');
    const ids = await Promise.all([outage.submit(0), outage.submit(0)]);
    await until(async () => (lines.text.includes('cannot store outcomes') ? true : undefined));
    // A lock that is not renewed would have expired by then, and the jobs would run again.
    await delay(2 * LOCK_MS);
    for (const id of ids) expect((await outage.with((client) => client.result(id))).state).toBe('active');
    await full.config('SET', 'maxmemory', '0');
    const client = await clientOf(kit, redis, undefined, results.settings());
    const from = performance.now();
    const ended = await Promise.all(ids.map((id) => client.wait(id, { timeoutMs: 20_000 })));
    await client.close();
    for (const result of ended) expect(result).toMatchObject({ state: 'completed', attempts: 1 });
    measured('results Redis free again', (performance.now() - from) / 1000);
    expect((await full.keys('*:res:*')).length).toBe(2);
    expect(lines.troubles.length).toBeLessThan(LINES_A_MINUTE);
  });
});
