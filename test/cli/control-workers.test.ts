import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type AuditEntry, readAudit } from '../../src/lib/queue/audit.js';
import { bullBase } from '../../src/lib/queue/keys.js';
import { until, useInfer } from '../support/cli.js';
import { contents } from '../support/contents.js';
import { slow, times, writeModel } from '../support/onnx-builder.js';
import { inspect, inspectQueue, type WorkerRow } from '../support/overview.js';
import { useRedis } from '../support/redis.js';
import { childrenOf, type TestWorker } from '../support/worker.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
let models = '';

interface Answers {
  dryRun: boolean;
  workers: { id: string; name: string; state: string; text: string; code?: string }[];
}

const control = (...args: string[]) => infer.run(['control', ...args]);
const answers = async (...args: string[]) =>
  (await infer.ask(['control', ...args, '--json'])).json<Answers>().workers;
type Running = WorkerRow & { id: string; host: string; concurrency: number; maxBatch: number };
const workerNamed = async (name: string) =>
  (await inspect(infer)).workers.find((worker) => worker.name === name) as Running | undefined;
const audit = async (): Promise<AuditEntry[]> => readAudit(await redis.client(), 'infer', 100);
const lastEntry = async (): Promise<AuditEntry> => (await audit())[0] as AuditEntry;

/** Single jobs without a pause until told to end; then reports how all of them ended. */
const TRAFFIC = `import { InferClient } from 'infer-queue';
  const { MODEL, QUEUE, INPUT, SIDE = '1' } = process.env;
  let over = false, jobs = 0;
  const answers = {}, states = {}, lanes = [];
  process.on('SIGTERM', () => { over = true; });
  const client = await InferClient.connect();
  for (let lane = 0; lane < Number(SIDE); lane++) lanes.push((async () => {
    while (!over) {
      const { state, result, error } = await client.run(JSON.parse(INPUT), { queue: QUEUE, model: MODEL });
      const answer = state === 'completed' ? JSON.stringify(result.y ?? result) : error.code;
      answers[answer] = (answers[answer] ?? 0) + 1;
      states[state] = (states[state] ?? 0) + 1;
      if (jobs++ === 4) console.log('flowing');
    }
  })());
  await Promise.all(lanes);
  await client.close();
  console.log(JSON.stringify({ jobs, states, answers }));`;

interface Traffic {
  jobs: number;
  states: Record<string, number>;
  answers: Record<string, number>;
}

/** Traffic to a queue while `work` runs; returns how all its jobs ended. */
async function during(
  load: { queue: string; model: string; input: object; side?: number },
  work: () => Promise<void>,
): Promise<Traffic> {
  const child = infer.script(TRAFFIC, {
    env: {
      QUEUE: load.queue,
      MODEL: load.model,
      INPUT: JSON.stringify(load.input),
      SIDE: String(load.side ?? 1),
      INFER_MODELS_DIR: models,
    },
  });
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  try {
    await until(async () => (said.includes('flowing') ? true : undefined));
    await work();
    // The change also shows in later jobs.
    const before = await lastAnswered(load.queue);
    await until(async () => ((await lastAnswered(load.queue)) > before + 4 ? true : undefined));
  } finally {
    child.kill('SIGTERM');
  }
  const { stdout, stderr } = await child;
  expect(stderr).toBe('');
  return JSON.parse(String(stdout).trim().split('\n').at(-1) as string) as Traffic;
}

async function lastAnswered(queue: string): Promise<number> {
  const client = await redis.client();
  return client.zcard(`${bullBase('infer', queue)}completed`);
}

const worker = (name: string, ...args: string[]): Promise<TestWorker> =>
  infer.worker(['--name', name, '-Q', name, '--models', models, ...args]);

beforeAll(() => {
  models = path.join(infer.dir, 'models');
  writeModel(models, 'times', times(2));
  writeModel(models, 'slow', slow());
});

