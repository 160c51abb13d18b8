import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { says, until, useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { useRedis } from '../support/redis.js';
import type { TestWorker } from '../support/worker.js';

/** No worker serves it, so jobs there wait. */
const UNSERVED = 'unserved';

/** A long-lived client: waits for a job and sends a group while the data disappears, and then continues. */
const LONG_LIVED = `
  import { readFileSync } from 'node:fs';
  import { once } from 'node:events';
  import { InferClient } from 'infer-queue';
  const infer = await InferClient.connect();
  const pixels = JSON.parse(readFileSync(${JSON.stringify(ONE_DIGIT)}, 'utf8'));
  const codeOf = (work) => work.then(() => 'none', (error) => error.code);
  const warned = once(process, 'warning');
  const { id } = await infer.submit(pixels, { queue: '${UNSERVED}', id: 'of-my-own' });
  const waits = [infer.wait(id), infer.run(pixels, { queue: '${UNSERVED}' })].map(codeOf);
  let goOn;
  const gone = new Promise((resolve) => { goOn = resolve; });
  async function* rows() {
    for (let row = 0; row < 20000; row++) yield pixels;
    console.error('half way');
    await gone;
    for (let row = 0; row < 20000; row++) yield pixels;
  }
  const group = codeOf(infer.submitRows(rows(), { queue: '${UNSERVED}' }));
  const [warning] = await warned;
  goOn();
  const codes = await Promise.all([...waits, group]);
  const answer = await infer.run(pixels);
  await infer.close();
  console.log(JSON.stringify({ code: warning.code, message: warning.message, codes, state: answer.state }));
`;

describe.each([
  ['FLUSHALL', false],
  ['a restart without a file', true],
])('data lost by %s', (_, restarts) => {
  const redis = useRedis({ port: true });
  const infer = useInfer(redis);
  let worker: TestWorker;
  let lost: { id: string; program: string; wait: number | undefined; waitError: string };
  const problems = async () => {
    const { problems } = (await infer.run(['inspect', '--json'])).json<{
      problems: { code: string; message: string; fix: string }[];
    }>();
    return problems;
  };

  beforeAll(async () => {
    worker = await infer.worker(['--name', 'keeper', '-Q', 'realtime,batch']);
    const { id } = (await infer.run(['submit', ONE_DIGIT, '-Q', UNSERVED, '--json'])).json<{ id: string }>();
    const program = infer.script(LONG_LIVED);
    const waiter = infer.start(['submit', ONE_DIGIT, '-Q', UNSERVED, '--wait', '--json']);
    await says(program, 'half way');
    const before = await redis.client();
    // The job before, two of the program and the waiter's; the group's come on top.
    await until(
      async () => (await before.zcard(`{infer:${UNSERVED}}:${UNSERVED}:prioritized`)) > 4 || undefined,
    );
    await until(async () => (await before.exists('{infer}:data')) === 1 || undefined);
    expect((await problems()).map(({ code }) => code)).not.toContain('DATA_LOST');
    if (restarts) await redis.restart();
    else await before.flushall();
    await worker.said(/Redis lost all data/);
    const [ended, waited] = await Promise.all([program, waiter]);
    lost = {
      id,
      program: `${ended.stdout}${ended.stderr}`,
      wait: waited.exitCode,
      waitError: `${waited.stdout}${waited.stderr}`,
    };
  });

  it('is logged by the worker with its code, once', () => {
    const lines = worker.stderr.split('\n').filter((line) => line.includes('DATA_LOST'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/Redis lost all data between .* UTC/);
  });

  it('warns a client once, whose waits end with JOB_LOST, and which keeps working', () => {
    const answer = lost.program.split('\n').find((line) => line.startsWith('{')) ?? lost.program;
    expect(JSON.parse(answer)).toEqual({
      code: 'DATA_LOST',
      message: expect.stringMatching(/^Redis lost all data/),
      codes: ['JOB_LOST', 'JOB_LOST', 'JOB_LOST'],
      state: 'completed',
    });
  });

  it('ends submit --wait, which says what happened to its job', () => {
    expect(lost.wait, lost.waitError).toBe(66);
    expect(lost.waitError).toContain('JOB_LOST');
  });

  it('is among the problems of inspect, which still knows the worker and its queues', async () => {
    const found = (await problems()).find(({ code }) => code === 'DATA_LOST');
    expect(found?.message).toMatch(/^Redis lost all data .* ago, between .* UTC: jobs, groups and results/);
    expect(found?.fix).toContain('submit that work again');
    const seen = (await infer.run(['inspect', '--json'])).json<{
      queues: { name: string }[];
      workers: { name: string }[];
    }>();
    expect(seen.workers).toMatchObject([{ name: 'keeper' }]);
    // Those of the worker, and the one that only the client uses.
    expect(seen.queues.map(({ name }) => name)).toEqual(['batch', 'realtime', UNSERVED]);
  });

  it('is reported by doctor', async () => {
    const doctor = await infer.run(['doctor', 'redis-data', '--json']);
    expect(doctor.stdout).toMatch(/"redis-data"[^}]*Redis lost all data/s);
  });

  it('does not stop a client without models from submitting, or from detecting a duplicate id', async () => {
    const none = path.join(infer.dir, 'none');
    mkdirSync(none, { recursive: true });
    const submit = (queue: string) =>
      infer.run(['submit', ONE_DIGIT, '-m', 'digits', '-Q', queue, '--id', 'taken-1', '--json'], {
        env: { INFER_MODELS_DIR: none },
      });
    expect((await submit('realtime')).exitCode).toBe(0);
    expect((await submit('batch')).json()).toMatchObject({ error: { code: 'ID_TAKEN' } });
  });

  it('makes earlier ids JOB_LOST, and leaves ids that never existed unknown', async () => {
    for (const words of [['result'], ['cancel'], ['inspect', 'job']]) {
      const { exitCode, stdout, stderr } = await infer.run([...words, lost.id]);
      expect({ exitCode, text: `${stdout}${stderr}` }).toMatchObject({
        exitCode: 66,
        text: expect.stringContaining('is gone: Redis lost all data'),
      });
    }
    expect((await infer.run(['result', 'never-was', '--json'])).json()).toMatchObject({
      error: { code: 'JOB_UNKNOWN' },
    });
  });
});
