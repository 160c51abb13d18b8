import { cpSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT, useInfer } from '../support/cli.js';
import { DIGIT_ROWS } from '../support/digits.js';
import { expectFailure } from '../support/failure.js';
import { hugePng, meanColors } from '../support/image-models.js';
import { writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

const COLORS = { red: '#f01010', green: '#10f010', blue: '#1010f0' };
const image = (background: string) => sharp({ create: { width: 40, height: 30, channels: 3, background } });

const names = Array.from({ length: 64 }, (_, i) => `p${i}`);
const row = (at: number) => DIGIT_ROWS[at] as (typeof DIGIT_ROWS)[number];
const csv = (header: string[], ...rows: unknown[][]) =>
  `${[header, ...rows].map((cells) => cells.join(',')).join('\n')}\n`;
const lines = (file: string) => readFileSync(file, 'utf8').trimEnd().split('\n');
const at = (...parts: string[]) => path.join(infer.dir, ...parts);

beforeAll(async () => {
  const models = at('models');
  writeModel(models, 'colors', meanColors(), {
    task: 'image-classification',
    labels: Object.keys(COLORS),
    scores: 'probabilities',
    preprocess: { size: { shortestEdge: 16 }, crop: 12 },
  });
  for (const folder of ['images/more', 'tables', 'mixed', 'empty'])
    mkdirSync(at(folder), { recursive: true });
  const red = await image(COLORS.red).jpeg().toBuffer();
  infer.file('images/2.jpg', red);
  infer.file('images/10.png', await image(COLORS.green).png().toBuffer());
  infer.file('images/more/1.webp', await image(COLORS.blue).webp().toBuffer());
  infer.file('images/3-huge.png', hugePng());
  infer.file('images/4-cut.jpg', red.subarray(0, -60));
  infer.file('images/.hidden', 'not looked at');
  infer.file('mixed/a.jpg', red);
  infer.file('mixed/rows.csv', 'image\na.jpg\n');
  infer.file('tables/1.csv', csv(['id', ...names], ['a', ...row(0).pixels], ['b', ...row(1).pixels]));
  infer.file('tables/2.csv', csv([...names, 'label', 'id'], [...row(2).pixels, row(2).label, 'c']));
  cpSync(path.join(ROOT, 'models/digits'), at('models/digits'), { recursive: true });
  await infer.worker(['--models', models]);
});

/** A call that writes column `id` of these files with the predictions of digits. */
const scoring = (output: string, ...files: string[]): string[] => [
  'score',
  ...files,
  '-m',
  'digits',
  '-o',
  output,
  '--keep',
  'id',
];

describe('infer submit of a folder of images', () => {
  it('processes the good ones, fails the bad ones alone, and says how many rows each file had', async () => {
    const done = await infer.run(['submit', at('images'), '--model', 'colors', '--wait', '60s', '--json']);
    expect(done.exitCode).toBe(3);
    const { group, files, rowsDone, rows } = done.json<{
      group: string;
      files: { file: string; rows: number }[];
      rowsDone: number;
      rows: number;
    }>();
    expect([rowsDone, rows]).toEqual([3, 5]);
    expect(files.map(({ file, rows: count }) => [path.relative(infer.dir, file), count])).toEqual([
      ['images/2.jpg', 1],
      ['images/3-huge.png', 1],
      ['images/4-cut.jpg', 1],
      ['images/10.png', 1],
      ['images/more/1.webp', 1],
    ]);
    const result = await infer.ask(['result', group]);
    expect(result.rows()).toMatchObject([
      { label: 'red' },
      { error: { code: 'INPUT_IMAGE', message: expect.stringMatching(/40000 x 40000/) } },
      { error: { code: 'INPUT_IMAGE' } },
      { label: 'green' },
      { label: 'blue' },
    ]);
  });

  it('takes patterns and files in the order in which they are named', async () => {
    const words = [at('images/more/1.webp'), at('images/{2.jpg,10.png}')];
    const { stdout } = await infer.run(['submit', ...words, '-m', 'colors', '--wait', '60s', '--quiet']);
    const result = await infer.ask(['result', stdout.trim()]);
    expect(result.rows().map(({ label }) => label)).toEqual(['blue', 'red', 'green']);
  });

  it.each([
    ['mixed', 65, 'INPUT_KINDS', /a\.jpg is an image and .*rows\.csv is a\s+table/, /by\s+itself/],
    ['empty', 66, 'INPUT_MISSING', /there are no files in/, /hidden/],
    ['images/*.tiff', 66, 'INPUT_MISSING', /no file matches/, /pattern/],
  ])('refuses %s', async (word, exitCode, code, message, fix) => {
    const args = ['submit', at(word), '--model', 'colors'];
    await expectFailure(infer, args, { exitCode, code, message, fix });
  });
});

describe('infer score of several files', () => {
  it('says which file a row came from, and joins their columns', async () => {
    const output = at('scored.ndjson');
    const run = await infer.run(['score', at('tables'), '-m', 'digits', '-o', output, '--keep', 'id,label']);
    expect(run.exitCode).toBe(0);
    const rows = lines(output).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows.map((one) => [path.basename(String(one.file)), one.id, one.label ?? null])).toEqual([
      ['1.csv', 'a', null],
      ['1.csv', 'b', null],
      ['2.csv', 'c', String(row(2).label)],
    ]);
    expect(rows.map((one) => one['prediction.class'])).toEqual([0, 1, 2].map((i) => row(i).label));
  });

  it('writes a row for each image, with the error of those that have no result', async () => {
    const output = at('images.csv');
    const run = await infer.run(['score', at('images'), '-m', 'colors', '-o', output]);
    expect(run.exitCode).toBe(3);
    const [header, ...rows] = lines(output).map((line) => line.replaceAll(`${infer.dir}/`, '').split(','));
    expect(header?.[0]).toBe('file');
    const label = header?.indexOf('prediction.label') ?? 0;
    expect(rows.map((cells) => [cells[0], cells[label]])).toEqual([
      ['images/2.jpg', 'red'],
      ['images/3-huge.png', ''],
      ['images/4-cut.jpg', ''],
      ['images/10.png', 'green'],
      ['images/more/1.webp', 'blue'],
    ]);
    const one = at('one.csv');
    await infer.ask(['score', at('images/2.jpg'), '-m', 'colors', '-o', one]);
    expect(lines(one)[1]).toMatch(/images\/2\.jpg,0,/);
  });

  it('does not resume a run of other files, and refuses a column of its own name', async () => {
    const output = at('resumed.csv');
    const args = scoring(output, at('tables/1.csv'), at('tables/2.csv'));
    const cut = await infer.run([...args, '-Q', 'unserved', '--wait', '100ms']);
    expect(cut.exitCode).toBe(75);
    const renamed = at('tables/3.csv');
    infer.file('tables/3.csv', readFileSync(at('tables/2.csv')));
    await expectFailure(
      infer,
      [...args.map((word) => (word === at('tables/2.csv') ? renamed : word)), '--resume'],
      {
        exitCode: 2,
        code: 'RESUME_MISMATCH',
        message: /of another input/,
        fix: /without --resume/,
      },
    );
    unlinkSync(renamed);
    infer.file('with-file.csv', csv(['file', ...names], ['x', ...row(0).pixels]));
    await expectFailure(
      infer,
      ['score', at('with-file.csv'), at('tables'), '-m', 'digits', '-o', at('x.csv')],
      {
        exitCode: 2,
        code: 'OUTPUT_COLUMNS',
        message: /column 'file'/,
        fix: /--drop file/,
      },
    );
  });

  it('does not read what an unfinished run has left in the folder of its output', async () => {
    const folder = at('own');
    cpSync(at('tables'), folder, { recursive: true });
    const output = path.join(folder, 'scored.csv');
    const state = { version: 1, group: 'g-of-before', input: 'x', model: 'digits', modelDigest: 'y' };
    infer.file('own/scored.csv.resume', JSON.stringify(state));
    infer.file('own/scored.csv.part-0b0c3d5e-8a0f-4f0e-9a51-1f6c2d7e8a90', 'half');
    const run = await infer.run(scoring(output, folder));
    expect([run.exitCode, run.stderr]).toEqual([
      0,
      expect.stringContaining('group g-of-before, is left alone'),
    ]);
    expect(lines(output)[0]).toMatch(/^file,id,prediction\.class/);
    await expectFailure(infer, ['score', folder, '-m', 'digits', '-o', output], {
      exitCode: 2,
      code: 'OUTPUT_IS_INPUT',
      message: /is one of the files that are read/,
      fix: 'name another file',
    });
  });

  it('writes columns of the k highest scores', async () => {
    const output = at('top.ndjson');
    await infer.run([...scoring(output, at('tables/1.csv')), '--top-k', '2']);
    const [first] = lines(output).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(first?.['prediction.top_class']).toEqual([row(0).label, expect.any(Number)]);
    expect(first?.['prediction.top_confidence']).toHaveLength(2);
  });

  it('packs an output whose name ends in .gz', async () => {
    const [plain, packed] = [at('plain.csv'), at('packed.csv.gz')];
    for (const output of [plain, packed]) await infer.ask(scoring(output, at('tables')));
    expect(gunzipSync(readFileSync(packed)).toString()).toBe(readFileSync(plain, 'utf8'));
    await expectFailure(infer, ['score', at('tables'), '-m', 'digits', '-o', at('x.parquet.gz')], {
      exitCode: 2,
      code: 'OUTPUT_FORMAT',
      message: /read from its end/,
      fix: /leave out \.gz/,
    });
  });
});