describe('control set', () => {
  it('raises and lowers concurrency under load without losing a job', async () => {
    const running = await worker('sized', '--model', 'slow', '--max-batch', '1');
    const traffic = await during(
      { queue: 'sized', model: 'slow', input: { x: [1, 2], turns: [2] }, side: 6 },
      async () => {
        const runners = () => childrenOf(running.pid).length;
        const before = runners();
        expect(await answers('set', 'sized', 'concurrency', '3')).toMatchObject([
          { name: 'sized', state: 'ok', text: 'concurrency 3, was 1' },
        ]);
        expect((await workerNamed('sized'))?.concurrency).toBe(3);
        if (before > 0) expect(runners()).toBe(before + 2);
        expect(await answers('set', 'sized', 'concurrency', '1')).toMatchObject([{ state: 'ok' }]);
        expect((await workerNamed('sized'))?.concurrency).toBe(1);
        if (before > 0) expect(runners()).toBe(before);
      },
    );
    expect(traffic.states).toEqual({ completed: traffic.jobs });
    expect(await inspectQueue(infer, 'sized')).toMatchObject({ failed: 0, waiting: 0, active: 0 });
  });

  it('changes max-batch and log-level at once, and rejects invalid values', async () => {
    const running = await worker('tuned', '--model', 'times');
    expect((await control('set', 'tuned', 'max-batch', '3')).stdout).toBe(
      'WORKER\tSTATE\tANSWER\ntuned\tok\tmax-batch 3\n',
    );
    expect((await workerNamed('tuned'))?.maxBatch).toBe(3);
    await control('set', 'tuned', 'max-batch', 'auto');
    expect((await workerNamed('tuned'))?.maxBatch).toBe(8);
    expect(await answers('set', 'tuned', 'log-level', 'silent')).toMatchObject([
      { text: 'log-level silent, was info' },
    ]);
    // What it said before that has arrived once it answers again.
    await control('set', 'tuned', 'max-batch', '4');
    const length = running.stderr.length;
    await control('set', 'tuned', 'max-batch', '5');
    expect(running.stderr.length).toBe(length);
    for (const [what, value] of [
      ['concurrency', '0'],
      ['max-batch', 'many'],
      ['log-level', 'loud'],
      ['colour', 'blue'],
    ] as const) {
      expect((await control('set', 'tuned', what, value)).exitCode, what).toBe(2);
    }
    expect(await running.stop()).toBe(0);
  });
});

