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

interface Answers {
  /** Each row as a separate job. */
  alone: Record<string, unknown>[];
  /** All rows as one job. */
  together: Record<string, unknown>[];
}

/** The outputs of a model for rows alone and together. */
async function answers(model: string, some: readonly Row[], ...names: string[]): Promise<Answers> {
  const { stdout, stderr } = await infer.script(`
    import { InferClient } from 'infer-queue';
    const infer = await InferClient.connect();
    const rows = ${JSON.stringify(some)};
    const names = ${JSON.stringify(names)};
    const picked = (row) => Object.fromEntries(names.map((name) => [name, row[name]]));
    const options = { model: ${JSON.stringify(model)}, queue: 'batch' };
    const together = (await infer.run(rows, options)).result.map(picked);
    const alone = [];
    for (const row of rows) alone.push(picked((await infer.run(row, options)).result));
    await infer.close();
    console.log(JSON.stringify({ alone, together }));
  `);
  expect(stderr).toBe('');
  return JSON.parse(String(stdout)) as Answers;
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
  onnx.writeModel(dir, 'one', onnx.fixedBatch());
  onnx.writeModel(dir, 'said', onnx.doubler(), { batchable: false });
  worker = await infer.worker(['--models', dir, '--name', 'w']);
});
afterAll(() => worker?.stop());

describe('a model whose rows affect each other', () => {
  it('answers a row alone the same as in a job with others', async () => {
    const { alone, together } = await answers('int8', rows, 'y');
    expect(together).toEqual(alone);
    // Next to 1000 one quantisation step would be 4, and 0.4 would become 0.
    const [, { y } = { y: [] }] = alone as { y: number[] }[];
    expect(y[3]).toBeCloseTo(0.4, 2);
  });

  it('shows the reason in the banner, like a model built for one row', () => {
    expect(worker.stderr).toMatch(/^! int8: runs one row at a time: output y of a row changes by \d/m);
    expect(worker.stderr).toMatch(/one@1 .* one row a run: no dimension is the batch$/m);
    expect(worker.stderr).toMatch(/said@1 .* one row a run: model\.json says "batchable": false$/m);
    expect(worker.stderr).not.toMatch(/anchors@1 .*one row a run/);
  });

  it('shows the reason in models, inspect workers and doctor', async () => {
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

it('a constant output is returned whole for every row', async () => {
  const anchors = [
    [0, 0],
    [1, 2],
    [4, 8],
  ];
  const expected = [
    { y: [-1, -2], anchors },
    { y: [-3, -4], anchors },
    { y: [-5, -6], anchors },
  ];
  const some = [{ x: [1, 2] }, { x: [3, 4] }, { x: [5, 6] }];
  expect(await answers('anchors', some, 'y', 'anchors')).toEqual({ alone: expected, together: expected });
  const file = infer.file('rows.ndjson', `${some.map((row) => JSON.stringify(row)).join('\n')}\n`);
  const group = await infer.run(['submit', file, '-m', 'anchors', '-Q', 'batch', '--models', dir, '--quiet']);
  const lines = await infer.run(['result', group.stdout.trim(), '--wait']);
  expect(lines.rows()).toMatchObject(expected);
});

describe('rows that affect each other in a way no trial run could detect', () => {
  const large = rows.map(({ x }, at) => ({ x: x.map((one) => (at === 2 ? one + 2e6 : one)) }));

  it('are detected in service: the run is discarded, and rows then run one at a time', async () => {
    const { alone, together } = await answers('above', large, 'y');
    expect(together).toEqual(alone);
    await worker.said(/ROWS_MIXED/);
    await worker.said(/rows mixed.*output y of a row changes/);
  });

  it('are reported as a problem by inspect, doctor and metrics', async () => {
    await until(async () => {
      const { problems } = (await infer.run(['inspect', '--json'])).json<{ problems: { code: string }[] }>();
      return problems.some(({ code }) => code === 'ROWS_MIXED');
    });
    // The next heartbeat tells that its rows run one at a time.
    await until(async () =>
      (await infer.run(['inspect', 'workers'])).stdout.includes('above@1×1 (rows mixed)'),
    );
    const doctor = await infer.run(['doctor', 'models-batched', '--models', dir]);
    expect(doctor.stdout).toMatch(/worker w saw rows of above@1 mix in service/);
    expect(doctor.stdout).toContain('above/model.json');
    const { stdout } = await infer.run(['metrics', '--once']);
    expect(stdout).toContain('infer_worker_rows_mixed{worker="w",model="above"} 1');
    expect(stdout).toContain('infer_worker_rows_mixed{worker="w",model="int8"} 0');
  });

  it('are not checked with INFER_ROW_CHECK=false', async () => {
    await worker.stop();
    worker = await infer.worker(['--models', dir, '--name', 'w'], { env: { INFER_ROW_CHECK: 'false' } });
    const { alone, together } = await answers('above', large, 'y');
    expect(together).not.toEqual(alone);
    expect(worker.stderr).not.toContain('ROWS_MIXED');
    const { problems } = (await infer.run(['inspect', '--json'])).json<{ problems: { code: string }[] }>();
    expect(problems.filter(({ code }) => code === 'ROWS_MIXED')).toEqual([]);
  });
});
