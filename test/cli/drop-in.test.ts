import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { expectFailure } from '../support/failure.js';
import { buildModel, externalWeights, type Graph, times } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
let row = '';

/** Writes files below the sandbox; a graph becomes a model file. */
function put(place: string, content: Graph | string | object): string {
  const file = path.join(infer.dir, place);
  mkdirSync(path.dirname(file), { recursive: true });
  if (typeof content === 'object' && 'nodes' in content) writeFileSync(file, buildModel(content as Graph));
  else writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

interface Job {
  state: string;
  model: string;
  result?: Record<string, unknown>;
}

const TRITON = `platform: "onnxruntime_onnx"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 4 ] label_filename: "labels.txt" } ]
instance_group [ { count: 2 kind: KIND_CPU } ]
dynamic_batching { preferred_batch_size: [ 4 ] }
`;

beforeAll(() => {
  row = infer.file('row.json', JSON.stringify({ x: [1, 2, 3, 4] }));
});

const run = async (file: string, ...more: string[]): Promise<Job> =>
  (await infer.run(['submit', file, '--wait', '--json', ...more])).json<Job>();

describe('a model file', () => {
  it('is served by infer worker, and found by infer submit before there is a worker', async () => {
    const file = put('nets/triple.onnx', times(3));
    const queued = await infer.run(['submit', row, '--models', file, '-Q', 'file', '--json']);
    expect(queued.json()).toMatchObject({ model: 'triple' });
    await infer.worker([file, '-Q', 'file']);
    expect(await run(row, '-m', 'triple', '-Q', 'file')).toMatchObject({
      state: 'completed',
      result: { y: [3, 6, 9, 12] },
    });
  });

  it('is served with its external data, which is next to it', async () => {
    const file = put('ext/adds.onnx', externalWeights('adds.onnx_data'));
    writeFileSync(path.join(infer.dir, 'ext/adds.onnx_data'), Buffer.from(Float32Array.of(10, 20).buffer));
    await infer.worker(['--models', file, '-Q', 'ext']);
    const two = infer.file('two.json', JSON.stringify({ x: [1, 2] }));
    expect((await run(two, '-m', 'adds', '-Q', 'ext')).result).toEqual({ y: [11, 22] });
  });

  it.each([
    ['one that is missing', () => 'no/such.onnx', 66, /no model file at .*such\.onnx/],
    ['a file of another kind', () => put('notes.txt', 'x'), 66, /is neither a directory nor an \.onnx file/],
    [
      'one with a bad name',
      () => put('my net.onnx', times(2)),
      66,
      /my net is not served: a model's name has/,
    ],
  ])('is refused with the reason: %s', async (_, file, exitCode, message) => {
    const fix = _ === 'one with a bad name' ? /mv .*my net\.onnx.* .*my-net\.onnx/ : /\.onnx/;
    await expectFailure(infer, ['worker', file()], { exitCode, code: /MODELS_DIR|NO_MODELS/, message, fix });
  });

  it('given twice is refused', async () => {
    const file = put('nets/triple.onnx', times(3));
    await expectFailure(infer, ['worker', file, '--models', infer.dir], {
      exitCode: 2,
      code: 'USAGE',
      message: /both .*triple\.onnx and --models say where the models are/,
      fix: /leave one of them out/,
    });
  });
});

describe('a Hugging Face export', () => {
  it('is served as it is, and infer models says what was read from where', async () => {
    put('hub/scorer/config.json', {
      architectures: ['BertForSequenceClassification'],
      id2label: { 0: 'a', 1: 'b', 2: 'c', 3: 'd' },
    });
    put('hub/scorer/tokenizer.json', {});
    put('hub/scorer/onnx/model.onnx', times(1));
    put('hub/scorer/onnx/model_quantized.onnx', times(-1));
    const hub = path.join(infer.dir, 'hub');
    await infer.worker(['--models', hub, '-Q', 'hub']);
    const { result } = await run(row, '-m', 'scorer', '-Q', 'hub');
    expect(result).toMatchObject({ class: 3, label: 'd' });
    const list = await infer.ask(['models', '--models', hub]);
    expect(list.stderr).toContain('scorer: labels: config.json id2label');
    expect(list.stderr).toContain('scorer: task: assumed from config.json architectures[0]');
    const detail = await infer.ask(['models', 'scorer', '--models', hub, '--json']);
    expect(detail.json()).toMatchObject({
      name: 'scorer',
      origins: [{ field: 'labels' }, { field: 'task', assumed: true }],
      notes: [
        expect.stringContaining('other variants there: model_quantized.onnx'),
        // Its tokenizer.json is none.
        expect.stringContaining('rows are tokens and not texts: scorer/tokenizer.json'),
      ],
    });
  });

  it('whose labels do not fit the model is refused with its own file, and the way out', async () => {
    put('bad/config.json', {
      architectures: ['BertForSequenceClassification'],
      id2label: { 0: 'a', 1: 'b' },
    });
    put('bad/model.onnx', times(1));
    await expectFailure(infer, ['models', path.join(infer.dir, 'bad')], {
      exitCode: 78,
      code: 'MODEL_MANIFEST',
      message: /bad\/config\.json: id2label/,
      fix: /set labels in bad\/model\.json, which counts more/,
    });
    put('bad/model.json', { task: 'tensor' });
    const { exitCode, stdout } = await infer.ask(['models', path.join(infer.dir, 'bad')]);
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/task +tensor/)]);
  });
});

