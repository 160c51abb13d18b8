import { beforeAll, expect, it } from 'vitest';
import { until, useInfer } from '../support/cli.js';
import { DIGIT_ROWS, ONE_DIGIT } from '../support/digits.js';
import { inspectQueue } from '../support/overview.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const HEAD = `
  import { readFileSync } from 'node:fs';
  import { InferClient, InferError } from 'infer-queue';
  const infer = await InferClient.connect();
  const pixels = JSON.parse(readFileSync(${JSON.stringify(ONE_DIGIT)}, 'utf8'));
  const tell = async (value) => { await infer.close(); console.log(JSON.stringify(value)); };
`;

/** Runs a program that must exit on its own, without `process.exit`, and print only its answer. */
async function program<T>(source: string): Promise<T> {
  const { exitCode, signal, stdout, stderr } = await infer.script(HEAD + source);
  expect({ exitCode, signal, stderr }).toEqual({ exitCode: 0, signal: undefined, stderr: '' });
  return JSON.parse(String(stdout)) as T;
}

beforeAll(async () => {
  await infer.worker(['--name', 'served']);
});

it('submit, wait and result agree, and any client can read the job', async () => {
  const { job, waited, result } = await program<Record<string, Record<string, unknown>>>(`
    const job = await infer.submit(pixels, { priority: 9, id: 'from-library' });
    const waited = await infer.wait(job.id, { timeoutMs: 10_000 });
    await tell({ job, waited, result: await infer.result(job.id) });
  `);
  expect(job).toEqual({ id: 'from-library', queue: 'realtime', priority: 9, model: 'digits', rows: 1 });
  expect(waited).toMatchObject({
    state: 'completed',
    attempts: 1,
    worker: 'served',
    result: { class: DIGIT_ROWS[0]?.label, device: 'cpu' },
  });
  expect(result).toEqual(waited);
  expect((await infer.run(['result', 'from-library', '--json'])).json()).toEqual(waited);
});

it('run resolves to the result, and to an array in input order for many rows', async () => {
  const rows = DIGIT_ROWS.slice(0, 5);
  const { one, many, typed } = await program<Record<string, { result: unknown }>>(`
    const rows = ${JSON.stringify(rows.map((row) => row.pixels))};
    await tell({
      one: await infer.run(pixels),
      many: await infer.run(rows, { queue: 'batch' }),
      typed: await infer.run(Float32Array.from(pixels)),
    });
  `);
  expect(one?.result).toMatchObject({ class: rows[0]?.label });
  expect(many?.result).toMatchObject(rows.map((row) => ({ class: row.label })));
  expect(typed?.result).toEqual(one?.result);
});

it('50 concurrent runs on one client use two Redis connections', async () => {
  const { classes, clients } = await program<{ classes: number[]; clients: string }>(`
    const before = await infer.redis.client('LIST');
    const runs = Promise.all(Array.from({ length: 50 }, () => infer.run(pixels)));
    await infer.run(pixels);
    const clients = await infer.redis.client('LIST');
    const classes = (await runs).map((run) => run.result.class);
    const idOf = (line) => /\\bid=(\\d+)/.exec(line)?.[1];
    const known = new Set(before.trim().split('\\n').map(idOf));
    const added = clients.trim().split('\\n').filter((line) => !known.has(idOf(line)));
    await tell({ classes, clients: added.length });
  `);
  expect(classes).toEqual(Array(50).fill(DIGIT_ROWS[0]?.label));
  // One for commands, which existed before, and a blocking one for all waits.
  expect(clients).toBe(1);
});

it('close releases every connection', async () => {
  const watcher = await redis.client();
  const count = async () =>
    String(await watcher.client('LIST'))
      .trim()
      .split('\n').length;
  const before = await count();
  await program("await infer.run(pixels); await tell('done');");
  // The server notices a closed connection shortly after its client has exited.
  await until(async () => ((await count()) === before ? true : undefined), 5_000);
});

it('cancel of a waiting job ends its wait, and the job never runs', async () => {
  const { state, waited, again } = await program<{
    state: string;
    waited: Record<string, unknown>;
    again: string;
  }>(`
    const { id } = await infer.submit(pixels, { queue: 'unserved' });
    const waiting = infer.wait(id);
    const state = await infer.cancel(id);
    await tell({ state, waited: await waiting, again: await infer.cancel(id) });
  `);
  expect([state, again]).toEqual(['cancelled', 'cancelled']);
  expect(waited).toMatchObject({ state: 'cancelled' });
  expect(waited).not.toHaveProperty('result');
  expect(await inspectQueue(infer, 'unserved')).toMatchObject({ waiting: 0, active: 0 });
});

it('failures are InferErrors with a code and a hint, and the client stays usable', async () => {
  const { errors, after } = await program<{ errors: unknown[]; after: string }>(`
    const errors = [];
    const attempt = (work) => work.catch((error) =>
      errors.push({ ours: error instanceof InferError, code: error.code, exitCode: error.exitCode, hint: error.hint }));
    await attempt(infer.run([1, 2, 3]));
    await attempt(infer.run(pixels, { model: 'digit' }));
    await attempt(infer.run(pixels, { priority: 10 }));
    await attempt(infer.result('no-such-job'));
    await attempt(infer.submit(pixels, { queue: 'slowly' }).then(({ id }) => infer.wait(id, { timeoutMs: 50 })));
    await tell({ errors, after: (await infer.run(pixels)).state });
  `);
  const like = (code: unknown, exitCode: number) => ({
    ours: true,
    code,
    exitCode,
    hint: expect.any(String),
  });
  expect(errors).toEqual([
    like(expect.stringMatching(/^INPUT_/), 65),
    like('MODEL_UNKNOWN', 66),
    like('PRIORITY_RANGE', 2),
    like('JOB_UNKNOWN', 66),
    like('WAIT_TIMEOUT', 75),
  ]);
  expect(after).toBe('completed');
});
