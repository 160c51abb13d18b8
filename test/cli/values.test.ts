import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import * as onnx from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';
import type { TestWorker } from '../support/worker.js';

/** The values and names that a model or handler may return, from submit to result, in each output format. */
const redis = useRedis();
const infer = useInfer(redis);

const tensors = (x: string, type: onnx.ElementType, y: string, op = 'Identity'): onnx.Graph => ({
  nodes: [{ op, inputs: [x], outputs: [y] }],
  inputs: [{ name: x, type, dims: ['batch', 1] }],
  outputs: [{ name: y, type, dims: ['batch', 1] }],
});

const HANDLERS = {
  chatty: `console.log('loaded', { a: 1 });
    export function preprocess({ x }) { console.error('row', x); process.stdout.write('part'); process.stdout.write('ly\\n'); return { x: [x] }; }`,
  detail:
    'export const postprocess = ({ y }) => ({ class: 3, device: "mine", scores: [1, 2], y: [...y.data] });',
  list: 'export const postprocess = ({ y }) => [1, 2];',
  picky: `export const preprocess = ({ x }) => ({ x: [x] });
    export const postprocess = ({ y }) => y.data[0] === 0 ? { error: { code: 'MINE', message: 'mine' } } : { v: y.data[0] };`,
};

beforeAll(async () => {
  const models = path.join(infer.dir, 'models');
  onnx.writeModel(models, 'log', tensors('x', 'float32', 'y', 'Log'));
  onnx.writeModel(models, 'ids', tensors('x', 'int64', 'y'));
  onnx.writeModel(models, 'js', tensors('in', 'string', 'json'));
  onnx.writeModel(models, 'ji', tensors('json', 'string', 'out'));
  onnx.writeModel(models, 'classy', tensors('x', 'int64', 'class'));
  for (const [name, code] of Object.entries(HANDLERS)) {
    const files = { 'handler.mjs': code };
    onnx.writeModel(models, name, tensors('x', 'uint8', 'y'), { handler: './handler.mjs' }, { files });
  }
  const names = ['log', 'ids', 'js', 'ji', 'classy', ...Object.keys(HANDLERS)];
  const args = ['--models', models, ...names.flatMap((name) => ['--model', name])];
  worker = await infer.worker(args);
});

let worker: TestWorker;

const submit = (model: string, input: string, ...flags: string[]) =>
  infer.run(['submit', '-', '--model', model, '--wait', ...flags], { stdin: input });

describe('numbers that JSON cannot represent', () => {
  it('are strings in --json and NDJSON', async () => {
    const rows = '{"x":[0]}\n{"x":[-1]}\n{"x":[1]}\n{"x":["Infinity"]}\n{"x":["NaN"]}\n';
    const expected = ['-Infinity', 'NaN', 0, 'Infinity', 'NaN'].map((y) => ({ y: [y] }));
    const { group: id } = (await submit('log', rows, '--json')).json<{ group: string }>();
    expect((await infer.run(['result', id, '--json'])).json()).toMatchObject({ results: expected });
    expect((await infer.run(['result', id])).rows()).toEqual(expected);
  });

  it('are strings in a pipe, and accepted as input again', async () => {
    expect((await submit('log', '{"x": [0]}')).json()).toEqual({ y: ['-Infinity'] });
    const large = (await submit('ids', '{"x": ["9007199254740993"]}')).json<{ y: unknown }>();
    expect(large).toEqual({ y: ['9007199254740993'] });
    expect((await submit('ids', JSON.stringify({ x: large.y }))).json()).toEqual(large);
  });

  it('are exact for programs, or strings on request', async () => {
    const program = (options: string) => `
      import { InferClient } from 'infer-queue';
      const infer = await InferClient.connect(${options});
      const log = await infer.run([0], { model: 'log' });
      const ids = await infer.run([2n ** 60n], { model: 'ids' });
      const again = await infer.run(log.result, { model: 'log', timeoutMs: 9000 }).catch((error) => error.code);
      const nan = await infer.run([log.result.y[0] * 0], { model: 'log' }).catch((error) => error.code);
      const typed = await infer.run(Float32Array.of(NaN), { model: 'log' }).catch((error) => error.code);
      await infer.close();
      const shown = (value) => typeof value + ' ' + String(value);
      console.log(JSON.stringify([shown(log.result.y[0]), shown(ids.result.y[0]), again, shown(nan.result?.y[0]), typed]));`;
    const run = async (options: string) => JSON.parse(String((await infer.script(program(options))).stdout));
    expect(await run('{}')).toEqual([
      'number -Infinity',
      'bigint 1152921504606846976',
      'INPUT_NAMES',
      'number NaN',
      'INPUT_VALUE',
    ]);
    expect((await run("{ values: 'json' }")).slice(0, 2)).toEqual([
      'string -Infinity',
      'string 1152921504606846976',
    ]);
  });

  it('are rejected unquoted, with the quoted form', async () => {
    const run = await submit('log', '{"x": [NaN]}');
    expect(run.exitCode).toBe(65);
    expect(run.stderr).toContain('"NaN", in quotes');
  });
});

describe('output names chosen by a model or handler', () => {
  it.each([
    ['js', '{"in": "hello"}', { json: ['hello'] }, 'tensor'],
    ['ji', '{"json": "hello"}', { out: ['hello'] }, 'tensor'],
    ['classy', '{"x": [4]}', { class: [4] }, 'tensor'],
    ['detail', '{"x": [4]}', { class: 3, device: 'mine', scores: [1, 2], y: [4] }, 'handler'],
    ['list', '{"x": [4]}', [1, 2], 'handler'],
  ])('are returned unchanged, with nothing added or hidden: %s', async (model, input, result, task) => {
    const run = await submit(model, input, '--json');
    const answer = run.json<{ id: string }>();
    expect(answer).toMatchObject({ state: 'completed', rows: 1, result, task });
    expect((await infer.run(['result', answer.id, '--output', '-'])).rows()).toEqual([result]);
  });

  it('do not make an answer that resembles a failed row count as one', async () => {
    const rows = '{"x":0}\n{"x":300}\n{"x":5}\n';
    const { group } = (await submit('picky', rows, '--json')).json<{ group: string }>();
    const answer = await infer.run(['result', group, '--json']);
    const { results, failedRows } = answer.json<{ results: unknown[]; failedRows: number[] }>();
    expect(results).toEqual([
      { error: { code: 'MINE', message: 'mine' } },
      { error: expect.objectContaining({ code: 'HANDLER_FAILED' }) },
      { v: 5 },
    ]);
    expect(failedRows).toEqual([1]);
    expect(JSON.stringify(results[1])).toContain("element 1 of input 'x' is outside 0..255");
  });
});

it("output printed by a handler appears only in its worker's log", async () => {
  const run = await submit('chatty', '{"x": 7}', '--json');
  expect(run.json()).toMatchObject({ state: 'completed', result: { y: [7] } });
  await worker.said(/partly/);
  const lines = worker.stderr
    .split('\n')
    .filter((line) => line.includes('"chatty"') && line.includes('"handler"'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines).toMatchObject([
    { level: 'info', model: 'chatty', handler: 'stdout', msg: 'loaded { a: 1 }' },
    { level: 'warn', model: 'chatty', handler: 'stderr', msg: 'row 7' },
    { level: 'info', model: 'chatty', handler: 'stdout', msg: 'partly' },
  ]);
});
