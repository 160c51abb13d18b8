import { readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { hits, poison, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

/** Throws for rows that ask for it. */
const HANDLER = `
export function preprocess(row) { if (row.bad) throw new Error('no picture'); return { index: [row.n] }; }`;

beforeAll(async () => {
  const models = path.join(infer.dir, 'models');
  writeModel(models, 'poison', poison());
  writeModel(models, 'picky', poison(), { handler: './h.mjs' }, { files: { 'h.mjs': HANDLER } });
  writeModel(models, 'hits', hits());
  await infer.worker(['--models', models, '-Q', 'batch,realtime']);
});

const lines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

async function submit(model: string, rows: unknown[]) {
  const file = infer.file(`${model}.ndjson`, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const run = await infer.run(['submit', file, '--model', model, '--wait', '1m', '--quiet']);
  const id = run.stdout.trim();
  return { id, exit: run.exitCode, stderr: run.stderr, result: await infer.run(['result', id]) };
}

describe('a file with bad rows', () => {
  const places = {
    'nine at the start': (at: number) => at < 9,
    'nine at the end': (at: number) => at >= 31,
    'one in four': (at: number) => at % 4 === 0,
  };
  const cases = Object.entries(places);

  it.each(cases)('(%s) yields a result for every good row, in input order, and exits 3', async (_, isBad) => {
    const rows = Array.from({ length: 40 }, (_row, at) => ({ index: [isBad(at) ? 99 : at % 4] }));
    const { exit, stderr, result } = await submit('poison', rows);
    expect([exit, result.exitCode]).toEqual([3, 3]);
    const bad = rows.flatMap((_row, at) => (isBad(at) ? [at] : []));
    expect(stderr).toContain(`${bad.length} of 40 rows have no result`);
    expect(result.stderr).toContain(
      `${bad.length} of 40 rows have no result, the first is row ${(bad[0] as number) + 1}`,
    );
    expect(lines(result.stdout)).toEqual(
      rows.map((row, at) =>
        isBad(at)
          ? { error: { code: 'RUN_FAILED', message: expect.stringContaining('indices') } }
          : { y: [((row.index[0] as number) + 1) * 10] },
      ),
    );
  });

  it.each(cases)('rejected by a handler (%s) does the same', async (_, isBad) => {
    const rows = Array.from({ length: 40 }, (_row, at) => (isBad(at) ? { bad: 1 } : { n: at % 4 }));
    const { exit, result } = await submit('picky', rows);
    expect([exit, result.exitCode]).toEqual([3, 3]);
    expect(lines(result.stdout)).toEqual(
      rows.map((row) =>
        'bad' in row
          ? { error: { code: 'HANDLER_FAILED', message: "the model's handler failed: no picture" } }
          : { y: [((row.n as number) + 1) * 10] },
      ),
    );
  });

  it("and no good ones fails with its rows' failure and exits 1", async () => {
    const { id, exit, result } = await submit('picky', [{ bad: 1 }, { bad: 1 }, { bad: 1 }]);
    expect([exit, result.exitCode]).toEqual([1, 1]);
    expect(lines(result.stdout)).toEqual(
      [1, 2, 3].map(() => ({ error: expect.objectContaining({ code: 'HANDLER_FAILED' }) })),
    );
    const job = await infer.run(['result', `${id}-0`, '--json']);
    expect(job.exitCode).toBe(1);
    expect(job.json()).toMatchObject({
      error: {
        code: 'HANDLER_FAILED',
        message: expect.stringContaining('all 3 rows failed, the first with:'),
      },
    });
  });
});

describe('a job with some failed rows', () => {
  it('is returned with its good rows: exit 3, its failure on stderr', async () => {
    const partly = await submit('poison', [{ index: [1] }, { index: [99] }, { index: [0] }]);
    const job = await infer.run(['result', `${partly.id}-0`]);
    expect(job.exitCode).toBe(3);
    expect(JSON.parse(job.stdout)).toEqual([
      { y: [20] },
      { error: expect.objectContaining({ code: 'RUN_FAILED' }) },
      { y: [10] },
    ]);
    expect(job.stderr).toContain('ROWS_FAILED: 1 of 3 rows failed, the first is row 2 (RUN_FAILED)');
    expect((await infer.run(['result', `${partly.id}-0`, '--json'])).json()).toMatchObject({
      state: 'failed',
      rowsDone: 2,
    });
    const file = path.join(infer.dir, 'partly.ndjson');
    expect((await infer.run(['result', `${partly.id}-0`, '--output', file])).exitCode).toBe(3);
    expect(lines(readFileSync(file, 'utf8'))).toEqual(JSON.parse(job.stdout));
  });
});

describe('rows whose outputs differ in shape', () => {
  const rows = [[], [1], [1, 2], [0, 5, 7], [7]];
  const inputs = rows.map((places) => ({
    x: Array.from({ length: 8 }, (_, at) => (places.includes(at) ? 1 : 0)),
  }));
  const answers = rows.map((places) => ({ places: [places] }));

  it('keep their shapes, in NDJSON, in a file and in JSON', async () => {
    const { id, exit, result } = await submit('hits', inputs);
    expect([exit, result.exitCode, lines(result.stdout)]).toEqual([0, 0, answers]);
    const file = path.join(infer.dir, 'hits.ndjson');
    await infer.run(['result', id, '--output', file]);
    expect(lines(readFileSync(file, 'utf8'))).toEqual(answers);
    expect((await infer.run(['result', `${id}-0`, '--json'])).json()).toMatchObject({
      state: 'completed',
      result: answers,
    });
    const shown = await infer.run(['inspect', 'job', `${id}-0`, '--json']);
    expect(shown.json()).toMatchObject({
      state: 'completed',
      rows: 5,
      result: { bytes: expect.any(Number) },
    });
  });

  it('keep their shapes when only one row differs', async () => {
    const { exit, result } = await submit('hits', [inputs[1], inputs[1], inputs[4]]);
    expect([exit, lines(result.stdout)]).toEqual([0, [answers[1], answers[1], answers[4]]]);
  });
});
