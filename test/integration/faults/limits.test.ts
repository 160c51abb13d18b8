import { describe, expect, it } from 'vitest';
import { doubler, slow, writeModel } from '../../support/onnx-builder.js';
import { useRedis } from '../../support/redis.js';
import { until, useFaults } from './fault-kit.js';

const redis = useRedis();
/** Runs a row until aborted, or for its `ms`. */
const HANDLER = `
export async function preprocess(row, { signal }) {
  if (!signal.aborted) {
    await new Promise((resolve) => {
      signal.addEventListener('abort', resolve, { once: true });
      if (row.ms !== undefined) setTimeout(resolve, row.ms);
    });
  }
  if (!signal.aborted) return { x: [1, 2, 3, 4] };
  throw new Error('stopped: ' + signal.reason.name);
}`;
const kit = useFaults(redis, ['slow', 'patient'], (dir) => {
  writeModel(dir, 'slow', slow());
  writeModel(dir, 'patient', doubler(), { handler: './handler.mjs' }, { files: { 'handler.mjs': HANDLER } });
});
/** About six seconds a run (2 ms a turn): far beyond every limit below, so that only the limit can end it. */
const LONG = 3000;
const row = (turns: number) => ({ x: [1, 2], turns: [turns] });

async function active(id: string): Promise<void> {
  await until(async () => ((await kit.client.result(id)).state === 'active' ? true : undefined));
}

describe('time limits', () => {
  it('kill a run at the hard limit, fail that job with its name, and the worker continues', async () => {
    await kit.worker({ timeLimitMs: 500 });
    const hung = kit.client.run(row(LONG), { model: 'slow' });
    const after = kit.client.run(row(0), { model: 'slow' });
    const failed = await hung;
    expect(failed.state).toBe('failed');
    expect(failed.error?.code).toBe('TIME_LIMIT');
    expect(failed.error?.message).toContain('500 ms');
    expect((await after).state).toBe('completed');
  });

  it("use a job's own limit when it is lower than the worker's, never a higher one", async () => {
    await kit.worker({ timeLimitMs: 600 });
    const low = await kit.client.run(row(LONG), { model: 'slow', timeLimitMs: 200 });
    expect(low.error?.message).toContain('200 ms');
    const high = await kit.client.run(row(LONG), { model: 'slow', timeLimitMs: 60_000 });
    expect(high.error?.message).toContain('600 ms');
  });

  it('requeue the other jobs of a killed micro-batch', async () => {
    const jobs = [];
    // One of three has a limit; the others would run forever. `turns` is equal, so they share a run.
    for (const timeLimitMs of [undefined, 300, undefined]) {
      jobs.push(await kit.client.submit(row(300), { model: 'slow', timeLimitMs }));
    }
    await kit.worker();
    const results = await Promise.all(jobs.map((job) => kit.client.wait(job.id, { timeoutMs: 20_000 })));
    expect(results.map((result) => result.state)).toEqual(['completed', 'failed', 'completed']);
    expect(results[1]?.error?.code).toBe('TIME_LIMIT');
  });

  it("abort the handler's signal at the soft limit, and the job fails with SOFT_TIME_LIMIT", async () => {
    await kit.worker({ softTimeLimitMs: 150 });
    const result = await kit.client.run({ n: 1 }, { model: 'patient' });
    expect(result).toMatchObject({ state: 'failed', error: { code: 'SOFT_TIME_LIMIT' } });
    expect(result.error?.message).toContain('its soft time limit of 150 ms with 0 of 1 rows done');
  });

  it('end only the job whose soft limit passed, not others of its run', async () => {
    const short = await kit.client.submit({ n: 1 }, { model: 'patient', softTimeLimitMs: 150 });
    const long = await kit.client.submit({ n: 2, ms: 400 }, { model: 'patient', softTimeLimitMs: 20_000 });
    await kit.worker();
    const ends = await Promise.all([short, long].map(({ id }) => kit.client.wait(id, { timeoutMs: 20_000 })));
    expect(ends.map(({ state, error }) => [state, error?.code])).toEqual([
      ['failed', 'SOFT_TIME_LIMIT'],
      ['completed', undefined],
    ]);
  });

  it('stop between two runs at the soft limit and keep the finished rows', async () => {
    await kit.worker({ maxBatch: 2, softTimeLimitMs: 100 });
    const rows = { x: Array.from({ length: 40 }, (_, i) => [i, i]), turns: [20] };
    const result = await kit.client.run(rows, { model: 'slow', queue: 'batch' });
    expect(result.state).toBe('failed');
    expect(result.error?.code).toBe('SOFT_TIME_LIMIT');
    const values = result.result as ({ y: number[] } | { error: { code: string } })[];
    expect(values).toHaveLength(40);
    expect(values[0]).toEqual({ y: [0, 0] });
    expect(values.at(-1)).toMatchObject({ error: { code: 'SOFT_TIME_LIMIT' } });
  });
});

describe('cancelling', () => {
  it('withdraws a waiting job at once and tells its waiter', async () => {
    const job = await kit.client.submit(row(0), { model: 'slow' });
    const waiting = kit.client.wait(job.id, { timeoutMs: 5000 });
    expect(await kit.client.cancel(job.id)).toBe('cancelled');
    expect((await waiting).state).toBe('cancelled');
    expect(await kit.client.cancel(job.id)).toBe('cancelled');
  });

  it('ends a running job by ending its run; the other jobs of that run complete', async () => {
    // Without `ms` the run never ends: only the end of its process ends it.
    const endless = await kit.client.submit({ n: 1 }, { model: 'patient' });
    const other = await kit.client.submit({ n: 2, ms: 10 }, { model: 'patient' });
    await kit.worker();
    await active(endless.id);
    expect(await kit.client.cancel(endless.id)).toBe('active');
    const ended = await kit.client.wait(endless.id, { timeoutMs: 20_000 });
    expect(ended.state).toBe('cancelled');
    expect((await kit.client.wait(other.id, { timeoutMs: 20_000 })).state).toBe('completed');
  });

  it('cancels a whole group', async () => {
    const signature = await kit.client.signatures.find('slow');
    async function* chunks() {
      for (let i = 0; i < 3; i++) {
        const { payloadFromValue } = await import('../../../src/lib/input/value.js');
        yield payloadFromValue(
          {
            x: [
              [i, i],
              [i, i],
            ],
            turns: [0],
          },
          signature,
        );
      }
    }
    const { group } = await kit.client.submitMany(chunks(), signature);
    expect(await kit.client.cancel(group)).toBe('failed');
    const codes = [];
    for await (const chunk of kit.client.groupChunks(await kit.client.group(group)))
      codes.push(chunk.error?.code);
    expect(codes).toEqual(['CANCELLED', 'CANCELLED', 'CANCELLED']);
  });
});

describe('deadlines', () => {
  it('expire a job that was never started, and tell its waiter at once', async () => {
    const started = Date.now();
    const result = await kit.client.run(row(0), { model: 'slow', queue: 'deserted', expiresMs: 300 });
    expect(result.state).toBe('expired');
    expect(result.error?.code).toBe('EXPIRED');
    expect(Date.now() - started).toBeLessThan(15_000);
  });

  it('expire a job that waited behind a long one, and never run it', async () => {
    await kit.worker();
    const long = await kit.client.submit(row(400), { model: 'slow' });
    await active(long.id);
    const late = await kit.client.run(row(0), { model: 'slow', expiresMs: 50, timeoutMs: 20_000 });
    expect(late.state).toBe('expired');
    expect((await kit.client.wait(long.id, { timeoutMs: 20_000 })).state).toBe('completed');
  });
});