describe('control load and unload', () => {
  it('switch to a new version under traffic without a failed job or a mixed answer', async () => {
    const running = await worker('served', '--model', 'times', '-c', '2');
    const traffic = await during(
      { queue: 'served', model: 'times', input: { x: [1, 2, 3, 4] }, side: 4 },
      async () => {
        writeModel(models, 'times', times(3), undefined, { version: 2 });
        const [answer] = await answers('load', 'served', 'times');
        expect(answer).toMatchObject({
          state: 'ok',
          text: expect.stringMatching(/^serves times version 2 on cpu, was version 1/),
        });
      },
    );
    expect(traffic.states).toEqual({ completed: traffic.jobs });
    expect(Object.keys(traffic.answers).sort()).toEqual(['[2,4,6,8]', '[3,6,9,12]']);
    expect((await workerNamed('served'))?.models).toMatchObject([{ name: 'times', version: 2 }]);
    // A replaced runner starts with the version that is served.
    const [runner] = childrenOf(running.pid);
    if (runner !== undefined) {
      process.kill(runner, 'SIGKILL');
      await running.said(/runner restarted/);
    }
    const after = await infer.run(
      ['submit', '-', '-Q', 'served', '--model', 'times', '--models', models, '--wait', '--json'],
      { stdin: '{"x":[1,1,1,1]}' },
    );
    expect(after.json()).toMatchObject({ state: 'completed', result: { y: [3, 3, 3, 3] } });
    expect(await running.stop()).toBe(0);
  });

  it('run jobs that were validated against the old version on it when the inputs differ', async () => {
    writeModel(models, 'shaped', times(2, 2));
    const running = await worker('shapes', '--model', 'shaped');
    writeModel(models, 'shaped', times(5, 3), undefined, { version: 2 });
    expect(await answers('load', 'shapes', 'shaped@2')).toMatchObject([{ state: 'ok' }]);
    const submit = (x: number[]) =>
      infer.run(['submit', '-', '-Q', 'shapes', '--model', 'shaped', '--wait', '--json'], {
        stdin: JSON.stringify({ x }),
      });
    expect((await submit([1, 1])).exitCode).toBe(65);
    expect((await submit([1, 1, 1])).json()).toMatchObject({ result: { y: [5, 5, 5] } });
    // And back.
    expect(await answers('load', 'shapes', 'shaped@1')).toMatchObject([
      { text: expect.stringMatching(/^serves shaped version 1 on cpu, was version 2/) },
    ]);
    expect((await submit([1, 1])).json()).toMatchObject({ result: { y: [2, 2] } });
    expect(await running.stop()).toBe(0);
  });

  it('change nothing when the version does not load, and the worker says why', async () => {
    writeModel(models, 'broken', times(2));
    await worker('careful', '--model', 'broken');
    writeModel(models, 'broken', Buffer.from('no model'), undefined, { version: 2 });
    const traffic = await during(
      { queue: 'careful', model: 'broken', input: { x: [1, 1, 1, 1] } },
      async () => {
        const run = await control('load', 'careful', 'broken', '--json');
        expect(run.exitCode).toBe(1);
        expect(run.json<Answers>().workers).toMatchObject([
          { state: 'refused', code: 'MODEL_LOAD', text: expect.stringContaining('broken/2/model.onnx') },
        ]);
        expect(await answers('load', 'careful', 'broken@7')).toMatchObject([{ code: 'MODEL_UNKNOWN' }]);
        expect(await answers('load', 'careful', 'nothing')).toMatchObject([{ code: 'MODEL_UNKNOWN' }]);
      },
    );
    expect(traffic.answers).toEqual({ '[2,2,2,2]': traffic.jobs });
    expect((await workerNamed('careful'))?.models).toMatchObject([{ version: 1 }]);
    expect(await lastEntry()).toMatchObject({ action: 'load', target: 'careful', ok: false });
  });

  it('refuse to unload the last version without --force; later jobs wait until it is loaded again', async () => {
    writeModel(models, 'extra', times(7));
    await worker('narrow', '--model', 'times,extra');
    expect(await answers('unload', 'narrow', 'extra', '--yes')).toMatchObject([{ state: 'ok' }]);
    expect((await workerNamed('narrow'))?.models.map(({ name }) => name)).toEqual(['times']);
    const later = await infer.run(
      ['submit', '-', '-Q', 'narrow', '--model', 'extra', '--models', models, '--json'],
      { stdin: '{"x":[1,1,1,1]}' },
    );
    expect(later.stderr).toContain('no worker of queue narrow serves model extra now; the job waits.');
    expect(await answers('unload', 'narrow', 'times', '--yes')).toMatchObject([{ code: 'LAST_MODEL' }]);
    expect(await answers('unload', 'narrow', 'nope', '--yes')).toMatchObject([{ code: 'MODEL_UNKNOWN' }]);
    expect(await answers('unload', 'narrow', 'times', '--yes', '--force')).toMatchObject([{ state: 'ok' }]);
    expect((await workerNamed('narrow'))?.models).toEqual([]);
    // And with one that it did not start with.
    expect(await answers('load', 'narrow', 'extra')).toMatchObject([
      { text: expect.stringMatching(/^serves extra version 1 on cpu, new to it/) },
    ]);
    const { id } = later.json<{ id: string }>();
    const done = await infer.run(['result', id, '--wait', '--json']);
    expect(done.json()).toMatchObject({ state: 'completed', result: { y: [7, 7, 7, 7] } });
  });
});