describe('a model of Triton', () => {
  it('is served with the limits of its config.pbtxt, and says what it does not use', async () => {
    put('triton/net/config.pbtxt', TRITON);
    put('triton/net/labels.txt', 'a\nb\nc\nd\n');
    put('triton/net/1/model.onnx', times(2));
    const models = path.join(infer.dir, 'triton');
    await infer.worker(['--models', models, '-Q', 'triton']);
    expect((await run(row, '-m', 'net', '-Q', 'triton')).result).toEqual({ y: [2, 4, 6, 8] });
    const { stdout } = await infer.ask(['models', 'net', '--models', models]);
    expect(stdout).toMatch(/batching +rows share a run, at most 8/);
    expect(stdout).toContain('config.pbtxt line 5: instance_group is not used');
  });

  it('that takes one request a run takes the whole tensor as one row', async () => {
    const whole = TRITON.replace('size: 8', 'size: 0')
      .replaceAll('[ 4 ]', '[ -1, 4 ]')
      .replace(/dynamic.*\n/, '');
    put('whole/config.pbtxt', whole);
    put('whole/labels.txt', 'a\n');
    put('whole/1/model.onnx', times(2));
    const dir = path.join(infer.dir, 'whole');
    const { stdout } = await infer.ask(['models', dir]);
    expect(stdout).toMatch(/batching +one row a run: declared by config\.pbtxt max_batch_size: 0/);
    await infer.worker([dir, '-Q', 'whole']);
    const rows = infer.file(
      'rows.json',
      JSON.stringify({
        x: [
          [1, 2, 3, 4],
          [5, 6, 7, 8],
        ],
      }),
    );
    expect((await run(rows, '-m', 'whole', '-Q', 'whole')).result).toEqual({
      y: [
        [2, 4, 6, 8],
        [10, 12, 14, 16],
      ],
    });
  });

  it.each([
    [
      'dims: [ 4 ] } ]\noutput',
      'dims: [ 5 ] } ]\noutput',
      /net\/config\.pbtxt: line 3: field input\.dims of 'x' is \[ 5 \]/,
      /dims: \[ 4 \]/,
    ],
    ['"x"', '"z"', /line 3: field input\.name: the model has no input 'z'/, /its inputs are x/],
    ['onnxruntime_onnx', 'ensemble', /line 1: it is an ensemble/, /one ONNX file/],
    [
      'max_batch_size',
      'max_batch_sise',
      /line 2: unknown field max_batch_sise/,
      /did you mean 'max_batch_size'/,
    ],
  ])(
    'that contradicts its file is refused with file, line, field and fix: %s',
    async (from, to, message, fix) => {
      put('wrong/net/config.pbtxt', TRITON.replace(from, to));
      put('wrong/net/labels.txt', 'a\nb\nc\nd\n');
      put('wrong/net/1/model.onnx', times(2));
      const models = path.join(infer.dir, 'wrong');
      await expectFailure(infer, ['models', 'net', '--models', models], {
        exitCode: 78,
        code: 'MODEL_MANIFEST',
        message,
        fix,
      });
    },
  );
});
