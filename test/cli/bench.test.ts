import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { BenchJson, BenchModelJson } from '../../src/lib/bench/reports.js';
import { bullBase } from '../../src/lib/queue/keys.js';
import { says, until, useInfer } from '../support/cli.js';
import { DIGITS_FILE } from '../support/digits.js';
import { blocks, withState, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

const SLOW = { timeout: 120_000 };

describe('infer bench with its own Redis and worker', () => {
  const infer = useInfer();
  /** Temporary directories and sockets of a private set-up are below this. */
  const place = () => ({ env: { TMPDIR: infer.dir } });
  const leftovers = () => readdirSync(infer.dir).filter((name) => /^infer-/.test(name));

  it('measures an idle worker and leaves nothing behind', SLOW, async () => {
    const args = ['bench', '--private', '--scenario', 'idle', '--duration', '1s', '--json'];
    const run = await infer.run(args, { redis: null, ...place() });
    expect(run.stderr).toBe('');
    expect(run.exitCode).toBe(0);
    const bench = run.json<BenchJson>();
    expect(bench).toMatchObject({ model: 'digits', device: 'cpu', redis: { private: true }, workers: 1 });
    expect(bench.rows).toBe('the digits that come with infer');
    const [idle] = bench.results;
    expect(bench.results).toHaveLength(1);
    expect(idle).toMatchObject({ scenario: 'idle', concurrency: 1, errors: 0, meanBatch: 1 });
    expect(idle?.totalMs?.p50).toBeGreaterThan(idle?.runMs?.p50 ?? Number.NaN);
    expect(idle?.samples.count).toBe(idle?.rows);
    expect(leftovers()).toEqual([]);
  });

  it('drains, bulk loads and mixes the requested number of rows, and sweeps', SLOW, async () => {
    const scenarios = ['--scenario', 'drain,bulk,mixed', '--scenario', 'sweep', '--rows', '600'];
    const more = ['--duration', '200ms', '--rate', '20:40:20', '--data', DIGITS_FILE];
    const run = await infer.run(['bench', ...scenarios, ...more], { redis: null, ...place() });
    expect(run.stderr).toContain('No Redis runs: starting a private Redis and worker');
    expect(run.stderr).toContain('sweep: 20 requests a second');
    expect(run.exitCode).toBe(0);
    const lines = run.stdout.trim().split('\n');
    expect(lines[0]).toBe('SCENARIO\tLOAD\tROWS/S\tBATCH\tERRORS\tOF\tP50\tP90\tP99\tP99.9');
    expect(run.stdout).toMatch(/^drain\t600 single rows\t[\d,]+\t[\d.]+\t0\ttotal\t/m);
    expect(run.stdout).toMatch(/^bulk\t600 rows in \d+ chunks\t[\d,]+\t[\d.]+\t0\ttotal of a chunk\t/m);
    expect(run.stdout).toMatch(/^sweep\t20 a second\t/m);
    expect(run.stdout).not.toContain('requests a second');
    expect(run.stderr).toMatch(/Kept up: \d+ requests a second|No rate was kept up/);
    expect(leftovers()).toEqual([]);
  });

  it('says where the time of one row goes, in steps that add up to it', SLOW, async () => {
    const args = ['bench', '--private', '--trace-one', '--rows', '60', '--json'];
    const run = await infer.run(args, { redis: null, ...place() });
    expect(run.stderr).toBe('');
    expect(run.exitCode).toBe(0);
    const { results, trace } = run.json<BenchJson>();
    expect(results).toEqual([]);
    expect((trace?.jobs ?? 0) + (trace?.awake ?? 0)).toBe(60);
    const means = trace?.steps.map(({ meanMs }) => meanMs) ?? [];
    expect(means.reduce((all, ms) => all + ms, 0)).toBeCloseTo(trace?.totalMs.meanMs ?? Number.NaN, 1);
    expect(trace?.steps.find(({ step }) => step === 'run')).toMatchObject({ where: 'runner' });
    expect(leftovers()).toEqual([]);
  });

  it('refuses a load together with --trace-one', async () => {
    const run = await infer.run(['bench', '--trace-one', '--scenario', 'idle'], { redis: null, ...place() });
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain('--trace-one');
  });

  it('exits 1 when p99 exceeds the threshold', SLOW, async () => {
    const args = [
      'bench',
      '--private',
      '-s',
      'idle',
      '--duration',
      '200ms',
      '--latency-threshold',
      '0.001ms',
    ];
    const run = await infer.run(args, { redis: null, ...place() });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain('over --latency-threshold');
  });

  for (const [name, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`leaves nothing behind after ${name}`, SLOW, async () => {
      const args = ['bench', '--private', '--scenario', 'bulk', '--rows', '400000'];
      const child = infer.start(args, { redis: null, ...place() });
      await says(child, 'bulk: a group');
      expect(leftovers()).not.toEqual([]);
      child.kill(name);
      expect((await child).exitCode).toBe(code);
      await until(async () => (leftovers().length === 0 ? true : undefined));
    });
  }
});

describe('infer bench against a running server', () => {
  const redis = useRedis();
  const infer = useInfer(redis);

  it('starts its own worker when none serves the queue, and uses running ones otherwise', SLOW, async () => {
    const args = ['bench', '--scenario', 'mixed', '--rows', '500', '--json'];
    const alone = await infer.run(args, { env: { TMPDIR: infer.dir } });
    expect(alone.json<BenchJson>().redis.private).toBe(true);
    const worker = await infer.worker(['-Q', 'realtime,batch', '--model', 'digits']);
    const run = await infer.run(args);
    expect(run.exitCode).toBe(0);
    const bench = run.json<BenchJson>();
    expect(bench.redis.private).toBe(false);
    expect(bench.results.map((one) => [one.scenario, one.samples.of, one.errors])).toEqual([
      ['mixed', 'rows', 0],
      ['mixed', 'chunks', 0],
    ]);
    const stopped = infer.start(['bench', '--scenario', 'drain', '--rows', '200000']);
    await says(stopped, 'drain: 200,000');
    // As if it were busy: what it has not taken must be withdrawn.
    worker.signal('SIGSTOP');
    await until(async () => ((await waiting()) > 500 ? true : undefined));
    stopped.kill('SIGINT');
    expect((await stopped).exitCode).toBe(130);
    expect(await waiting()).toBe(0);
    worker.signal('SIGCONT');
  });

  async function waiting(): Promise<number> {
    const client = await redis.client();
    return client.zcard(`${bullBase('infer', 'realtime')}prioritized`);
  }

  it('names a server that does not answer and never starts a replacement', async () => {
    const run = await infer.run(['bench', '--redis', 'redis://127.0.0.1:1']);
    expect(run.exitCode).toBe(69);
    expect(run.stderr).toContain('127.0.0.1:1');
  });
});

describe('infer bench with invalid flags', () => {
  const infer = useInfer();

  it.each([
    [['bench', '--scenario', 'all'], 2, /idle/],
    [['bench', '--rate', '5:1'], 2, /ends before it starts/],
    [['bench', '--scenario', 'bulk', '--concurrency', '2'], 2, /is for the scenario idle/],
    [['bench', '--data', 'nowhere.json'], 66, /nowhere\.json/],
    [['bench', 'model'], 2, /missing argument: MODEL/],
    [['bench', 'model', 'digitz'], 66, /did you mean 'digits'/],
    [['bench', 'model', 'digits', '--batch', '0'], 2, /must start above 0/],
  ])('is rejected: %j', async (args, code, message) => {
    const run = await infer.run(args, { redis: null });
    expect(run.stderr).toMatch(message);
    expect(run.exitCode).toBe(code);
  });
});

describe('infer bench model', () => {
  const infer = useInfer();
  let bench: BenchModelJson;

  beforeAll(async () => {
    const args = ['bench', 'model', 'digits', '--threads', '1,2', '--batch', '1,8,64', '--duration', '50ms'];
    const run = await infer.run([...args, '--json'], { redis: null });
    expect(run.stderr).toBe('');
    bench = run.json<BenchModelJson>();
  });

  it('measures each batch size on each number of threads', () => {
    expect(bench).toMatchObject({ model: 'digits', device: 'cpu', batchable: true, latencyTargetMs: 20 });
    const sizes = bench.times.map((time) => [time.threads, time.batch]);
    expect(sizes).toEqual([1, 2].flatMap((threads) => [1, 8, 64].map((batch) => [threads, batch])));
    for (const time of bench.times) {
      expect(time.runs).toBeGreaterThanOrEqual(5);
      expect(time.runMs).toBeGreaterThan(0);
      expect(time.callMs).toBeGreaterThanOrEqual(time.runMs);
    }
    expect(bench.times[0]?.speedUp).toBe(1);
  });

  it('recommends a batch size for which batching the model pays off', () => {
    expect(bench.advice.map((one) => one.threads)).toEqual([1, 2]);
    expect(bench.best.maxBatch).toBeGreaterThanOrEqual(8);
  });

  it('measures a model with open dimensions at a shape that runs, and names the shape', async () => {
    const models = path.join(infer.dir, 'models');
    writeModel(models, 'blocks', blocks(32));
    writeModel(models, 'frames', blocks(400), { inputs: { x: { batchAxis: 0 } } });
    writeModel(models, 'voice', withState(), { inputs: { state: { default: 0 }, sr: { default: 16000 } } });
    const measure = (...args: string[]) =>
      infer.run(['bench', 'model', ...args, '--models', models, '--batch', '1,2', '--duration', '20ms'], {
        redis: null,
      });
    const found = await measure('blocks', '--json');
    expect([found.exitCode, found.json<BenchModelJson>().openShapes]).toEqual([0, { x: [32] }]);
    const named = await measure('blocks', '--shape', 'x=96');
    expect(named.stderr).toContain('blocks on');
    expect(named.stderr).toMatch(/Advised on cpu of x\[96\]: --max-batch \d+/);
    const none = await measure('frames');
    expect([none.exitCode, none.stderr]).toEqual([
      2,
      expect.stringMatching(
        /model 'frames' does not run on generated rows of x\[8\].*\s+Try: --shape x=224, or --data FILE/,
      ),
    ]);
    expect((await measure('frames', '--shape', 'x=800', '--json')).json()).toMatchObject({
      openShapes: { x: [800] },
    });
    expect((await measure('voice', '--json')).json()).toMatchObject({ openShapes: {} });
  });

  it('prints the recommendation as text without --json', async () => {
    const args = ['bench', 'model', 'digits', '--batch', '1,8', '--duration', '20ms'];
    const run = await infer.run(args, { redis: null });
    expect(run.stdout).toMatch(/^THREADS\tBATCH\tRUN\tWITH PIPE\tROWS\/S\tSPEED-UP\tRUNS\tADVISED\n/);
    expect(run.stderr).toMatch(/Advised on cpu: --max-batch \d+/);
    expect(existsSync(path.join(infer.dir, 'state'))).toBe(false);
  });
});
