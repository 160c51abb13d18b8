import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bullBase } from '../../../src/lib/queue/keys.js';
import { beat, listWorkers } from '../../../src/lib/queue/registry.js';
import { ROOT, until, useInfer } from '../../support/cli.js';
import { ONE_DIGIT } from '../../support/digits.js';
import { doubler, writeModel } from '../../support/onnx-builder.js';
import { useRedis } from '../../support/redis.js';
import { childrenOf, lives, type TestWorker } from '../../support/worker.js';
import { examine } from './doctor-kit.js';

const redis = useRedis({ port: true, args: ['--appendonly', 'yes', '--maxmemory', '1gb'] });
const infer = useInfer(redis);
const workers: TestWorker[] = [];
let models = '';

/** Blocks a row until the process ends. */
const ENDLESS = `
let timer;
export async function preprocess() {
  await new Promise(() => { timer = setInterval(() => {}, 1000); });
}`;

beforeAll(() => {
  models = join(infer.dir, 'models');
  cpSync(join(ROOT, 'models'), models, { recursive: true });
  writeModel(
    models,
    'endless',
    doubler(),
    { handler: './handler.mjs' },
    { files: { 'handler.mjs': ENDLESS } },
  );
});

afterEach(async () => {
  for (const worker of workers.splice(0)) {
    const runners = childrenOf(worker.pid);
    worker.signal('SIGKILL');
    await worker.exited;
    await until(async () => (runners.some(lives) ? undefined : true));
  }
  await (await redis.client()).flushall();
});

const look = (...named: string[]) =>
  examine({ INFER_REDIS_URL: redis.url, INFER_MODELS_DIR: models }, named, {
    machine: { host: hostname(), cores: 1 },
    version: '0.1.0',
  });

async function start(args: string[], env: Record<string, string> = {}): Promise<TestWorker> {
  const worker = await infer.worker(['--models', models, ...args], { env });
  workers.push(worker);
  return worker;
}

const submit = (...args: string[]) => infer.run(['submit', ...args, '--models', models, '--json']);
const ENDLESS_ROW = '{"n": 1}';

/** Submits a job that never ends, and waits until it runs. */
async function runEndless(...args: string[]): Promise<string> {
  const file = infer.file('endless.json', ENDLESS_ROW);
  const { id } = (await submit(file, '-m', 'endless', ...args)).json<{ id: string }>();
  const client = await redis.client();
  await until(async () => {
    const all = await listWorkers(client, 'infer');
    return all.some((worker) => worker.active.some((job) => job.id === id)) ? true : undefined;
  });
  return id;
}