describe('control drain, stop and restart:', () => {
  it('restart under load keeps the process, loads the new version and loses no job', async () => {
    writeModel(models, 'renewed', times(2));
    const running = await worker('again', '--model', 'renewed');
    const before = await workerNamed('again');
    const traffic = await during(
      { queue: 'again', model: 'renewed', input: { x: [1, 1, 1, 1] }, side: 3 },
      async () => {
        writeModel(models, 'renewed', times(4), undefined, { version: 2 });
        expect(await answers('restart', 'again', '--yes', '--wait')).toMatchObject([
          { state: 'ok', text: expect.stringMatching(/^ready again after/) },
        ]);
      },
    );
    expect(traffic.states).toEqual({ completed: traffic.jobs });
    expect(Object.keys(traffic.answers).sort()).toEqual(['[2,2,2,2]', '[4,4,4,4]']);
    const after = await workerNamed('again');
    expect(after).toMatchObject({ pid: running.pid, models: [{ version: 2 }], state: 'ready' });
    expect(after?.id).not.toBe(before?.id);
    expect(await running.stop()).toBe(0);
  });

  it('restart is refused before anything stops if the worker could not start again', async () => {
    const dir = path.join(infer.dir, 'few');
    writeModel(dir, 'only', times(2));
    const running = await infer.worker([
      '--name',
      'stuck',
      '-Q',
      'stuck',
      '--models',
      dir,
      '--model',
      'only',
    ]);
    rmSync(path.join(dir, 'only'), { recursive: true });
    expect(await answers('restart', 'stuck', '--yes')).toMatchObject([
      { state: 'refused', code: 'MODEL_UNKNOWN' },
    ]);
    expect((await workerNamed('stuck'))?.state).toBe('ready');
    expect(await running.stop()).toBe(0);
  });

  it('drain finishes running jobs, returns waiting ones, and the worker exits 0', async () => {
    // Its runs end when the test allows it.
    const gate = path.join(infer.dir, 'gate');
    const waits = `import { existsSync } from 'node:fs';
      import { setTimeout as delay } from 'node:timers/promises';
      export async function preprocess(row) {
        while (!existsSync(${JSON.stringify(gate)})) await delay(20);
        return { x: row.x };
      }`;
    const handler = { handler: './h.mjs', batchable: false };
    writeModel(models, 'held', times(2), handler, { files: { 'h.mjs': waits } });
    const running = await worker('last', '--model', 'held', '--max-batch', '1');
    const submit = async () =>
      (
        await infer.ask(['submit', '-', '-Q', 'last', '--model', 'held', '--models', models, '--quiet'], {
          stdin: '{"x":[1,1,1,1]}',
        })
      ).stdout.trim();
    const [first, second] = [await submit(), await submit()];
    await until(async () => ((await workerNamed('last'))?.active.length === 1 ? true : undefined));
    expect(await answers('drain', 'last', '--dry-run')).toMatchObject([
      { text: 'would finish 1 job and end' },
    ]);
    const drained = answers('drain', 'last', '--wait');
    await until(async () => ((await workerNamed('last'))?.state === 'draining' ? true : undefined));
    writeFileSync(gate, '');
    expect(await drained).toMatchObject([{ state: 'ok', text: expect.stringMatching(/^ended after/) }]);
    expect(await running.exited).toBe(0);
    const state = async (id: string) => (await infer.ask(['result', id, '--json'])).json().state;
    expect([await state(first), await state(second)]).toEqual(['completed', 'waiting']);
  });

  it('stop returns jobs at once: they run elsewhere, with no attempt counted', async () => {
    const running = await worker('rude', '--model', 'slow');
    const run = await infer.run(
      ['submit', '-', '-Q', 'rude', '--model', 'slow', '--models', models, '--quiet'],
      { stdin: '{"x":[1,2],"turns":[100000]}' },
    );
    await until(async () => ((await workerNamed('rude'))?.active.length === 1 ? true : undefined));
    expect(await answers('stop', 'rude', '--confirm', 'rude', '--wait')).toMatchObject([{ state: 'ok' }]);
    expect(await running.exited).toBe(0);
    const job = await infer.ask(['result', run.stdout.trim(), '--json']);
    expect(job.json()).toMatchObject({ state: 'waiting', attempts: 0 });
  });
});

