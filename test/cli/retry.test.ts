import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { doubler, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

/** Fails, or runs as long as requested. */
const HANDLER = `
import { setTimeout as delay } from 'node:timers/promises';
export async function preprocess(row) {
  if (row.do === 'throw') throw new Error('no such word');
  if (row.ms) await delay(row.ms);
  return { x: [1, 1, 1, 1] };
}`;

const redis = useRedis();
const infer = useInfer(redis);
const FAILED_MANY = 24;
let failed: string[] = [];

async function submit(row: object, ...more: string[]): Promise<string> {
  const words = ['submit', '-', '--model', 'acts', '-Q', 'work', '--quiet', ...more];
  return (await infer.run(words, { stdin: JSON.stringify(row) })).stdout.trim();
}

beforeAll(async () => {
  const models = path.join(infer.dir, 'models');
  writeModel(models, 'acts', doubler(), { handler: './handler.mjs' }, { files: { 'handler.mjs': HANDLER } });
  await infer.worker(['--models', models, '-Q', 'work,bulk']);
  const rows = Array.from({ length: FAILED_MANY }, () => JSON.stringify({ do: 'throw' })).join('\n');
  // Rows of a group fail as one job, so these are separate jobs.
  failed = await Promise.all(
    rows
      .split('\n')
      .slice(0, 3)
      .map((row) => submit(JSON.parse(row) as object)),
  );
  for (const id of failed) await infer.run(['result', id, '--wait']);
});

const stateOf = async (id: string) =>
  (await infer.run(['inspect', 'job', id, '--json'])).json<{ state: string; timeLimitMs: number | null }>();

describe('infer retry --dry-run', () => {
  it('counts and lists the jobs that would be retried, and changes nothing', async () => {
    const run = await infer.run(['retry', '--failed', '-Q', 'work', '--dry-run']);
    expect(run).toMatchObject({ exitCode: 0, stderr: 'dry run: nothing was changed\n' });
    const [head, blank, titles, ...rows] = run.stdout.trimEnd().split('\n');
    expect([head, blank]).toEqual(['would run 3 failed jobs again: work 3', '']);
    expect(titles).toMatch(/^ID\tERROR\tQUEUE\tMODEL/);
    expect(rows.map((row) => row.split('\t')[0]).sort()).toEqual([...failed].sort());
    for (const id of failed) expect((await stateOf(id)).state).toBe('failed');
  });

  it('prints JSON with the same counts as the retry, and the jobs', async () => {
    const run = await infer.run(['retry', '--failed', '--error', 'HANDLER_FAILED', '--dry-run', '--json']);
    expect(run.json()).toMatchObject({ retried: { work: 3 }, notFailed: [], dryRun: true });
    expect(
      run
        .json<{ jobs: { id: string }[] }>()
        .jobs.map(({ id }) => id)
        .sort(),
    ).toEqual([...failed].sort());
  });

  it('names a bounded number of jobs and counts all', async () => {
    const ids = await infer.run(['submit', '-', '-m', 'acts', '-Q', 'bulk', '--retries', '0', '--json'], {
      stdin: JSON.stringify({ do: 'throw' }),
    });
    expect(ids.exitCode).toBe(0);
    const more = Array.from({ length: FAILED_MANY - 1 }, () => ({ do: 'throw' }));
    const source = `
      import { InferClient } from 'infer-queue';
      const infer = await InferClient.connect();
      const jobs = await Promise.all(${JSON.stringify(more)}.map((row) => infer.submit(row, { model: 'acts', queue: 'bulk' })));
      for (const { id } of jobs) await infer.wait(id, { timeoutMs: 20000 });
      await infer.close();`;
    await infer.script(source);
    const run = await infer.run(['retry', '--failed', '-Q', 'bulk', '--dry-run']);
    const lines = run.stdout.trimEnd().split('\n');
    expect(lines[0]).toBe(`would run ${FAILED_MANY} failed jobs again: bulk ${FAILED_MANY}`);
    expect(lines.at(-1)).toBe(`and ${FAILED_MANY - 20} more: infer inspect failed`);
    expect(lines).toHaveLength(1 + 1 + 1 + 20 + 1);
  });

  it('exits 1 for a job that has not failed, 66 for an unknown one', async () => {
    const id = await submit({ ms: 1 });
    await infer.run(['result', id, '--wait']);
    const run = await infer.run(['retry', id, '--dry-run', '--json']);
    expect(run).toMatchObject({ exitCode: 1 });
    expect(run.json()).toMatchObject({ retried: { work: 0 }, notFailed: [id], code: 'NOT_FAILED', jobs: [] });
    expect((await infer.run(['retry', 'nosuch', '--dry-run'])).exitCode).toBe(66);
  });

  it('accepts an id or --failed, not both', async () => {
    expect(await infer.run(['retry', failed[0] as string, '--failed'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/^Error: give either an id or --failed, not both\nTry: infer retry /),
    });
  });
});

describe('infer retry --time-limit', () => {
  it('sets a new limit for a job that timed out, which then completes', async () => {
    const id = await submit({ ms: 1500 }, '--time-limit', '300ms', '--retries', '0');
    expect((await infer.run(['result', id, '--wait', '--json'])).json()).toMatchObject({
      state: 'failed',
      error: { code: 'TIME_LIMIT' },
    });
    // The variable applies to new jobs.
    const env = { INFER_TIME_LIMIT: '5ms' };
    const foreseen = await infer.run(['retry', id, '--dry-run', '--time-limit', '1m'], { env });
    expect(foreseen.stdout).toMatch(/^would run 1 failed job again, with a time limit of 1m( 0s)?: work 1\n/);
    expect((await stateOf(id)).timeLimitMs).toBe(300);
    const run = await infer.run(['retry', id, '--time-limit', '1m'], { env });
    expect(run).toMatchObject({ exitCode: 0, stdout: '1 job waiting again\n' });
    const result = await infer.run(['result', id, '--wait', '--json']);
    expect(result.json()).toMatchObject({ state: 'completed' });
    expect((await stateOf(id)).timeLimitMs).toBe(60_000);
  });

  it("keeps the job's limit without the flag, whatever the environment says", async () => {
    const id = await submit({ do: 'throw' }, '--time-limit', '40s');
    await infer.run(['result', id, '--wait']);
    await infer.run(['retry', id], { env: { INFER_TIME_LIMIT: '5ms' } });
    expect((await stateOf(id)).timeLimitMs).toBe(40_000);
  });

  it('works the same in the library', async () => {
    const id = await submit({ ms: 1500 }, '--time-limit', '300ms', '--retries', '0');
    await infer.run(['result', id, '--wait']);
    const program = infer.script(`
      import { InferClient } from 'infer-queue';
      const infer = await InferClient.connect();
      const bad = await infer.retry('${id}', { timeLimitMs: 0 }).catch((error) => error.code);
      const again = await infer.retry('${id}', { timeLimitMs: 60_000 });
      const { state } = await infer.wait('${id}', { timeoutMs: 20_000 });
      console.log(JSON.stringify([bad, again, state]));
      await infer.close();`);
    const { stdout } = await program;
    expect(JSON.parse(String(stdout))).toEqual([
      'TIME_LIMIT_RANGE',
      { queue: 'work', count: 1 },
      'completed',
    ]);
  });
});
