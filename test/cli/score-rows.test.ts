import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../support/cli.js';
import { poison, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

/** Notes every row that it gets, refuses the bad ones, and takes 2 ms for each. */
const handler = (log: string) => `
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
export async function preprocess(row) {
  appendFileSync(${JSON.stringify(log)}, row.n + '\\n');
  await sleep(2);
  if (row.bad === 'yes') throw new Error('no picture');
  return { index: [row.n % 4] };
}`;
let log = '';

beforeAll(async () => {
  const models = path.join(infer.dir, 'models');
  log = path.join(infer.dir, 'rows.log');
  writeModel(models, 'noted', poison(), { handler: './h.mjs' }, { files: { 'h.mjs': handler(log) } });
  await infer.worker(['--models', models]);
});

const lines = (file: string): string[] => readFileSync(file, 'utf8').trimEnd().split('\n');

describe('infer score with rows that fail', () => {
  it.each([
    ['some', (at: number) => at % 4 === 1, 3],
    ['all', () => true, 1],
  ] as [string, (at: number) => boolean, number][])(
    'writes why, row by row, and ends with its code: %s',
    async (name, isBad, exitCode) => {
      const rows = Array.from({ length: 40 }, (_, at) => `${at},${isBad(at) ? 'yes' : 'no'}`);
      const file = infer.file(`${name}.csv`, `n,bad\n${rows.join('\n')}\n`);
      const output = path.join(infer.dir, `${name}-scored.csv`);
      const run = await infer.run(['score', file, '-o', output, '-m', 'noted']);
      const failed = rows.filter((_, at) => isBad(at)).length;
      expect([run.exitCode, run.stderr]).toEqual([
        exitCode,
        expect.stringContaining(`${failed} of 40 rows have no result, the first is row`),
      ]);
      expect(lines(output)).toEqual([
        'n,bad,prediction.y,error',
        ...rows.map((row, at) =>
          isBad(at)
            ? expect.stringMatching(new RegExp(`^${row},,"?[A-Z_]+: .*no picture`))
            : `${row},[${((at % 4) + 1) * 10}],`,
        ),
      ]);
    },
  );
});

describe('infer score --resume', () => {
  it('continues after the client was killed, and runs no row twice', async () => {
    const rows = 3000;
    const text = Array.from({ length: rows }, (_, at) => `${at + 1_000_000},no`).join('\n');
    const file = infer.file('many.csv', `n,bad\n${text}\n`);
    const output = path.join(infer.dir, 'many-scored.csv');
    const args = ['score', file, '--output', output, '-m', 'noted', '--json'];
    const first = infer.start(args);
    const state = `${output}.resume`;
    await until(async () => existsSync(state));
    const { group } = JSON.parse(readFileSync(state, 'utf8')) as { group: string };
    // Some rows have run, not all.
    await until(async () => existsSync(log) && lines(log).some((line) => Number(line) >= 1_000_000));
    first.kill('SIGKILL');
    await first;
    expect(existsSync(output)).toBe(false);
    const second = await infer.run([...args, '--resume']);
    expect(second.json()).toMatchObject({ group, rows, rowsFailed: 0, resumed: true });
    const ran = lines(log)
      .map(Number)
      .filter((n) => n >= 1_000_000);
    expect(ran.toSorted((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, at) => at + 1_000_000));
    const written = lines(output);
    expect([written.length, written.at(-1)]).toEqual([
      rows + 1,
      `1002999,no,[${((1_002_999 % 4) + 1) * 10}],`,
    ]);
    expect(readdirSync(infer.dir).filter((name) => /\.resume|\.part-/.test(name))).toEqual([]);
  });
});