describe('control --dry-run for workers', () => {
  it('reports what each worker would do, and changes nothing', async () => {
    const running = await worker('dry', '--model', 'times,slow', '-c', '2');
    // Also when this fails: a second try must not find two workers of this name.
    onTestFinished(async () => {
      await running.stop();
    });
    const client = await redis.client();
    // `req:` marks that an order was sent already, and expires; the data mark counts looks; the history is written
    // every ten seconds. Keys of earlier tests' workers expire at any moment.
    const dump = async () => {
      const { id, state, models, concurrency, maxBatch } = (await workerNamed('dry')) as Running;
      return [
        await contents(client, /:(workers|worker:|starting|totals:|work:|stats:|req:|history:|sweep$|data$)/),
        id,
        state,
        models,
        concurrency,
        maxBatch,
      ];
    };
    const before = await dump();
    const version = expect.stringMatching(/^would load times version \d, was version \d$/);
    for (const [args, text] of [
      [['drain', 'dry'], 'would finish 0 jobs and end'],
      [['stop', 'dry'], 'would hand back 0 jobs and end'],
      [['restart', 'dry'], 'would finish 0 jobs and open again'],
      [['set', 'dry', 'concurrency', '5'], 'would set concurrency 5, was 2'],
      [['load', 'dry', 'times'], version],
      [['unload', 'dry', 'slow'], 'would unload slow'],
    ] as const) {
      expect(await answers(...args, '--dry-run'), args[0]).toMatchObject([{ state: 'ok', text }]);
      expect(await dump(), args[0]).toEqual(before);
    }
  });

  it('is suggested in a pipe when an irreversible action lacks consent', async () => {
    const running = await worker('asked', '--model', 'times');
    for (const args of [['stop'], ['restart'], ['unload']] as const) {
      const run = await control(...args, 'asked', ...(args[0] === 'unload' ? ['times'] : []));
      expect(run.exitCode, args[0]).toBe(2);
      expect(run.stderr).toMatch(new RegExp(`Try: \\S*run\\.js control ${args[0]} asked .*--yes`));
    }
    expect((await workerNamed('asked'))?.state).toBe('ready');
    expect(await running.stop()).toBe(0);
  });
});

describe('control targets', () => {
  it('may be a shared name, an id, a host or a pattern; an unmatched one is an error', async () => {
    const twins = await Promise.all([1, 2].map(() => worker('twin', '--model', 'times')));
    expect(await answers('set', 'twin', 'max-batch', '4')).toMatchObject([{ state: 'ok' }, { state: 'ok' }]);
    expect(await answers('set', 'tw?n', 'max-batch', '4')).toHaveLength(2);
    const { id, host } = (await workerNamed('twin')) as Running;
    expect(await answers('set', id, 'max-batch', '4')).toMatchObject([{ id }]);
    expect((await answers('set', host, 'max-batch', '4', '--dry-run')).length).toBeGreaterThanOrEqual(2);
    const unknown = await control('drain', 'twinn');
    expect(unknown.exitCode).toBe(66);
    expect(unknown.stderr).toMatch(/no live worker twinn\nTry: did you mean twin\?/);

    const [hung] = twins as [TestWorker, TestWorker];
    hung.signal('SIGSTOP');
    try {
      const some = await control('set', 'twin', 'max-batch', '6', '-t', '1s');
      expect(some.exitCode).toBe(3);
      expect(some.stdout).toMatch(/twin\tsilent\tno answer within 1 s/);
      const silent = (await answers('set', 'twin', 'max-batch', '6', '-t', '1s')).find(
        (one) => one.state === 'silent',
      );
      const none = await control('set', silent?.id as string, 'max-batch', '6', '-t', '500ms');
      expect(none.exitCode).toBe(69);
      expect(none.stderr).toMatch(/1 worker addressed, and none answered: twin/);
      expect(await lastEntry()).toMatchObject({ action: 'set', ok: false, detail: 'max-batch 6' });
    } finally {
      hung.signal('SIGCONT');
    }
    await Promise.all(twins.map((twin) => twin.stop()));
  });
});
