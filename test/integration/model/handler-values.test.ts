import { describe, expect, it } from 'vitest';
import { rowValues } from '../../../src/lib/model/rows.js';
import * as onnx from '../../support/onnx-builder.js';
import { payload, rowTensor } from './payloads.js';
import { useRunner } from './use-runner.js';

const { dir, runner } = useRunner();

const json = (...rows: unknown[]) => {
  const texts = rows.map((row) => JSON.stringify(row));
  return payload(rows.length, { ...rowTensor('json', 'string', [], texts), role: 'json' as const });
};

let made = 0;

/** The rows of a model with this handler, as results show them. */
async function answers(
  model: onnx.Graph,
  handler: string,
  rows: unknown[],
  manifest: object = {},
): Promise<unknown[]> {
  const name = `m${++made}`;
  onnx.writeModel(
    dir,
    name,
    model,
    { ...manifest, handler: './handler.mjs' },
    { files: { 'handler.mjs': handler } },
  );
  await runner.load(name);
  const { outputs, failed } = await runner.run({ model: name, parts: [json(...rows)] });
  for (const { error } of failed) throw error;
  return rowValues(outputs, 'json');
}

const PASS = 'export const preprocess = (row) => row;';
const PASS_X = 'export const preprocess = (row) => ({ x: row });';

describe('values returned by preprocess', () => {
  it.each<[onnx.ElementType, unknown, string]>([
    ['uint8', [300, 0], "element 1 of input 'x' is outside 0..255"],
    ['uint8', [0, -1], "element 2 of input 'x' is outside 0..255"],
    ['int8', [1.5, 0], 'not a whole number'],
    ['bool', [2, 0], 'a number other than 0 and 1'],
    ['float32', [[1], [2]], "input 'x' takes 2 numbers, not a list of shape 2 x 1"],
    ['float32', [1, null], "element 2 of input 'x' is null"],
    ['int64', ['12x', 0], 'not a whole number'],
    ['string', [1, 'a'], 'is a number'],
  ])('are checked: %s %j', async (type, x, words) => {
    await expect(answers(onnx.identity(type), PASS, [{ x }])).rejects.toMatchObject({
      code: 'HANDLER_FAILED',
      message: expect.stringContaining(words),
    });
  });

  it('are refused when ragged', async () => {
    const square: onnx.Graph = {
      nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
      inputs: [{ name: 'x', type: 'float32', dims: ['batch', 2, 2] }],
      outputs: [{ name: 'y', type: 'float32', dims: ['batch', 2, 2] }],
    };
    await expect(answers(square, PASS, [{ x: [[1, 2, 3], [4]] }])).rejects.toMatchObject({
      code: 'HANDLER_FAILED',
      message: expect.stringContaining('2 x 2 numbers'),
    });
    const x = [
      [1, 2],
      [3, 4],
    ];
    expect(await answers(square, PASS, [{ x }])).toEqual([{ y: x }]);
    // The same handler works for the model one row per run: it need not return the axis of length 1.
    expect(await answers(square, PASS, [{ x }], { batchable: false })).toMatchObject([
      { y: expect.anything() },
    ]);
  });

  it('are accepted in the ranges and forms of submitted values', async () => {
    expect(await answers(onnx.identity('uint8'), PASS, [{ x: [0, 255] }])).toEqual([{ y: [0, 255] }]);
    expect(await answers(onnx.identity('bool'), PASS, [{ x: [true, 0] }])).toEqual([{ y: [true, false] }]);
    expect(await answers(onnx.identity('int64'), PASS, [{ x: ['9007199254740993', 1] }])).toEqual([
      { y: ['9007199254740993', 1] },
    ]);
    expect(await answers(onnx.identity('float32'), PASS, [{ x: ['NaN', '-Infinity'] }])).toEqual([
      { y: ['NaN', '-Infinity'] },
    ]);
  });
});

