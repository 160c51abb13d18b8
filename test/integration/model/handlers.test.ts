import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSignatures } from '../../../src/lib/model/probe-model.js';
import { rowValues } from '../../../src/lib/model/rows.js';
import type { Payload } from '../../../src/lib/model/tensor.js';
import { decodeStrings } from '../../../src/lib/model/tensor.js';
import * as onnx from '../../support/onnx-builder.js';
import { output, payload, rowTensor } from './payloads.js';
import { useRunner } from './use-runner.js';

const { dir, runner } = useRunner();

const run = async (model: string, ...parts: Payload[]) => (await runner.run({ model, parts })).outputs;

describe('model handlers', () => {
  const json = (...rows: unknown[]) =>
    payload(
      rows.length,
      rowTensor(
        'json',
        'string',
        [],
        rows.map((row) => JSON.stringify(row)),
      ),
    );
  const withHandler = (name: string, code: string) =>
    onnx.writeModel(
      dir,
      name,
      onnx.doubler(2),
      { handler: './handler.mjs' },
      { files: { 'handler.mjs': code } },
    );

  it('carry JSON in and out', async () => {
    withHandler(
      'both',
      `
      export async function preprocess(row) { if (row.bad) throw new Error('no ' + row.bad); return { x: [row.a, row.b] }; }
      export const postprocess = ({ y }, { model, signature }) => ({ model, sum: y.data[0] + y.data[1], shape: y.shape, input: signature.inputs[0].name });`,
    );
    const { signature } = await runner.load('both');
    expect(signature).toMatchObject({
      task: 'handler',
      inputs: [{ name: 'json', type: 'string', shape: [] }],
      outputs: [{ name: 'json' }],
    });
    const result = await run('both', json({ a: 1, b: 2 }), json({ a: 3, b: 4 }));
    expect(
      decodeStrings(result.tensors[0]?.data as Uint8Array).map((text) => JSON.parse(text) as unknown),
    ).toEqual([
      { model: 'both', sum: 8, shape: [2], input: 'x' },
      { model: 'both', sum: 16, shape: [2], input: 'x' },
    ]);
  });

  it('fail only the rows that they refuse, in the same run as the others', async () => {
    withHandler(
      'picky',
      `
      export function preprocess(row) { if (row.pre) throw new Error('no ' + row.pre); return { x: row.x }; }
      export function postprocess({ y }) { if (y.data[0] < 0) throw new Error('negative'); return y.data[0]; }`,
    );
    await runner.load('picky');
    const rows = [{ pre: 'cats' }, { x: [1, 1] }, { x: [-5, 0] }, { x: [2, 2] }, { pre: 'dogs' }];
    const reply = await runner.run({ model: 'picky', parts: [json(...rows)] });
    expect(rowValues(reply.outputs, 'json')).toEqual([3, 5]);
    expect(reply.failed.map(({ row, error }) => [row, error.code, error.message])).toEqual([
      [0, 'HANDLER_FAILED', "the model's handler failed: no cats"],
      [4, 'HANDLER_FAILED', "the model's handler failed: no dogs"],
      [2, 'HANDLER_FAILED', "the model's handler failed: negative"],
    ]);
    const none = await runner.run({ model: 'picky', parts: [json({ pre: 'a' }, { pre: 'b' })] });
    expect([none.outputs.rows, none.failed.length]).toEqual([0, 2]);
  });

  it('may return rows of different shapes, each in its place', async () => {
    onnx.writeModel(
      dir,
      'means',
      onnx.openRows(),
      { handler: './handler.mjs' },
      { files: { 'handler.mjs': 'export default { preprocess: (row) => ({ x: row }) };' } },
    );
    await runner.load('means');
    const rows = [[1, 2], [3], [4, 5], [6, 7, 8]];
    expect(rowValues(await run('means', json(...rows)), 'json')).toEqual(
      rows.map((row) => ({ y: row.map((value) => 2 * value) })),
    );
  });

  it('with preprocess only keep the outputs of the task', async () => {
    withHandler('pre', 'export default { preprocess: (row) => ({ x: row }) };');
    expect((await runner.load('pre')).signature).toMatchObject({
      task: 'tensor',
      inputs: [{ name: 'json' }],
      outputs: [{ name: 'y' }],
    });
    expect(output(await run('pre', json([1, 2], [3, 4])), 'y')).toEqual([3, 5, 7, 9]);
  });

  it('that do not load give the reason, exit 78', async () => {
    withHandler('empty', 'export const other = 1;');
    await expect(runner.load('empty')).rejects.toMatchObject({
      code: 'HANDLER_LOAD',
      exitCode: 78,
      message: expect.stringContaining('neither'),
    });
    withHandler('broken', 'export function (');
    await expect(runner.load('broken')).rejects.toMatchObject({ code: 'HANDLER_LOAD' });
  });
});

it('signatures of a directory are read without the bad models, which are reported', async () => {
  const own = mkdtempSync(path.join(tmpdir(), 'infer-read-'));
  onnx.writeModel(own, 'good', onnx.adder());
  onnx.writeModel(own, 'bad', Buffer.from('x'));
  onnx.writeModel(
    own,
    'deadly',
    onnx.adder(),
    { handler: './handler.mjs' },
    { files: { 'handler.mjs': 'process.exit(5);' } },
  );
  mkdirSync(path.join(own, 'no-model'));
  writeFileSync(path.join(own, 'notes.txt'), '');
  const readings = await readSignatures(own);
  expect(
    readings.map((one) => [one.name, 'error' in one ? one.error.code : one.loaded.signature.inputs.length]),
  ).toEqual([
    ['bad', 'MODEL_LOAD'],
    ['deadly', 'RUNNER_DIED'],
    ['good', 2],
  ]);
  rmSync(own, { recursive: true });
});
