import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { execa } from 'execa';
import { beforeAll, expect, it } from 'vitest';
import { ROOT, redirected, useInfer } from '../support/cli.js';
import { DIGIT_ROWS, DIGITS_FILE, type DigitAnswer, digitLines } from '../support/digits.js';
import { poison, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
/** The digits, ended, and what `result` printed of them. */
let group = '';
let rows = '';

const submitAndWait = async (args: string[], stdin?: string): Promise<string> => {
  const run = await infer.run(['submit', '-', '--quiet', ...args], { stdin: stdin ?? '' });
  await infer.run(['result', run.stdout.trim(), '--wait', '--output', path.join(infer.dir, 'waited')]);
  return run.stdout.trim();
};

beforeAll(async () => {
  const models = path.join(infer.dir, 'models');
  writeModel(models, 'poison', poison());
  await infer.worker(['--name', 'digits']);
  await infer.worker(['--name', 'poison', '--models', models, '-Q', 'poison']);
  const submitted = await infer.run(['submit', DIGITS_FILE, '--wait', '1m', '--model', 'digits']);
  group = submitted.stdout.trim();
  expect([submitted.exitCode, group]).toEqual([0, expect.stringMatching(/^g[0-9a-z]{25}$/)]);
  rows = (await infer.run(['result', group])).stdout;
});

it('infer result of a group prints one NDJSON line per row, in input order, with correct answers', () => {
  const answers = rows
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as DigitAnswer);
  expect(answers).toHaveLength(397);
  const right = answers.filter((answer, at) => answer.class === DIGIT_ROWS[at]?.label).length;
  expect(((100 * right) / 397).toFixed(2)).toBe('98.99');
  expect(answers.every((answer) => answer.device === 'cpu' && answer.label === String(answer.class))).toBe(
    true,
  );
});

it('infer result --output FILE writes the same lines, all or nothing', async () => {
  const file = infer.file('results.ndjson', 'old\n');
  const unknown = await infer.run(['result', 'no-such-group', '--output', file]);
  expect([unknown.exitCode, readFileSync(file, 'utf8')]).toEqual([66, 'old\n']);

  const run = await infer.run(['result', group, '--output', file]);
  expect([run.exitCode, run.stdout, run.stderr]).toEqual([0, '', '']);
  expect(readFileSync(file, 'utf8')).toBe(rows);
  expect(readdirSync(infer.dir).filter((name) => name.includes('part'))).toEqual([]);
});

it('infer result exits 3 when some results of a complete group have expired, and 66 when all have', async () => {
  const sent = await submitAndWait(['--model', 'digits'], digitLines(300));
  const client = await redis.client();
  try {
    const [key, ...others] = (await client.call('KEYS', `*:res:${sent}-*`)) as string[];
    expect(others).toHaveLength(1);
    await client.del(key as string);
    const part = await infer.run(['result', sent]);
    expect(part.exitCode).toBe(3);
    const lost = part.stdout.match(/RESULT_EXPIRED/g)?.length ?? 0;
    expect([44, 256]).toContain(lost);
    expect((await infer.run(['result', sent, '--json'])).exitCode).toBe(3);
    await client.del(others);
    expect((await infer.run(['result', sent])).exitCode).toBe(66);
  } finally {
    client.disconnect();
  }
});

it("infer result --output exits 66 when the job's result has expired, and leaves the file unchanged", async () => {
  const job = await submitAndWait(['--model', 'digits'], digitLines(1));
  const client = await redis.client();
  try {
    await client.del((await client.call('KEYS', `*:res:${job}`)) as string[]);
  } finally {
    client.disconnect();
  }
  const file = infer.file('kept.ndjson', 'old\n');
  const run = await infer.run(['result', job, '--output', file]);
  expect([run.exitCode, readFileSync(file, 'utf8')]).toEqual([66, 'old\n']);
});

it('infer result --output into a missing directory is refused (78) and leaves nothing behind', async () => {
  const file = path.join(infer.dir, 'nowhere', 'results.ndjson');
  const run = await infer.run(['result', group, '--output', file]);
  expect(run.exitCode).toBe(78);
  expect(run.stderr).toContain(`cannot write ${file}`);
  expect(existsSync(path.dirname(file))).toBe(false);
});

it('infer result --output - prints the same as a pipe', async () => {
  const run = await infer.run(['result', group, '--output', '-']);
  expect([run.exitCode, run.stdout]).toEqual([0, rows]);
});

it('infer result --json prints the group with its results', async () => {
  const run = await infer.run(['result', group, '--json']);
  expect(run.json()).toMatchObject({
    id: group,
    queue: 'batch',
    model: 'digits',
    state: 'completed',
    rows: 397,
    rowsDone: 397,
    jobsFailed: 0,
    results: rows
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  });
});

