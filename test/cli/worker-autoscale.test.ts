import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { bullBase } from '../../src/lib/queue/keys.js';
import { until, useInfer } from '../support/cli.js';
import { slow, writeModel } from '../support/onnx-builder.js';
import { inspect, inspectQueue, type WorkerRow } from '../support/overview.js';
import { useRedis } from '../support/redis.js';
import { childrenOf, type TestWorker } from '../support/worker.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
let models = '';

beforeAll(() => {
  models = path.join(infer.dir, 'models');
  writeModel(models, 'slow', slow());
});

/** Bursts are seconds of work for every core; on a busy machine they take minutes. */
const PATIENCE_MS = 120_000;

/** A worker whose runs are single jobs, and whose idle runners stay for a second. */
const autoscaled = (name: string, bounds: string, ...args: string[]): Promise<TestWorker> =>
  infer.worker(
    ['--name', name, '-Q', name, '--models', models, '--max-batch', '1', '--autoscale', bounds, ...args],
    { env: { INFER_AUTOSCALE_KEEP_ALIVE: '1s' } },
  );
type Autoscaled = WorkerRow & { concurrency: number; threads: number; autoscale?: object };
const workerNamed = async (name: string) =>
  (await inspect(infer)).workers.find((worker) => worker.name === name) as Autoscaled | undefined;
const control = async (...args: string[]) =>
  (await infer.run(['control', 'set', ...args, '--json'])).json<{
    workers: { state: string; text: string; code?: string; hint?: string }[];
  }>().workers;

/** Sends JOBS jobs of some 150 ms at once; reports how each of them ended. */
const BURST = `import { InferClient } from 'infer-queue';
  const client = await InferClient.connect();
  const { QUEUE, JOBS } = process.env;
  const send = () => client.run({ x: [1, 2], turns: [30] }, { queue: QUEUE, model: 'slow', retryDelayMs: 0 });
  const ended = await Promise.all(Array.from({ length: Number(JOBS) }, send));
  await client.close();
  console.log(JSON.stringify(ended.map(({ state }) => state)));`;
const burst = (queue: string, jobs: number) =>
  infer.script(BURST, { env: { QUEUE: queue, JOBS: String(jobs), INFER_MODELS_DIR: models } });
const statesOf = async (child: ReturnType<typeof burst>): Promise<string[]> => {
  const { stdout, stderr } = await child;
  expect(stderr).toBe('');
  return JSON.parse(String(stdout)) as string[];
};

/** Resolves when the worker has this many runner processes; it never has more than `most` on the way. */
const runners = (worker: TestWorker, wanted: number, most: number): Promise<number[]> =>
  until(async () => {
    const pids = childrenOf(worker.pid);
    expect(pids.length).toBeLessThanOrEqual(most);
    return pids.length === wanted ? pids : undefined;
  }, PATIENCE_MS);

