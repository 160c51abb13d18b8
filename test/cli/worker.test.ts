import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { bullBase } from '../../src/lib/queue/keys.js';
import { until, useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { adder, doubler, slow, writeModel } from '../support/onnx-builder.js';
import { inspect, inspectQueue } from '../support/overview.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
/** From here on a second signal counts; sooner, it is taken as the same key press. */
const SECOND_PRESS_MS = 300;
let models = '';

const submitDigit = async (queue: string): Promise<string> => {
  const run = await infer.run(['submit', ONE_DIGIT, '--quiet', '--model', 'digits', '-Q', queue]);
  return run.stdout.trim();
};
/** A job whose run takes about `turns` times 5 ms. */
const submitSlow = async (queue: string, turns: number): Promise<string> => {
  const stdin = JSON.stringify({ x: [1, 2], turns: [turns] });
  const where = ['-Q', queue, '--models', models, '--model', 'slow'];
  return (await infer.run(['submit', '-', '--quiet', ...where], { stdin })).stdout.trim();
};
const stateOf = async (id: string) =>
  (await infer.run(['result', id, '--json'])).json<{ state: string; attempts: number; worker: string }>();
const workerNamed = async (name: string) =>
  (await inspect(infer)).workers.find((worker) => worker.name === name);

beforeAll(async () => {
  models = path.join(infer.dir, 'models');
  writeModel(models, 'doubler', doubler());
  writeModel(models, 'adder', adder());
  writeModel(models, 'slow', slow());
  // Used by the last test, when its record should have expired.
  const killed = await infer.worker(['--name', 'killed', '-Q', 'killed', '--model', 'digits']);
  expect(await workerNamed('killed')).toMatchObject({ state: 'ready', pid: killed.pid });
  killed.signal('SIGKILL');
  await killed.exited;
});

describe("infer worker's banner", () => {
  it('shows Redis, queues in order, model, device and batches', async () => {
    const worker = await infer.worker(['--name', 'banner', '-Q', 'b,a', '--max-batch', '8']);
    expect(worker.stderr).toMatch(/infer worker banner v\d/);
    expect(worker.stderr).toMatch(new RegExp(`redis\\s+${redis.url}\n`));
    expect(worker.stderr).toMatch(/queues\s+b, then a\n/);
    expect(worker.stderr).toMatch(/models\s+digits@1\s+pixels float32\[batch,64\]/);
    expect(worker.stderr).toMatch(/device\s+cpu/);
    expect(worker.stderr).toMatch(/batches\s+up to 8 rows/);
    expect(await workerNamed('banner')).toMatchObject({
      pid: worker.pid,
      device: 'cpu',
      queues: ['b', 'a'],
      models: [{ name: 'digits', version: 1 }],
      state: 'ready',
      active: [],
    });
    expect(await worker.stop()).toBe(0);
    expect(await workerNamed('banner')).toBeUndefined();
  });

  it('treats repeated -Q like -Q with commas, and --model selects from the directory', async () => {
    const args = ['--name', 'few', '-Q', 'a', '-Q', 'b,c', '--models', models];
    const worker = await infer.worker([...args, '--model', 'doubler', '--model', 'adder']);
    expect(worker.stderr).toMatch(/queues\s+a, then b, then c\n/);
    expect((await workerNamed('few'))?.models.map((model) => model.name).sort()).toEqual([
      'adder',
      'doubler',
    ]);
    const run = await infer.run(['submit', '-', '-Q', 'c', '-m', 'doubler', '--wait'], {
      stdin: '[1,2,3,4]',
    });
    expect([run.exitCode, run.json()]).toEqual([0, { y: [3, 5, 7, 9] }]);
    await worker.stop();
  });
});

describe('infer worker that ends on its own', () => {
  it('exits 0 with --burst once its queues are empty, all jobs done', async () => {
    const ids = [await submitDigit('burst'), await submitDigit('burst'), await submitDigit('burst')];
    const worker = await infer.worker(['-Q', 'burst', '--burst', '--name', 'brief', '--model', 'digits']);
    expect(await worker.exited).toBe(0);
    for (const id of ids) expect(await stateOf(id)).toMatchObject({ state: 'completed', worker: 'brief' });
    expect(await inspectQueue(infer, 'burst')).toMatchObject({ waiting: 0, active: 0 });
  });

  it('exits at once with --burst when there is nothing to do', async () => {
    const worker = await infer.worker(['-Q', 'burst', '--burst', '--model', 'digits']);
    expect(await worker.exited).toBe(0);
  });

  it('runs two of four jobs with --max-jobs 2, leaving two waiting and none active', async () => {
    for (const _ of [1, 2, 3, 4]) await submitDigit('max');
    const worker = await infer.worker([
      '-Q',
      'max',
      '--max-jobs',
      '2',
      '--max-batch',
      '1',
      '--model',
      'digits',
    ]);
    expect(await worker.exited).toBe(0);
    expect(await inspectQueue(infer, 'max')).toMatchObject({ waiting: 2, active: 0, completed: 2 });
  });
});

describe('infer worker on a signal', () => {
  const slowWorker = (queue: string) =>
    infer.worker(['-Q', queue, '--name', queue, '--models', models, '--model', 'slow', '--max-batch', '1']);
  /** Asks Redis directly: a command would take longer than the state lasts. */
  const running = async (queue: string): Promise<void> => {
    const client = await redis.client();
    await until(async () =>
      (await client.llen(`${bullBase('infer', queue)}active`)) > 0 ? true : undefined,
    );
    expect((await inspectQueue(infer, queue)).active).toBeGreaterThan(0);
  };

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'finishes the running job and returns waiting ones: %s',
    async (signal) => {
      const queue = `drain-${signal}`;
      const first = await submitSlow(queue, 400);
      const second = await submitSlow(queue, 1);
      const worker = await slowWorker(queue);
      await running(queue);
      worker.signal(signal);
      expect(await worker.exited).toBe(0);
      expect(worker.stderr).toContain('stopping: finishing 1 job');
      expect(await stateOf(first)).toMatchObject({ state: 'completed', attempts: 1, worker: queue });
      expect(await stateOf(second)).toMatchObject({ state: 'waiting' });
      expect(await inspectQueue(infer, queue)).toMatchObject({ waiting: 1, active: 0 });
      expect(await workerNamed(queue)).toBeUndefined();
    },
  );

  it('returns the running job to its place at once on a second one, with no attempt counted', async () => {
    const queue = 'leave';
    const id = await submitSlow(queue, 100_000);
    const worker = await slowWorker(queue);
    await running(queue);
    worker.signal('SIGTERM');
    await worker.said(/^stopping:/m);
    await delay(SECOND_PRESS_MS);
    const at = performance.now();
    worker.signal('SIGTERM');
    await worker.exited;
    expect(performance.now() - at).toBeLessThan(25_000);
    expect(await stateOf(id)).toMatchObject({ state: 'waiting', attempts: 0 });
    expect(await inspectQueue(infer, queue)).toMatchObject({ waiting: 1, active: 0 });
    expect(await workerNamed(queue)).toBeUndefined();
    const client = await redis.client();
    expect(await client.keys(`{infer:${queue}}*:lock`)).toEqual([]);
  });
});

it('a killed worker disappears from the register when its heartbeat expires', async () => {
  await until(async () => ((await workerNamed('killed')) === undefined ? true : undefined), 20_000);
  const client = await redis.client();
  expect(await client.keys('*:worker:*')).toEqual([]);
});
