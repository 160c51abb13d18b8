import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { redirected, until, useInfer } from '../support/cli.js';
import { DIGIT_ROWS } from '../support/digits.js';
import { expectFailure } from '../support/failure.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

const names = Array.from({ length: 64 }, (_, i) => `p${i}`);

/** The test digits as CSV: an id, the pixels, a label. */
function digitsCsv(rows: number): string {
  const lines = Array.from({ length: rows }, (_, at) => {
    const digit = DIGIT_ROWS[at % DIGIT_ROWS.length];
    return [`"row, ${at}"`, ...(digit?.pixels ?? []), digit?.label].join(',');
  });
  return `${[['id', ...names, 'label'].join(','), ...lines].join('\n')}\n`;
}

const lines = (text: string): string[] => text.trimEnd().split('\n');
const left = (): string[] => readdirSync(infer.dir).filter((name) => /\.resume|\.part-/.test(name));

beforeAll(async () => {
  await infer.worker();
});

describe('infer score', () => {
  it('writes every column of the input and the predictions, in the same order, with one command', async () => {
    const file = infer.file('digits.csv', digitsCsv(1000));
    const output = path.join(infer.dir, 'scored.csv');
    const run = await infer.run(['score', file, '--output', output]);
    expect([run.exitCode, run.stdout]).toEqual([0, `${output}\n`]);
    const before = lines(readFileSync(file, 'utf8'));
    const after = lines(readFileSync(output, 'utf8'));
    expect(after).toHaveLength(1001);
    expect(after[0]).toBe(`${before[0]},prediction.class,prediction.confidence,prediction.label,error`);
    let right = 0;
    for (const [at, line] of after.entries()) {
      expect(line.startsWith(`${before[at]},`)).toBe(true);
      const [cls, confidence, label, error] = line.slice((before[at]?.length ?? 0) + 1).split(',');
      if (at > 0) expect([label, error, Number(confidence) > 0]).toEqual([cls, '', true]);
      if (at > 0 && cls === before[at]?.split(',').at(-1)) right += 1;
    }
    expect(right).toBeGreaterThan(900);
    expect(left()).toEqual([]);
  });

  it('writes NDJSON of a table, and a table of NDJSON, with the columns that were asked for', async () => {
    const file = infer.file('some.csv', digitsCsv(3));
    const rows = path.join(infer.dir, 'some.ndjson');
    const summary = (await infer.run(['score', file, '-o', rows, '--keep', 'id,p2,label', '--json'])).json();
    expect(summary).toMatchObject({ rows: 3, rowsFailed: 0, model: 'digits', queue: 'batch', output: rows });
    const [first] = lines(readFileSync(rows, 'utf8')).map(
      (line) => JSON.parse(line) as Record<string, unknown>,
    );
    expect(first).toEqual({
      id: 'row, 0',
      // An input of the model is a number; another column may be a code.
      p2: DIGIT_ROWS[0]?.pixels[2],
      label: String(DIGIT_ROWS[0]?.label),
      'prediction.class': DIGIT_ROWS[0]?.label,
      'prediction.confidence': expect.any(Number),
      'prediction.label': String(DIGIT_ROWS[0]?.label),
      error: null,
    });
    const ndjson = [
      { pixels: DIGIT_ROWS[0]?.pixels, id: 12345678901234567890n, tags: ['a'] },
      { pixels: DIGIT_ROWS[1]?.pixels, note: 'x "y", z' },
    ]
      .map((row) =>
        JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? `big${value}` : value)).replace(
          /"big(\d+)"/,
          '$1',
        ),
      )
      .join('\n');
    const run = await infer.run(['score', '-', '-o', '-', '--output-format', 'tsv', '--drop', 'pixels'], {
      stdin: ndjson,
    });
    expect(lines(run.stdout).map((line) => line.split('\t').slice(0, 4))).toEqual([
      ['id', 'tags', 'note', 'prediction.class'],
      ['12345678901234567890', '"[""a""]"', '', String(DIGIT_ROWS[0]?.label)],
      ['', '', '"x ""y"", z"', String(DIGIT_ROWS[1]?.label)],
    ]);
  });

  it('reads and writes Parquet, with the same predictions', async () => {
    const file = infer.file('p.csv', digitsCsv(300));
    const [parquet, again, csv] = ['p.parquet', 'p2.parquet', 'p2.csv'].map((name) =>
      path.join(infer.dir, name),
    ) as [string, string, string];
    const predictions = ['prediction.class', 'prediction.confidence', 'prediction.label', 'error'].join(',');
    expect((await infer.run(['score', file, '-o', parquet])).exitCode).toBe(0);
    expect((await infer.run(['score', parquet, '-o', again, '--drop', predictions])).exitCode).toBe(0);
    expect((await infer.run(['score', again, '-o', csv, '--drop', predictions])).exitCode).toBe(0);
    const direct = path.join(infer.dir, 'direct.csv');
    expect((await infer.run(['score', file, '-o', direct])).exitCode).toBe(0);
    expect(readFileSync(csv, 'utf8').replaceAll('"', '')).toBe(
      readFileSync(direct, 'utf8').replaceAll('"', ''),
    );
  });

  it('says how to continue when it is interrupted, and does so from the finished group', async () => {
    const file = infer.file('paused.csv', digitsCsv(600));
    const output = path.join(infer.dir, 'paused.ndjson');
    await infer.ask(['control', 'pause', 'paused']);
    const args = ['score', file, '-o', output, '-Q', 'paused'];
    const first = infer.start(args);
    await until(async () => existsSync(`${output}.resume`));
    const { group } = JSON.parse(readFileSync(`${output}.resume`, 'utf8')) as { group: string };
    await until(
      async () => (await infer.ask(['result', group, '--json'])).json<{ closed?: boolean }>().closed === true,
    );
    first.kill('SIGINT');
    const { exitCode, stderr } = await first;
    expect(exitCode).toBe(130);
    expect(stderr).toContain(`Group ${group} is not finished. Continue: `);
    expect(stderr).toContain(`score ${file} -o ${output} -Q paused --resume`);
    await infer.ask(['control', 'resume', 'paused']);
    const worker = await infer.worker(['-Q', 'paused', '--burst']);
    await worker.exited;
    const second = await infer.run([...args, '--resume', '--json']);
    expect(second.json()).toMatchObject({ group, rows: 600, resumed: true });
    expect(lines(readFileSync(output, 'utf8'))).toHaveLength(600);
  });

  it('refuses to continue with another input, and starts over without --resume', async () => {
    const file = infer.file('changing.csv', digitsCsv(2));
    const output = path.join(infer.dir, 'changing-scored.csv');
    const state = { version: 1, group: 'g-of-before', input: 'x', model: 'digits', modelDigest: 'y' };
    writeFileSync(`${output}.resume`, JSON.stringify(state));
    await expectFailure(infer, ['score', file, '-o', output, '--resume'], {
      exitCode: 2,
      code: 'RESUME_MISMATCH',
      message: 'the unfinished run, group g-of-before, was with another model',
      fix: 'start over without --resume',
    });
    const run = await infer.run(['score', file, '-o', output]);
    expect([run.exitCode, run.stderr]).toEqual([
      0,
      expect.stringContaining('group g-of-before, is left alone'),
    ]);
    expect(left()).toEqual([]);
  });

  it('replaces only files: a link is followed, a pipe is written, a directory refused', async () => {
    const file = infer.file('two.csv', digitsCsv(2));
    const real = infer.file('real.csv', 'old\n');
    const link = path.join(infer.dir, 'link.csv');
    symlinkSync(real, link);
    expect((await infer.run(['score', file, '-o', link])).exitCode).toBe(0);
    expect(lines(readFileSync(real, 'utf8'))).toHaveLength(3);
    expect(statSync(link).isFile()).toBe(true);
    const piped = await infer.run(['score', file, '-o', '/dev/fd/1', '--output-format', 'csv']);
    expect(lines(piped.stdout).slice(0, 3)).toHaveLength(3);
    mkdirSync(path.join(infer.dir, 'folder.csv'));
    await expectFailure(infer, ['score', file, '-o', path.join(infer.dir, 'folder.csv')], {
      exitCode: 78,
      code: 'OUTPUT_FILE',
      message: /it is a directory/,
      fix: /name a file in it/,
    });
  });

  it.each([
    [['-o', 'x.txt'], 2, /OUTPUT_FORMAT|the name x\.txt does not say how/],
    [['-o', 'missing/x.csv'], 78, /its directory does not exist/],
    [['-o', 'x.csv', '--drop', 'labl'], 65, /no column 'labl' to drop/],
  ] as [string[], number, RegExp][])(
    'says what is wrong with %j before anything is sent',
    async (flags, exitCode, message) => {
      const file = infer.file('two.csv', digitsCsv(2));
      const run = await infer.ask(['score', file, ...flags], { cwd: infer.dir });
      expect([run.exitCode, run.stderr]).toEqual([exitCode, expect.stringMatching(message)]);
      expect(left()).toEqual([]);
    },
  );

  it('refuses to write to the file that it reads, by whatever name, and leaves it as it is', async () => {
    const content = digitsCsv(2);
    const file = infer.file('own.csv', content);
    const [symbolic, second] = ['own-link.csv', 'own-name.csv'].map((name) => path.join(infer.dir, name)) as [
      string,
      string,
    ];
    symlinkSync(file, symbolic);
    linkSync(file, second);
    for (const output of [file, symbolic, second]) {
      await expectFailure(infer, ['score', file, '-o', output], {
        exitCode: 2,
        code: 'OUTPUT_IS_INPUT',
        message: `${output} is the file that is read`,
        fix: 'name another file',
      });
    }
    for (const [args, streams] of [
      [[file, '-o', '-', '--output-format', 'csv'], `>>"${file}"`],
      [['-', '-o', file], `<"${file}"`],
      [[file, '-o', '/dev/fd/3', '--output-format', 'csv'], `3>>"${file}"`],
    ] as const) {
      const run = await infer.run(['score', ...args], { through: redirected(streams) });
      expect([streams, run.exitCode, run.stderr]).toEqual([
        streams,
        2,
        expect.stringContaining('is the file that is read'),
      ]);
    }
    expect(readFileSync(file, 'utf8')).toBe(content);
    expect(left()).toEqual([]);
  });

  it('refuses an input with a column named as one of the output', async () => {
    const file = infer.file('error.csv', digitsCsv(2).replace('label', 'error'));
    await expectFailure(infer, ['score', file, '-o', path.join(infer.dir, 'x.csv')], {
      exitCode: 2,
      code: 'OUTPUT_COLUMNS',
      message: "the input has a column 'error'",
      fix: '--drop error',
    });
    const scored = path.join(infer.dir, 'scored-once.csv');
    await infer.run(['score', infer.file('once.csv', digitsCsv(2)), '-o', scored]);
    await expectFailure(infer, ['score', scored, '-o', path.join(infer.dir, 'x.csv')], {
      exitCode: 2,
      code: 'OUTPUT_COLUMNS',
      message: "the input has a column 'prediction.class'",
      fix: 'leave them out: --drop prediction.class,prediction.confidence,prediction.label,error',
    });
  });
});
