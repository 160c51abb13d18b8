import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../support/cli.js';
import * as onnx from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';
import * as models from '../support/row-models.js';
import type { TestWorker } from '../support/worker.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

interface Row {
  x: number[];
}
const rows: Row[] = [
  { x: [1000, 0, 0, 0] },
  { x: [0.1, 0.2, 0.3, 0.4] },
  { x: [-3, 2, 0.5, 7] },
  { x: [5, 5, 5, 6] },
];
const ndjson = (some: readonly object[]) => `${some.map((row) => JSON.stringify(row)).join('\n')}\n`;

/** Results of rows that share one job, in the rows' order. */
async function answersOf(model: string, some: readonly object[]): Promise<Record<string, unknown>[]> {
  const stdin = ndjson(some);
  const submitted = await infer.run(['submit', '-m', model, '--models', dir, '--quiet', '-'], { stdin });
  const result = await infer.run(['result', submitted.stdout.trim(), '--wait', '--json']);
  expect(result.exitCode).toBe(0);
  return [result.json()];
}

/** The same rows, each a job of its own. */
async function answersAlone(model: string, some: readonly object[]): Promise<Record<string, unknown>[]> {
  const all: Record<string, unknown>[] = [];
  for (const row of some) all.push(...(await answersOf(model, [row])));
  return all;
}

/** The values of these outputs, wherever in an answer they are. */
const values = (answers: readonly unknown[], ...names: string[]) =>
  answers.flatMap((answer) =>
    rowsIn(answer, names[0] as string).map((row) => names.map((name) => row[name])),
  );

function rowsIn(value: unknown, name: string): Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Object.hasOwn(value, name)) return [value as Record<string, unknown>];
  return Object.values(value).flatMap((inner) => rowsIn(inner, name));
}

let dir: string;
let worker: TestWorker;

beforeAll(async () => {
  dir = `${infer.dir}/models`;
  onnx.writeModel(dir, 'int8', models.dynamicQuantised());
  onnx.writeModel(dir, 'anchors', models.constantOutput(), {
    inputs: { x: { batchAxis: 0 } },
    outputs: { anchors: { batchAxis: null } },
  });
  onnx.writeModel(dir, 'above', models.mixesAbove(1e6));
  worker = await infer.worker(['--models', dir, '--name', 'w']);
});
afterAll(() => worker?.stop());

describe('a model whose rows mix', () => {
  it('gives a row the same answer alone and in a job with others', async () => {
    const alone = values(await answersAlone('int8', rows), 'y');
    expect(values(await answersOf('int8', rows), 'y')).toEqual(alone);
    // Beside 1000 the range of one step would be 4: nothing of 0.1 were left.
    expect((alone[1] as number[][])[0]?.[0]).toBeCloseTo(0.1, 2);
  });

  it('says why in models, inspect workers and doctor', async () => {
    const listed = await infer.run(['models', '--models', dir, '--json']);
    const { models: found } = listed.json<{
      models: { name: string; batching: object; warnings: string[] }[];
    }>();
    const int8 = found.find(({ name }) => name === 'int8');
    expect(int8?.batching).toMatchObject({ ok: false, reason: 'mixes', found: { output: 'y' } });
    expect(int8?.warnings[0]).toMatch(/^runs one row at a time: output y of a row changes/);
    expect((await infer.run(['inspect', 'workers'])).stdout).toContain('int8@1×1 (rows mix)');
    const doctor = await infer.run(['doctor', 'models-batched', '--models', dir]);
    expect(doctor.stdout).toMatch(/int8@1 runs one row at a time: output y of a row changes/);
  });
});

it('a constant output goes whole to every row', async () => {
  const some = [{ x: [1, 2] }, { x: [3, 4] }, { x: [5, 6] }];
  const anchors = [
    [0, 0],
    [1, 2],
    [4, 8],
  ];
  expect(values(await answersOf('anchors', some), 'y', 'anchors')).toEqual([
    [[-1, -2], anchors],
    [[-3, -4], anchors],
    [[-5, -6], anchors],
  ]);
});

describe('rows that mix as no trial could see', () => {
  const large = rows.map(({ x }, at) => ({ x: x.map((one) => (at === 2 ? one + 2e6 : one)) }));

  it('are found in service: the run is not used, and they run one at a time', async () => {
    const together = values(await answersOf('above', large), 'y');
    await worker.said(/ROWS_MIXED/);
    expect(worker.stderr).toMatch(/rows mixed.*output y of a row changes/);
    expect(together).toEqual(values(await answersAlone('above', large), 'y'));
  });

  it('are a problem in inspect, doctor and metrics', async () => {
    await until(async () => {
      const { problems } = (await infer.run(['inspect', '--json'])).json<{ problems: { code: string }[] }>();
      return problems.some(({ code }) => code === 'ROWS_MIXED');
    });
    expect((await infer.run(['inspect', 'workers'])).stdout).toContain('above@1×1 (rows mixed)');
    const doctor = await infer.run(['doctor', 'models-batched', '--models', dir]);
    expect(doctor.stdout).toMatch(/worker w saw rows of above@1 mix in service/);
    expect(doctor.stdout).toContain('above/model.json');
    const { stdout } = await infer.run(['metrics', '--once']);
    expect(stdout).toContain('infer_worker_rows_mixed{worker="w",model="above"} 1');
    expect(stdout).toContain('infer_worker_rows_mixed{worker="w",model="int8"} 0');
  });

  it('are not looked for with INFER_ROW_CHECK=false', async () => {
    await worker.stop();
    worker = await infer.worker(['--models', dir, '--name', 'w'], { env: { INFER_ROW_CHECK: 'false' } });
    await answersOf('above', large);
    await answersOf('above', large);
    expect(worker.stderr).not.toContain('ROWS_MIXED');
    const { problems } = (await infer.run(['inspect', '--json'])).json<{ problems: { code: string }[] }>();
    expect(problems.filter(({ code }) => code === 'ROWS_MIXED')).toEqual([]);
  });
});