describe('float16', () => {
  it('values are numbers on both sides of a handler', async () => {
    const handler = `
      export const preprocess = ({ x }) => ({ x });
      export const postprocess = ({ y }) => ({ kind: y.data.constructor.name, y: [...y.data] });`;
    expect(await answers(onnx.identity('float16'), handler, [{ x: [0.5, -2] }])).toEqual([
      { kind: 'Float32Array', y: [0.5, -2] },
    ]);
  });

  it('bits in a Uint16Array are refused, since they may be meant as numbers', async () => {
    const handler = 'export const preprocess = () => ({ x: Uint16Array.of(0x3800, 0x3c00) });';
    await expect(answers(onnx.identity('float16'), handler, [{}])).rejects.toMatchObject({
      code: 'HANDLER_FAILED',
      message: expect.stringContaining('a Float32Array of numbers'),
    });
  });

  it('reaches a handler as Float16Array, and is accepted as one, where Node has it', async () => {
    const handler = `
      export const preprocess = ({ x }) => ({ x: globalThis.Float16Array ? Float16Array.from(x) : x });
      export const postprocess = ({ y }) => ({ there: typeof Float16Array, y: [...y.data] });`;
    expect(await answers(onnx.identity('float16'), handler, [{ x: [0.5, -2] }])).toEqual([
      { there: typeof (globalThis as { Float16Array?: unknown }).Float16Array, y: [0.5, -2] },
    ]);
  });
});

describe('values returned by postprocess', () => {
  const answer = (value: string) =>
    answers(onnx.doubler(2), `${PASS} export const postprocess = ({ y }) => (${value});`, [{ x: [1, 2] }]);

  it.each([
    ['{ v: [NaN, Infinity, -Infinity] }', { v: ['NaN', 'Infinity', '-Infinity'] }],
    ['{ small: 5n, large: 2n ** 60n }', { small: 5, large: '1152921504606846976' }],
    ['{ y: y.data }', { y: [3, 5] }],
    ['Float32Array.of(0.1)', [0.1]],
    ['{ class: 7, device: "mine", label: null }', { class: 7, device: 'mine', label: null }],
    ['{ error: { code: "MINE" } }', { error: { code: 'MINE' } }],
    ['null', null],
    ['{ bytes: Buffer.from([1, 2]) }', { bytes: [1, 2] }],
    ['Object(NaN)', 'NaN'],
  ])('are encoded as JSON: %s', async (value, expected) => {
    expect(await answer(value)).toEqual([expected]);
  });

  it.each([
    ['undefined', 'postprocess returned undefined'],
    ['() => 1', 'postprocess returned function'],
    ['{ a: new Map() }', "a Map in 'a'"],
    ['{ a: Promise.resolve(1) }', "a Promise in 'a', which JSON cannot hold; await it first"],
    ['[new ArrayBuffer(4)]', "an ArrayBuffer in '0'"],
    ['new DataView(new ArrayBuffer(4))', 'a DataView'],
    ['{ why: new TypeError("x") }', "an Error in 'why'"],
  ])('are refused when JSON cannot hold them: %s', async (value, words) => {
    await expect(answer(value)).rejects.toMatchObject({
      code: 'HANDLER_FAILED',
      message: expect.stringContaining(words),
    });
  });
});

