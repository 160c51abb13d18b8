import { existsSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeAudit } from '../../src/lib/queue/audit.js';
import { auditKey, jobAuditKey } from '../../src/lib/queue/keys.js';
import { aclRules } from '../../src/lib/redis/acl.js';
import { denials, setUser } from '../support/acl.js';
import { type Outcome, until, useInfer } from '../support/cli.js';
import { expectFailure } from '../support/failure.js';
import { doubler, poison, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';
import type { TestWorker } from '../support/worker.js';

/**
 * `throw` fails; `trouble` crashes its runner the first time, hangs the second time until its worker is killed, and
 * answers the third time.
 */
const HANDLER = `
import { existsSync, writeFileSync } from 'node:fs';
export async function preprocess(row) {
  if (row.do === 'throw') throw new Error('no such word');
  if (row.do === 'trouble') {
    const times = [1, 2, 3].find((n) => !existsSync(row.mark + n));
    writeFileSync(row.mark + times, '');
    if (times === 1) process.kill(process.pid, 'SIGSEGV');
    if (times === 2) await new Promise(() => setInterval(() => undefined, 1000));
  }
  return { x: [row.n, row.n, row.n, row.n] };
}`;
const CANARY = 'p4yl04d-c4n4ry';
const PASSWORD = 'l00k-0nly';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
let env: Record<string, string>;
let models = '';
let first: TestWorker;

const startWorker = (name: string) =>
  infer.worker(['--name', name, '--models', models, '-Q', 'work'], { env: { INFER_LOCK_TTL: '1s' } });

const inspect = (...args: string[]): Promise<Outcome> => infer.run(['inspect', ...args], { env });

async function submit(row: object, queue = 'work'): Promise<string> {
  const run = await infer.run(['submit', '-', '--model', 'acts', '-Q', queue, '--quiet'], {
    stdin: JSON.stringify({ n: 1, ...row }),
  });
  return run.stdout.trim();
}

beforeAll(async () => {
  models = path.join(infer.dir, 'models');
  writeModel(models, 'acts', doubler(), { handler: './handler.mjs' }, { files: { 'handler.mjs': HANDLER } });
  writeModel(models, 'poison', poison());
  await setUser(redis, 'looker', PASSWORD, aclRules('inspector', 'infer'));
  env = { INFER_REDIS_URL: `redis://looker:${PASSWORD}@127.0.0.1:${redis.port}` };
  first = await startWorker('one');
});

it('infer inspect job shows the whole timeline of a job that crashed its runner, lost its worker and completed', async () => {
  const mark = path.join(infer.dir, 'mark');
  const id = await submit({ do: 'trouble', mark, secret: CANARY });
  await until(async () => (existsSync(`${mark}2`) ? true : undefined));
  const active = await inspect('active', '--json');
  expect(active.json()).toMatchObject({
    total: 1,
    active: [
      {
        id,
        queue: 'work',
        model: 'acts',
        rows: 1,
        worker: 'one',
        device: 'cpu',
        attempt: 2,
        lockMs: expect.any(Number),
      },
    ],
  });
  const running = await inspect('job', id);
  expect(running.stdout).toMatch(
    /^job \S+ active\n[\s\S]*attempts +2 of 3, 1 failed\n[\s\S]*retried RUNNER_DIED: .*, next try after/,
  );

  first.signal('SIGKILL');
  await first.exited;
  await startWorker('two');
  expect((await infer.run(['result', id, '--wait'])).exitCode).toBe(0);
  const job = (await inspect('job', id, '--json')).json<{ timeline: { events: { event: string }[] } }>();
  expect(job).toMatchObject({
    state: 'completed',
    worker: 'two',
    losses: 1,
    attempts: 3,
    result: { bytes: expect.any(Number) },
  });
  expect(job.timeline.events).toMatchObject([
    { event: 'submitted' },
    { event: 'started', worker: 'one', attempt: 1 },
    { event: 'retried', worker: 'one', code: 'RUNNER_DIED', message: expect.stringContaining('SIGSEGV') },
    { event: 'started', worker: 'one', attempt: 2 },
    { event: 'lost', worker: 'one' },
    { event: 'started', worker: 'two', attempt: 3 },
    { event: 'completed', worker: 'two' },
  ]);
});

it('infer inspect failed shows why jobs failed, which ones, and how to run them again', async () => {
  const ids = [];
  for (let i = 0; i < 3; i++) ids.push(await submit({ do: 'throw', secret: CANARY }));
  for (const id of ids) await infer.run(['result', id, '--wait']);
  const failed = (await inspect('failed', '--json')).json<{ summary: { fix: string }[] }>();
  const [last] = [...ids].reverse();
  expect(failed).toMatchObject({
    summary: [{ code: 'HANDLER_FAILED', jobs: 3, queues: ['work'], example: last }],
    summaryOf: 3,
    total: 3,
    next: null,
    jobs: [...ids].reverse().map((id) => ({ id, error: { code: 'HANDLER_FAILED' }, attempts: 1 })),
  });
  const listed = await inspect('failed', '--error', 'handler_failed', '-o', 'name', '-r');
  expect(listed.stdout).toBe(`${ids.join('\n')}\n`);
  const piped = await inspect('failed', '-n', '1');
  expect(piped.stdout.split('\n')[0]).toBe('ID\tERROR\tQUEUE\tMODEL\tROWS\tTRY\tAGE\tNEEDS');
  expect(piped.stdout.split('\n')).toHaveLength(3);
  expect(piped.stderr).toMatch(/^1 job; 1 of at most 3 were examined\nNext: .* --cursor \S+\n$/);
  expect(piped.stderr).not.toContain(PASSWORD);

  expect(failed.summary[0]?.fix).toBe('infer retry --failed -Q work --error HANDLER_FAILED');
  const retry = (...words: string[]) => infer.run(['retry', '--failed', ...words, '--json']);
  expect((await retry('--error', 'RUNNER_DIED', '-Q', 'work')).json()).toEqual({
    retried: { work: 0 },
    notFailed: [],
    newer: 0,
  });
  expect((await retry('--error', 'HANDLER_FAILED', '--model', 'poison,acts')).json()).toEqual({
    retried: { work: 3 },
    notFailed: [],
    newer: 0,
  });
  for (const id of ids) await infer.run(['result', id, '--wait']);
  const told = (await inspect('job', ids[0] as string, '--json')).json<{
    timeline: { events: { event: string }[] };
  }>();
  expect(told.timeline.events.map(({ event }) => event)).toContain('requeued');
  expect((await inspect('failed', '-o', 'name')).stdout.trim().split('\n')).toHaveLength(3);
  const mistakes: [string[], number, string][] = [
    [['-Q', 'wrok'], 66, 'QUEUE_UNKNOWN'],
    [['-m', 'actz'], 66, 'MODEL_UNKNOWN'],
    [['--older-than', 'ages'], 2, 'FILTER'],
    [[], 2, 'RETRY_QUEUES'],
    [['some-id'], 2, 'RETRY_WHAT'],
  ];
  for (const [words, exitCode, code] of mistakes) {
    const run = await retry(...words);
    expect(run.exitCode).toBe(exitCode);
    expect(run.json()).toMatchObject({ error: { code } });
  }
});

it('infer inspect job shows the input only with --payload, truncated', async () => {
  const id = await submit({ secret: CANARY, long: 'x'.repeat(1000) }, 'unserved');
  const shown: Outcome[] = [];
  for (const words of [
    ['jobs'],
    ['jobs', '-o', 'wide'],
    ['failed', '-o', 'ndjson'],
    ['active'],
    ['job', id],
  ]) {
    shown.push(await inspect(...words), await inspect(...words, '--json'));
  }
  for (const { stdout, stderr, exitCode } of shown) {
    expect(exitCode).toBe(0);
    expect(stdout + stderr).not.toContain(CANARY);
    expect(stdout + stderr).not.toContain(PASSWORD);
  }
  const asked = await inspect('job', id, '--payload');
  expect(asked.stdout).toContain(CANARY);
  expect(asked.stdout.length).toBeLessThan(1500);
  const { payload } = (await inspect('job', id, '--payload', '--json')).json<{ payload: object[] }>();
  expect(payload).toEqual([expect.objectContaining({ type: 'string', shape: [1], cut: false })]);
  const ended = await inspect('jobs', '-s', 'completed', '-o', 'name');
  const gone = await inspect('job', ended.stdout.trim(), '--payload', '--json');
  expect(gone.json()).toMatchObject({ payload: null });
});

it('infer inspect group shows progress, chunks and failures', async () => {
  await infer.worker(['--name', 'poison', '--models', models, '--model', 'poison', '-Q', 'poison']);
  const rows = Array.from({ length: 600 }, (_, i) => JSON.stringify({ index: [i === 10 ? 99 : i % 4] }));
  const run = await infer.run(['submit', '-', '--model', 'poison', '-Q', 'poison', '--quiet', '--wait'], {
    stdin: rows.join('\n'),
  });
  const id = run.stdout.trim().split('\n').at(-1) as string;
  const group = (await inspect('group', id, '--json')).json();
  expect(group).toMatchObject({ state: 'failed', rows: 600, closed: true, etaMs: null });
  const { chunks, failed, jobs, rowsDone } = group as {
    chunks: Record<string, number>;
    failed: { id: string; index: number }[];
    jobs: number;
    rowsDone: number;
  };
  expect(Object.values(chunks).reduce((sum, n) => sum + n, 0)).toBe(jobs);
  expect(chunks).toMatchObject({ failed: 1, completed: jobs - 1 });
  expect(failed).toMatchObject([{ id: `${id}-0`, index: 0 }]);
  expect(rowsDone).toBe(599);
  const text = (await inspect('group', id)).stdout;
  expect(text).toMatch(/rows +599 of 600 done \(99 %\)/);
  expect(text).toContain(`Try: infer retry ${id}`);
  const chunk = await inspect('job', `${id}-0`);
  expect(chunk.stdout).toMatch(new RegExp(`group +${id}, chunk 0`));
});

it('infer inspect audit lists newest entries first, filtered by operator, action and time', async () => {
  const client = await redis.client();
  // Retries of earlier tests.
  await client.del(auditKey('infer'), jobAuditKey('infer'));
  expect((await inspect('audit')).stdout).toBe('WHEN\tWHO\tACTION\tTARGET\tDETAIL\tRESULT\n');
  const what = { target: 'batch', detail: '', count: 1, outcome: 'ok', code: null, result: 'done' } as const;
  const entry = { host: 'h', channel: 'cli', ...what } as const;
  await writeAudit(client, 'infer', { ...entry, who: 'alice', action: 'pause' });
  await writeAudit(client, 'infer', { ...entry, who: 'bo\u001bb', action: 'purge' });
  const all = (await inspect('audit', '--json')).json<{ audit: { who: string }[] }>();
  expect(all.audit.map(({ who }) => who)).toEqual(['bo\u001bb', 'alice']);
  expect((await inspect('audit', '--who', 'alice', '-o', 'name', '--since', '1h')).stdout).toBe(
    'pause batch\n',
  );
  expect((await inspect('audit')).stdout).toContain('\tbo\\x1bb\tpurge\t');
  await expectFailure(infer, ['inspect', 'audit', '--action', 'pauze'], {
    exitCode: 2,
    code: 'FILTER',
    message: "no action 'pauze'",
    fix: 'did you mean pause',
  });
});

it("the inspector's permissions suffice for all of these commands", async () => {
  expect(await denials(redis)).toEqual([]);
});

describe('bad input of infer inspect', () => {
  it.each([
    [['job', 'nobody'], 66, 'JOB_UNKNOWN', 'no job nobody', 'infer submit prints the id'],
    [['job', 'prioritized'], 66, 'JOB_UNKNOWN', 'no job prioritized', 'kept as long as its result'],
    [['group', 'nobody'], 66, 'GROUP_UNKNOWN', 'no group nobody', 'infer submit prints the id'],
    [['jobs', '-Q', 'wrok'], 66, 'QUEUE_UNKNOWN', "no queue is called 'wrok'", 'did you mean work\\?'],
    [['jobs', '-m', 'actz'], 66, 'MODEL_UNKNOWN', "no model is called 'actz'", 'did you mean acts\\?'],
    [['active', '-d', 'twoo'], 66, 'WORKER_UNKNOWN', "no worker is called 'twoo'", 'did you mean two\\?'],
    [['jobs', '-s', 'faild'], 2, 'FILTER', "'faild' is not a state", 'did you mean failed\\?'],
    [['jobs', '-p', '9..1'], 2, 'FILTER', "'9..1' is not a priority", 'a range such as 5..9'],
    [['jobs', '--older-than', 'ages'], 2, 'FILTER', 'ages is not a duration', '--older-than 500ms'],
    [['jobs', '--error', ' '], 2, 'FILTER', '--error needs', '--error TIME_LIMIT'],
    [['jobs', '--cursor', 'x'], 2, 'CURSOR', 'cannot be read', 'leave it out'],
    [['jobs', '--cursor', 'x', '--sort', 'age'], 2, 'CURSOR', 'has one page', '--limit'],
    [['jobs', '-o', 'yaml'], 2, 'USAGE', 'table, wide, json, ndjson, name', '--help'],
    [['jobs', '-n', '0'], 2, 'USAGE', '1', '--help'],
  ] as const)('is rejected with its fix: %j', async (words, exitCode, code, message, fix) => {
    await expectFailure(infer, ['inspect', ...words], {
      exitCode,
      code,
      message: new RegExp(message.replace('..', '\\.\\.')),
      fix: new RegExp(fix),
    });
  });

  it('is answered with the command that the user may not run', async () => {
    await setUser(redis, 'blind', PASSWORD, [...aclRules('inspector', 'infer'), '-lrange']);
    const run = await infer.run(['inspect', 'jobs'], {
      env: { INFER_REDIS_URL: `redis://blind:${PASSWORD}@127.0.0.1:${redis.port}` },
    });
    expect(run).toMatchObject({ exitCode: 77, stdout: '' });
    expect(run.stderr).toMatch(/may not run LRANGE[\s\S]*ACL SETUSER <user> \+lrange/);
  });

  it('does not include a closed pipe, which ends it quietly', async () => {
    const client = await redis.client();
    for (let i = 0; i < 3000; i++) {
      const id = `many${i}`;
      void client.hset(`{infer:work}:work:${id}`, {
        name: 'acts#1',
        timestamp: 1,
        priority: 1,
        st: 'expired',
        finishedOn: 2,
      });
      void client.zadd('{infer:work}:expired', 2, id);
    }
    await client.ping();
    const child = infer.start(['inspect', 'jobs', '-s', 'expired', '-o', 'ndjson', '-n', '10000'], { env });
    child.stdout?.once('data', () => child.stdout?.destroy());
    const { exitCode, stderr } = await child;
    expect([exitCode, String(stderr)]).toEqual([0, '']);
  });
});
