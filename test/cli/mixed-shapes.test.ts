import { readFileSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { InferClient } from '../../src/lib/client/client.js';
import { ROOT, until, useInfer } from '../support/cli.js';
import { meanOfIds, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);

/** Rows of 1 to 40 ids; in every 97th, one id is beyond the table, which fails its run. */
const ROWS = Array.from({ length: 1500 }, (_, row) =>
  Array.from({ length: 1 + ((row * 31) % 40) }, (_, at) =>
    row % 97 === 50 && at === 0 ? 9 : (row + at) % 4,
  ),
);
const NDJSON = ROWS.map((ids) => `${JSON.stringify({ ids })}\n`).join('');
const bad = (row: number) => row % 97 === 50;
const mean = (ids: readonly number[]) => ids.reduce((sum, id) => sum + 10 * (id + 1), 0) / ids.length;

function check(answers: readonly unknown[]): void {
  expect(answers).toHaveLength(ROWS.length);
  for (const [row, answer] of (answers as { y?: number[]; error?: object }[]).entries()) {
    expect([row, answer.error !== undefined]).toEqual([row, bad(row)]);
    if (!bad(row)) expect(answer.y?.[0]).toBeCloseTo(mean(ROWS[row] as number[]), 4);
  }
}

const submit = (args: string[]) => infer.run(['submit', '-', ...args], { stdin: NDJSON });
let models = '';
let group = { group: '', jobs: 0 };

beforeAll(async () => {
  models = path.join(infer.dir, 'models');
  writeModel(models, 'mean', meanOfIds());
  await infer.worker(['--models', models, '-Q', 'mixed']);
  group = (await submit(['-Q', 'mixed', '--json', '--wait', '20s'])).json();
});

describe('a group of rows of mixed lengths', () => {
  it('makes about as many jobs as there are lengths, not rows', () => {
    expect(group.jobs).toBe(40);
  });

  it('returns results in input order as NDJSON, JSON and in a file; bad rows fail alone', async () => {
    const lines = await infer.run(['result', group.group]);
    expect(lines.exitCode).toBe(3);
    check(lines.rows());
    check((await infer.run(['result', group.group, '--json'])).json<{ results: unknown[] }>().results);
    const file = path.join(infer.dir, 'rows.ndjson');
    await infer.run(['result', group.group, '--output', file]);
    expect(readFileSync(file, 'utf8')).toBe(lines.stdout);
  });

  it('is read in input order through the library', async () => {
    const client = await InferClient.connect({ redis: redis.url });
    try {
      const values: unknown[] = [];
      for await (const chunk of client.groupChunks(await client.group(group.group))) {
        expect(chunk.firstRow).toBe(values.length);
        values.push(...(chunk.values ?? Array.from({ length: chunk.rows }, () => ({ error: chunk.error }))));
      }
      check(values);
    } finally {
      await client.close();
    }
  });

  it('stays one group, with each row once, when resubmitted under its id after its submitter was killed', async () => {
    const args = ['submit', '-', '-Q', 'mixed', '--id', 'nightly', '--models', models];
    // The input does not end: some chunks are queued, others are open.
    const child = execa(process.execPath, ['bin/run.js', ...args], {
      cwd: ROOT,
      env: { ...process.env, INFER_REDIS_URL: redis.url },
      reject: false,
    });
    const repeated = Array.from({ length: 10 }, () => NDJSON.replaceAll('[9', '[0')).join('');
    child.stdin?.write(repeated.slice(0, Math.floor(repeated.length * 0.8)));
    const client = await redis.client();
    await until(async () => ((await client.hget('{infer:mixed}:grp:nightly', 'added')) ?? '') || undefined);
    child.kill('SIGKILL');
    await child;
    const again = await infer.run([...args, '--json', '--wait', '40s'], { stdin: repeated });
    const { jobs, rows } = again.json<{ jobs: number; rows: number }>();
    expect(rows).toBe(10 * ROWS.length);
    const fresh = await infer.run(['submit', '-', '-Q', 'never', '--json', '--models', models], {
      stdin: repeated,
    });
    expect(fresh.json()).toMatchObject({ jobs });
    const answers = (await infer.run(['result', 'nightly'])).rows();
    expect(answers).toHaveLength(10 * ROWS.length);
    for (const [at, answer] of (answers as { y: number[] }[]).entries()) {
      const ids = (ROWS[at % ROWS.length] as number[]).map((id) => id % 9);
      expect(answer.y[0]).toBeCloseTo(mean(ids), 4);
    }
  });

  it('is not continued when another version of infer opened it', async () => {
    const client = await redis.client();
    await client.hset('{infer:mixed}:grp:older', {
      timestamp: Date.now(),
      model: 'mean',
      priority: 0,
      ttl: 60,
    });
    const run = await submit(['-Q', 'mixed', '--id', 'older']);
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain('older was begun by another version of infer');
    expect(run.stderr).toContain('infer cancel older');
  });
});