describe('a buffer that a handler reuses for every row', () => {
  const rows = [
    [1, 2],
    [3, 4],
    [5, 6],
  ];
  const kept = rows.map((row) => ({ y: row }));

  it.each([
    [
      'typed array',
      'const b = new Float32Array(2); export function preprocess(row) { b.set(row); return { x: b }; }',
    ],
    [
      'shape and data',
      'const b = new Float32Array(2); export function preprocess(row) { b.set(row); return { x: { shape: [2], data: b } }; }',
    ],
    [
      'list',
      'const b = [0, 0]; export function preprocess(row) { b.splice(0, 2, ...row); return { x: b }; }',
    ],
    ['object', 'const out = { x: [] }; export function preprocess(row) { out.x = row; return out; }'],
    [
      'async function without a wait',
      'const b = new Float32Array(2); export async function preprocess(row) { b.set(row); return { x: b }; }',
    ],
    [
      'async function that fills it after a wait',
      `const b = new Float32Array(2); const ready = Promise.resolve();
       export async function preprocess(row) { await ready; await null; b.set(row); return { x: b }; }`,
    ],
  ])('in preprocess does not mix rows: %s', async (_, handler) => {
    expect(await answers(onnx.identity('float32'), handler, rows)).toEqual(kept);
  });

  it('does not serialise asynchronous rows, which run concurrently', async () => {
    const handler = `
      let waiting = 0, go; const all = new Promise((resolve) => { go = resolve; });
      export async function preprocess(row) { if (++waiting === 3) go(); await all; return { x: row }; }`;
    expect(await answers(onnx.identity('float32'), handler, rows)).toEqual(kept);
  });

  it.each(['', 'async '])('in postprocess does not mix rows: %sfunction', async (kind) => {
    const handler = `${PASS_X} const out = { y: [] };
      export ${kind}function postprocess({ y }) { out.y.splice(0, 9, ...y.data); return out; }`;
    expect(await answers(onnx.identity('float32'), handler, rows)).toEqual(kept);
  });

  it('may be a shared output: each row can modify its own copy', async () => {
    const model: onnx.Graph = {
      nodes: [
        { op: 'Identity', inputs: ['x'], outputs: ['y'] },
        { op: 'Identity', inputs: ['c'], outputs: ['all'] },
      ],
      inputs: [{ name: 'x', type: 'float32', dims: ['batch', 2] }],
      outputs: [
        { name: 'y', type: 'float32', dims: ['batch', 2] },
        { name: 'all', type: 'float32', dims: [3] },
      ],
      initializers: [{ name: 'c', type: 'float32', dims: [3], data: [3, 1, 2] }],
    };
    const handler = `${PASS_X}
      export function postprocess({ all }) {
        const seen = [...all.data, all.shape.pop()];
        all.data.sort();
        return seen;
      }`;
    expect(await answers(model, handler, rows)).toEqual(rows.map(() => [3, 1, 2, 3]));
  });
});

describe('unusual names', () => {
  it('work for an output __proto__ along with other property names of tensors', async () => {
    const names = ['__proto__', 'data', 'type', 'size', 'location', 'y'];
    onnx.writeModel(dir, 'proto', {
      nodes: names.map((name) => ({ op: 'Add', inputs: ['x', 'x'], outputs: [name] })),
      inputs: [{ name: 'x', type: 'float32', dims: ['batch', 1] }],
      outputs: names.map((name) => ({ name, type: 'float32' as const, dims: ['batch', 1] })),
    });
    const { signature } = await runner.load('proto');
    expect(signature).toMatchObject({ batchable: true, warnings: [] });
    const { outputs } = await runner.run({
      model: 'proto',
      parts: [payload(1, rowTensor('x', 'float32', [1], [4]))],
    });
    const [row] = rowValues(outputs, 'json');
    expect(Object.entries(row as object)).toEqual(names.map((name) => [name, [8]]));
  });

  it.each([
    ['__proto__', '__proto__'],
    ['x', '__proto__'],
    ['json', 'json'],
    ['constructor', 'toString'],
    ['x:0', 'Identity:0'],
    ['class', 'device'],
    ['a;b', 'error'],
  ])('work for inputs called %j and outputs called %j', async (x, y) => {
    const model: onnx.Graph = {
      nodes: [
        { op: 'Add', inputs: [x, x], outputs: ['sum'] },
        { op: 'Identity', inputs: ['sum'], outputs: [y === x ? `${y}_` : y] },
      ],
      inputs: [{ name: x, type: 'float32', dims: ['batch', 2] }],
      outputs: [{ name: y === x ? `${y}_` : y, type: 'float32', dims: ['batch', 2] }],
    };
    const name = `names${++made}`;
    onnx.writeModel(dir, name, model);
    const { signature } = await runner.load(name);
    expect(signature).toMatchObject({ batchable: true, warnings: [] });
    const part = payload(2, rowTensor(x, 'float32', [2], [1, 2, 3, 4]));
    const { outputs } = await runner.run({ model: name, parts: [part] });
    const out = y === x ? `${y}_` : y;
    expect(rowValues(outputs, 'json').map((row) => Object.entries(row as object))).toEqual([
      [[out, [2, 4]]],
      [[out, [6, 8]]],
    ]);
    const handled = `
      export const preprocess = (row) => Object.fromEntries([[${JSON.stringify(x)}, row]]);
      export const postprocess = (outputs) => Object.entries(outputs).map(([name, { data }]) => [name, [...data]]);`;
    expect(await answers(model, handled, [[1, 2]])).toEqual([[[out, [2, 4]]]]);
  });
});
