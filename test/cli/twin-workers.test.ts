import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Started, until, useInfer } from '../support/cli.js';
import { times, writeModel } from '../support/onnx-builder.js';
import { inspect, inspectQueue } from '../support/overview.js';
import { useRedis } from '../support/redis.js';
import { startWorker } from '../support/worker.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const ROW = { stdin: '{"x":[1,1,1,1]}' };
let models: string;
/** The submitter's own copy of a model, which it can read at once. */
let own: string;
let none: string;

/** A handler whose module loads only once a file exists: a model that takes as long to load as a test wants. */
const gated = (gate: string): string => `
  import { existsSync } from 'node:fs';
  import { setTimeout as delay } from 'node:timers/promises';
  while (!existsSync(${JSON.stringify(gate)})) await delay(20);
  export function postprocess(outputs) { return Array.from(outputs.y.data); }
`;

beforeAll(() => {
  models = path.join(infer.dir, 'models');
  own = path.join(infer.dir, 'own');
  none = path.join(infer.dir, 'none');
  mkdirSync(none, { recursive: true });
  writeModel(models, 'quick', times(2));
});

/** A model that loads when `open` is called. */
function slowModel(name: string): { open(): void } {
  const gate = path.join(infer.dir, `${name}.gate`);
  writeModel(own, name, times(3));
  writeModel(models, name, times(3), { handler: './handler.mjs' }, { files: { 'handler.mjs': gated(gate) } });
  return { open: () => void infer.file(`${name}.gate`, '') };
}

const args = (queue: string, model: string, name = `of-${model}`) => [
  ...['worker', '--threads', '1', '-Q', queue, '--models', models, '-m', model, '--name', name],
];

/** Resolves when this many workers of a queue are loading their models. */
const starting = async (queue: string, count: number, prefix = 'infer'): Promise<void> => {
  const client = await redis.client();
  await until(async () => {
    const all = (await client.hvals(`{${prefix}}:starting`)).map(
      (json) => JSON.parse(json) as { queues: string[] },
    );
    return all.filter(({ queues }) => queues.includes(queue)).length === count || undefined;
  });
};

describe('two workers that start in the same second', () => {
  it('do not reject a job while one still loads its model, though the other is ready', async () => {
    const slow = slowModel('slow');
    const first = infer.start(args('twins', 'slow'));
    const second = startWorker(infer.start(args('twins', 'quick')));
    // The submitter knows the model from its own directory, no worker has published it, and the only ready worker does
    // not have it.
    const ready = await second;
    await starting('twins', 1);
    const submit = (...more: string[]) =>
      infer.run(
        ['submit', '-', '-Q', 'twins', '-m', 'slow', '--models', own, '--retries', '0', ...more],
        ROW,
      );
    const gate = await submitWithGate(slow, submit);
    expect(gate.stderr).not.toMatch(/no worker/);
    const answer = await infer.run(['result', gate.id, '--wait', '--json']);
    expect(answer.json()).toMatchObject({ state: 'completed', worker: 'of-slow' });
    expect(await inspectQueue(infer, 'twins')).toMatchObject({ failed: 0, waiting: 0 });
    await starting('twins', 0);
    expect(await Promise.all([ready.stop(), end(first)])).toEqual([0, 0]);
  }, 120_000);

  it('make a submitter without the model wait until one has loaded it', async () => {
    const twin = slowModel('twin');
    // An installation without other models.
    const env = { INFER_PREFIX: 'pair' };
    const row = { ...ROW, env };
    const workers = ['a', 'b'].map((name) => infer.start(args('pair', 'twin', name), { env }));
    await starting('pair', 2, 'pair');
    const submits = [0, 1, 2].map(() =>
      infer.run(['submit', '-', '-Q', 'pair', '-m', 'twin', '--models', none, '--wait', '--json'], row),
    );
    // With no model named: there will be only one.
    const unnamed = infer.run(['submit', '-', '-Q', 'pair', '--models', none, '--wait', '--json'], row);
    const client = await redis.client();
    const asked = async () =>
      Number(/cmdstat_hvals:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
    const before = await asked();
    // They look repeatedly.
    await until(async () => (await asked()) > before + 20 || undefined);
    const { problems } = (await infer.run(['inspect', '--json'], { env })).json<{
      problems: { code: string }[];
    }>();
    expect(problems.map(({ code }) => code)).not.toContain('NO_WORKERS');
    twin.open();
    for (const { exitCode, stdout, stderr } of await Promise.all([...submits, unnamed])) {
      expect(exitCode, `${stdout}${stderr}`).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ state: 'completed', model: 'twin', result: [3, 3, 3, 3] });
    }
    expect(await Promise.all(workers.map(end))).toEqual([0, 0]);
  }, 120_000);

  it('do not delay the error for a model that no worker loads', async () => {
    const run = await infer.run(['submit', '-', '-m', 'nothing', '--models', none, '--json'], ROW);
    expect(run.json()).toMatchObject({ error: { code: 'MODEL_UNKNOWN' } });
  });
});

/** Submits while the model is not loaded, checks what is said about its job, and lets it load. */
async function submitWithGate(
  slow: { open(): void },
  submit: (...more: string[]) => ReturnType<typeof infer.run>,
): Promise<{ id: string; stderr: string }> {
  const { stdout, stderr, exitCode } = await submit('--json');
  expect(exitCode, stderr).toBe(0);
  const { id } = JSON.parse(stdout) as { id: string };
  const client = await redis.client();
  // The ready worker has come across it.
  await until(async () => (await client.exists('{infer:twins}:bymodel:slow')) === 1 || undefined);
  const { problems } = await inspect(infer);
  expect(problems.map(({ code }) => code)).not.toContain('MODEL_NO_WORKER');
  expect(await inspectQueue(infer, 'twins')).toMatchObject({ failed: 0, waiting: 1 });
  const doctor = await infer.run(['doctor', 'queue-served', '--json']);
  expect(doctor.json<{ checks: { id: string }[] }>().checks).toMatchObject([{ status: 'ok' }]);
  slow.open();
  return { id, stderr };
}

/** Stops a worker; returns its exit code. */
async function end(worker: Started): Promise<number | undefined> {
  worker.kill('SIGTERM');
  return (await worker).exitCode;
}