it('infer result of an unfinished group reports its progress and exits 75', async () => {
  const submitted = await infer.run(['submit', DIGITS_FILE, '-Q', 'later', '--json', '--model', 'digits']);
  const { group: id } = submitted.json<{ group: string }>();
  expect(submitted.stderr).toContain('infer worker -Q later');
  const run = await infer.run(['result', id]);
  expect(run.exitCode).toBe(75);
  expect(run.stdout).toMatch(/rows done\s+0 of 397/);
  expect(run.stderr).toContain(`result ${id} --wait`);
  const none = await infer.run(['result', id, '--partial']);
  expect(none.exitCode).toBe(75);
  expect(none.rows<{ error: { code: string } }>().map(({ error }) => error.code)).toEqual(
    Array.from({ length: 397 }, () => 'NOT_ENDED'),
  );
});

it('infer result --partial prints the finished rows of a group whose submitter died; it can be resubmitted or cancelled', async () => {
  const client = await redis.client();
  for (const end of ['submit', 'cancel'] as const) {
    const id = `half-${end}`;
    // Rows keep coming.
    const pipe = path.join(infer.dir, `rows-${end}`);
    await execa('mkfifo', [pipe]);
    const feed = await open(pipe, 'r+');
    const killed = infer.start(['submit', '-', '--id', id, '--model', 'digits'], {
      through: redirected(`<${pipe}`),
    });
    const lines = readFileSync(DIGITS_FILE, 'utf8').trim().split('\n');
    const more = Array.from({ length: 20 }, () => lines).flat();
    await feed.writeFile(`${more.join('\n')}\n`);
    const key = `{infer:batch}:grp:${id}`;
    while (Number((await client.hget(key, 'jc')) ?? 0) < 16) await nextTurn();
    killed.kill('SIGKILL');
    await killed;
    await feed.close();
    for (const field of await client.hkeys(key))
      if (field.startsWith('s:')) await client.hset(key, field, '1');
    const left = await infer.run(['result', id]);
    expect([left.exitCode, left.stdout]).toEqual([75, expect.stringContaining('its submit stopped')]);
    expect(left.stderr).toContain(`infer cancel ${id}`);
    const part = await infer.run(['result', id, '--partial']);
    expect(part.exitCode).toBe(3);
    const answers = part.rows<DigitAnswer>();
    expect(answers.length).toBeGreaterThanOrEqual(16 * 256);
    expect(answers.slice(0, 256).map((answer) => answer.class)).toEqual(
      rows
        .trim()
        .split('\n')
        .slice(0, 256)
        .map((line) => (JSON.parse(line) as DigitAnswer).class),
    );
    if (end === 'submit') {
      const again = await infer.run(['submit', '-', '--id', id, '--model', 'digits', '--wait', '1m'], {
        stdin: more.join('\n'),
      });
      expect(again.exitCode).toBe(0);
      expect((await infer.run(['result', id])).rows()).toHaveLength(more.length);
    } else {
      expect((await infer.run(['cancel', id])).exitCode).toBe(0);
      const ended = await infer.run(['result', id, '--json']);
      expect([ended.exitCode, ended.json()]).toEqual([3, expect.objectContaining({ state: 'cancelled' })]);
      const refused = await infer.run(['submit', '-', '--id', id, '--model', 'digits'], {
        stdin: more.join('\n'),
      });
      expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('was cancelled')]);
    }
  }
});

it('a failed chunk costs only its own rows: exit 3, the others in their places', async () => {
  const lines = Array.from({ length: 600 }, (_, at) => JSON.stringify({ index: [at === 10 ? 99 : at % 4] }));
  const id = await submitAndWait(['--model', 'poison', '-Q', 'poison'], lines.join('\n'));
  const run = await infer.run(['result', id]);
  expect(run.exitCode).toBe(3);
  const answers = run.rows<Record<string, unknown>>();
  expect(answers).toHaveLength(600);
  const failed = answers.flatMap((answer, at) => ('error' in answer ? [at] : []));
  expect(failed).toContain(10);
  expect(failed.length).toBeLessThan(600);
  answers.forEach((answer, at) => {
    if ('error' in answer) expect(answer.error).toMatchObject({ code: expect.any(String) });
    else expect(answer).toEqual({ y: [[10, 20, 30, 40][at % 4]] });
  });
});

it('infer result of a group ends quietly when its reader closes the pipe: infer result G | head -1', async () => {
  const id = await submitAndWait(['--model', 'digits'], digitLines(4_000));
  // 4,000 rows exceed a pipe's buffer, so the writer is busy when its reader exits.
  const script = '{ "$NODE" bin/run.js result "$ID"; echo "exit $?" >&2; } | head -1';
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: infer.dir,
    INFER_STATE_DIR: path.join(infer.dir, 'state'),
    INFER_REDIS_URL: redis.url,
    NODE: process.execPath,
    ID: id,
  };
  const run = await execa('sh', ['-c', script], { cwd: ROOT, env, extendEnv: false });
  expect(run.stdout).toBe(rows.split('\n')[0]);
  expect(run.stderr).toBe('exit 0');
});