describe('worker --autoscale 4,2', { timeout: PATIENCE_MS }, () => {
  it('grows to four in a burst, stays there after a crash, shrinks to two when idle, and loses no job', async () => {
    const worker = await autoscaled('burst', '4,2');
    expect(worker.stderr).toMatch(/runs\s+2 to 4 at a time, 1 thread each\n/);
    expect(childrenOf(worker.pid)).toHaveLength(2);
    expect(await workerNamed('burst')).toMatchObject({ concurrency: 2, autoscale: { max: 4, min: 2 } });

    const sent = burst('burst', 50);
    const four = await runners(worker, 4, 4);
    await worker.said(/"reason":"\d+ runs wait, no runner is free: .* of work, a runner starts in/);
    process.kill(four[0] as number, 'SIGKILL');
    await worker.said(/runner restarted/);
    expect((await runners(worker, 4, 4)).includes(four[0] as number)).toBe(false);
    expect(await statesOf(sent)).toEqual(Array.from({ length: 50 }, () => 'completed'));

    const two = await runners(worker, 2, 4);
    await worker.said(/"runners":3,"was":4,"reason":"fewer than 4 had work at the same time for/);
    await worker.said(/"runners":2,"was":3/);
    await until(async () => ((await workerNamed('burst'))?.concurrency === 2 ? true : undefined));
    // One that dies while idle is replaced, and counted once: the next burst still has room for two.
    process.kill(two[1] as number, 'SIGKILL');
    await until(async () => {
      const now = childrenOf(worker.pid);
      return now.length === 2 && !now.includes(two[1] as number) ? true : undefined;
    });
    const again = burst('burst', 40);
    await runners(worker, 4, 4);
    expect(await statesOf(again)).toEqual(Array.from({ length: 40 }, () => 'completed'));
    expect(await inspectQueue(infer, 'burst')).toMatchObject({
      completed: 90,
      failed: 0,
      waiting: 0,
      active: 0,
    });
    expect(await worker.stop()).toBe(0);
  });

  it('leaves nothing behind when stopped while growing, and returns the jobs it took', async () => {
    const worker = await autoscaled('brief', '6,1');
    const child = burst('brief', 30);
    await worker.said(/"msg":"autoscale"/);
    worker.signal('SIGTERM');
    expect(await worker.exited).toBe(0);
    const client = await redis.client();
    expect(await client.llen(`${bullBase('infer', 'brief')}active`)).toBe(0);
    const next = await autoscaled('brief', '4,1');
    expect(await statesOf(child)).toEqual(Array.from({ length: 30 }, () => 'completed'));
    await next.stop();
  });
});

describe('control set autoscale', { timeout: PATIENCE_MS }, () => {
  it('changes the bounds; concurrency is refused, with the current bounds', async () => {
    const worker = await autoscaled('steered', '3,1');
    expect(await control('steered', 'concurrency', '2')).toMatchObject([
      { state: 'refused', code: 'AUTOSCALED', text: expect.stringContaining('within 3,1') },
    ]);
    expect(await control('steered', 'autoscale', '3,3', '--dry-run')).toMatchObject([
      { state: 'ok', text: 'would set autoscale 3,3, was 3,1' },
    ]);
    expect(childrenOf(worker.pid)).toHaveLength(1);
    expect(await control('steered', 'autoscale', '3,3')).toMatchObject([
      { state: 'ok', text: 'autoscale 3,3, was 3,1' },
    ]);
    await runners(worker, 3, 3);
    await control('steered', 'autoscale', '2,1');
    await runners(worker, 1, 3);
    expect((await workerNamed('steered'))?.autoscale).toEqual({ max: 2, min: 1 });
    // The heartbeat lags by a second.
    await until(async () => {
      const { stdout } = await infer.run(['inspect', 'workers', '-o', 'wide', '-d', 'steered']);
      return stdout.includes('\t1 of 1..2\t') ? true : undefined;
    });
    expect(await worker.stop()).toBe(0);
  });

  it('is refused for a worker without bounds', async () => {
    const worker = await infer.worker(['--name', 'fixed', '-Q', 'fixed', '--models', models]);
    expect(await control('fixed', 'autoscale', '3,1')).toMatchObject([
      { state: 'refused', code: 'NOT_AUTOSCALED', text: 'it was started without --autoscale' },
    ]);
    const bad = await infer.run(['control', 'set', 'fixed', 'autoscale', '1,3']);
    expect([bad.exitCode, bad.stderr]).toEqual([
      2,
      expect.stringContaining('infer control set WORKER autoscale 8,2'),
    ]);
    await worker.stop();
  });
});

describe('flags of worker --autoscale', () => {
  const worker = (...args: string[]) => infer.run(['worker', '--models', models, ...args]);

  it.each([
    [['--autoscale', '2,8'], /'2,8' is not MAX,MIN: .* the most runners first.*\nTry: --autoscale 8,2/],
    [['--autoscale', '0'], /'0' is not MAX,MIN/],
    [['--autoscale', '4,0'], /'4,0' is not MAX,MIN/],
    [['--autoscale', '999,1'], /'999,1' is not MAX,MIN/],
    [['--autoscale', 'many'], /'many' is not MAX,MIN/],
    [['--autoscale', '4,2', '-c', '3'], /say different things/],
    [['--autoscale', '4,2', '--gpu', '0'], /is for runners on the CPU.*\nTry: infer autoscale /],
    [['--autoscale', '4,2', '--require-gpu'], /is for runners on the CPU/],
    [['--autoscale', '4,2', '--provider', 'cuda'], /is for runners on the CPU/],
  ])('that are invalid are rejected with exit 2 and the fix: %j', async (args, words) => {
    const { exitCode, stderr } = await worker(...args);
    expect([exitCode, stderr]).toEqual([2, expect.stringMatching(words)]);
  });

  it('may be replaced by -c, which overrides bounds from the environment', async () => {
    const fixed = await infer.worker(['--name', 'typed', '-Q', 'typed', '--models', models, '-c', '2'], {
      env: { INFER_AUTOSCALE: '4,1' },
    });
    expect(fixed.stderr).toMatch(/runs\s+2 at a time/);
    expect((await workerNamed('typed'))?.autoscale).toBeUndefined();
    await fixed.stop();
  });
});