describe('the doctor on queues', () => {
  it('fails for a queue with jobs and no worker', async () => {
    await submit(ONE_DIGIT, '-m', 'digits', '-Q', 'lonely');
    const { of, verdict } = await look('queues', 'workers');
    expect(of('queue-served')).toMatchObject({
      status: 'fail',
      found: expect.stringMatching(/^queue lonely: 1 job waits \(.*\) and no worker serves it$/),
      fix: 'infer worker -Q lonely',
    });
    expect(of('worker-beats')).toMatchObject({ status: 'skip', found: 'no worker is running' });
    expect(verdict.ok).toBe(false);
  });

  it('warns about a paused queue', async () => {
    await submit(ONE_DIGIT, '-m', 'digits', '-Q', 'forgotten');
    // As BullMQ's own pause marks it.
    await (await redis.client()).hset(`${bullBase('infer', 'forgotten')}meta`, 'paused', '1');
    expect((await look('queues')).of('queue-paused')).toMatchObject({
      status: 'warn',
      found: expect.stringMatching(/^queue forgotten is paused: 1 job waits \(the oldest for/),
      fix: 'infer control resume forgotten',
    });
  });

  it('reports failed jobs, and nothing while all is well', async () => {
    await start(['-Q', 'realtime', '--model', 'digits,endless']);
    await submit(ONE_DIGIT, '-m', 'digits', '-Q', 'realtime', '--wait');
    const well = await look('queues', 'workers', 'models');
    expect(well.verdict.counts.fail).toBe(0);
    for (const id of ['queue-served', 'queue-paused', 'queue-failed']) expect(well.of(id).status).toBe('ok');
    expect(well.of('worker-versions').status).toBe('ok');
    expect(well.of('worker-clocks').status).toBe('ok');
    expect(well.of('models-changed').status).toBe('ok');
    const file = infer.file('endless.json', ENDLESS_ROW);
    await submit(file, '-m', 'endless', '-Q', 'realtime', '--retries', '0', '--time-limit', '1s', '--wait');
    expect((await look('queues')).of('queue-failed')).toMatchObject({
      status: 'warn',
      fix: 'infer retry --failed -Q realtime',
    });
  });
});

describe('the doctor on workers', () => {
  it('reports a worker that takes no jobs, and later that it is silent', async () => {
    const worker = await start(['-Q', 'realtime', '--model', 'digits', '--name', 'frozen']);
    worker.signal('SIGSTOP');
    await submit(ONE_DIGIT, '-m', 'digits', '-Q', 'realtime');
    const client = await redis.client();
    const first = await look('queues');
    // Its record remains for 15 s, so the queue seems to be served.
    expect(first.of('queue-served').status).toBe('ok');
    expect(first.of('queue-moving')).toMatchObject({
      status: 'fail',
      found: expect.stringMatching(
        /^queue realtime: 1 job waits \(the oldest for .*\) and frozen takes none$/,
      ),
    });
    await until(async () => {
      const [record] = await listWorkers(client, 'infer');
      return record !== undefined && Date.now() - record.beatAt > 5000 ? true : undefined;
    });
    expect((await look('workers')).of('worker-beats')).toMatchObject({
      status: 'fail',
      found: expect.stringMatching(
        new RegExp(`^worker frozen \\(pid ${worker.pid} on .*has been silent for`),
      ),
      fix: expect.stringContaining(`kill -9 ${worker.pid}`),
    });
  });

  it('reports the job of a killed worker as held by none', async () => {
    const worker = await start(['-Q', 'realtime', '--model', 'endless'], { INFER_LOCK_TTL: '1s' });
    const id = await runEndless('-Q', 'realtime');
    worker.signal('SIGKILL');
    await worker.exited;
    const client = await redis.client();
    await until(async () => {
      const locked = await client.exists(`${bullBase('infer', 'realtime')}${id}:lock`);
      return locked === 0 ? true : undefined;
    });
    const alone = (await look('queues')).of('queue-locks');
    expect(alone.found).toBe(`queue realtime: job ${id} is active and held by no worker`);
    // Its worker's record may still exist, so that a worker seems to be about to take the job over.
    expect(['fail', 'warn']).toContain(alone.status);
    await client.del('{infer}:workers');
    expect((await look('queues')).of('queue-locks')).toMatchObject({
      status: 'fail',
      fix: expect.stringContaining('infer worker -Q realtime'),
    });
  });

  it('reports a worker that cannot end a job at its time limit', async () => {
    const env = { INFER_LOCK_TTL: '60s' };
    const worker = await start(['-Q', 'realtime', '--model', 'endless', '--name', 'stuck'], env);
    const id = await runEndless('-Q', 'realtime', '--time-limit', '1500ms');
    worker.signal('SIGSTOP');
    const finding = await until(async () => {
      const { of } = await look('queues');
      return of('queue-limits').status === 'fail' ? of('queue-limits') : undefined;
    });
    expect(finding.found).toMatch(
      new RegExp(
        `^job ${id} of realtime has run for \\S+ s with a limit of 1.5 s: worker stuck does not end it$`,
      ),
    );
    expect(finding.fix).toContain(`kill -9 ${worker.pid}`);
  });

  it('reports a version other than its own, and differing versions', async () => {
    await start(['-Q', 'realtime', '--model', 'digits', '--name', 'now']);
    const own = await examine({ INFER_REDIS_URL: redis.url }, ['workers'], { version: '9.9.9' });
    expect(own.of('worker-versions')).toMatchObject({
      status: 'warn',
      found: 'workers are 0.1.0, this infer is 9.9.9',
    });
    const client = await redis.client();
    const [record] = await listWorkers(client, 'infer');
    if (record === undefined) throw new Error('no heartbeat');
    await beat(client, 'infer', { ...record, id: 'w0', name: 'old', version: '0.0.9', host: 'elsewhere' });
    expect((await look('workers')).of('worker-versions')).toMatchObject({
      status: 'warn',
      found: 'workers are of 2 versions (0.0.9: old; 0.1.0: now), this infer is 0.1.0',
    });
  });

  it('reports a wrong clock', async () => {
    const skewed = 'const now = Date.now; Date.now = () => now() + 30000;';
    await start(['-Q', 'realtime', '--model', 'digits', '--name', 'future'], {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(skewed)}`,
    });
    expect((await look('workers')).of('worker-clocks')).toMatchObject({
      status: 'fail',
      found: expect.stringMatching(
        /^the clock of worker future \(.*\) is (29|30)\S* s ahead of Redis's clock/,
      ),
    });
  });

  it('reports more threads than cores', async () => {
    await start(['-Q', 'realtime', '--model', 'digits', '--concurrency', '2', '--name', 'greedy']);
    expect((await look('workers')).of('worker-cores')).toMatchObject({
      status: 'warn',
      found: '1 worker may keep 2 threads busy, this machine has 1 core',
      details: ['greedy: 2 × 1'],
    });
  });

  it('reports changed model files', async () => {
    await start(['-Q', 'realtime', '--model', 'digits', '--name', 'loaded']);
    const changed = async () => (await look('models')).of('models-changed');
    expect((await changed()).status).toBe('ok');
    const settings = join(models, 'digits', 'model.json');
    writeFileSync(settings, readFileSync(settings, 'utf8').replace('{', '{ "maxBatch": 64,'));
    const differs = await until(async () => {
      const finding = await changed();
      return finding.status === 'ok' ? undefined : finding;
    });
    expect(differs).toMatchObject({
      status: 'warn',
      found: 'worker loaded: model digits@1 is served as it was loaded; model.json changed on disk since',
      fix: expect.stringContaining('infer control load loaded digits'),
    });
    await infer.run(['control', 'load', 'loaded', 'digits']);
    expect((await changed()).status).toBe('ok');
    mkdirSync(join(models, 'digits', '2'), { recursive: true });
    cpSync(join(ROOT, 'models/digits/1/model.onnx'), join(models, 'digits/2/model.onnx'));
    expect((await changed()).found).toContain('version 2 is on disk');
    await infer.run(['control', 'load', 'loaded', 'digits@1']);
    expect((await changed()).status).toBe('ok');
  });
});
