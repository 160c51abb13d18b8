import { afterEach, expect, it, vi } from 'vitest';
import { summarize } from '../../../src/lib/model/onnx-proto.js';
import { rewriteModel } from '../../../src/lib/model/onnx-rewrite.js';
import { bufferSource } from '../../../src/lib/model/protobuf.js';
import { buildModel, type Graph } from '../../support/onnx-builder.js';

const NUMBERS = 50_000;

/** As scikit-learn exports a forest: a field for each number, followed by a ZipMap. */
const forest: Graph = {
  nodes: [
    {
      op: 'TreeEnsembleClassifier',
      domain: 'ai.onnx.ml',
      inputs: ['x'],
      outputs: ['label', 'p'],
      attributes: { nodes_treeids: Array.from({ length: NUMBERS }, (_, i) => i * 7) },
    },
    {
      op: 'ZipMap',
      domain: 'ai.onnx.ml',
      inputs: ['p'],
      outputs: ['probabilities'],
      attributes: { classlabels_int64s: [3, 5] },
    },
    {
      op: 'If',
      inputs: ['c'],
      outputs: ['y'],
      attributes: {
        then_branch: {
          nodes: [],
          inputs: [],
          outputs: [],
          initializers: [
            { name: 'w', type: 'float32', dims: [2], data: [], external: 'weights.bin', length: 8 },
          ],
        },
      },
    },
  ],
  inputs: [{ name: 'x', type: 'float32', dims: ['batch', 2] }],
  outputs: [{ name: 'probabilities', type: 'float32', dims: ['batch', 2], as: 'maps' }],
};
const bytes = buildModel(forest);

afterEach(() => void vi.restoreAllMocks());

it('parsing creates no view or object per number in fields of their own', () => {
  let views = 0;
  const source = bufferSource(bytes);
  const summary = summarize({
    ...source,
    slice: (from, to) => {
      views += 1;
      return source.slice(from, to);
    },
  });
  expect(summary).toMatchObject({
    zipMaps: [{ output: 'probabilities', classes: ['3', '5'] }],
    external: [{ location: 'weights.bin', bytes: 8 }],
    hasGraph: true,
  });
  expect(views).toBeLessThan(100);
});

it('rewriting joins few pieces, and keeps everything else unchanged', () => {
  const concat = vi.spyOn(Buffer, 'concat');
  const rewritten = rewriteModel(bytes, {
    locations: new Map([['weights.bin', 'elsewhere/weights.bin']]),
    zipMaps: new Map([['probabilities', 2]]),
  });
  expect(Math.max(...concat.mock.calls.map(([parts]) => parts.length))).toBeLessThan(20);
  concat.mockRestore();
  expect(summarize(bufferSource(rewritten))).toMatchObject({
    zipMaps: [],
    external: [{ location: 'elsewhere/weights.bin', bytes: 8 }],
    otherOutputs: new Map(),
  });
  // The first node completely: its bytes are there unchanged.
  const [treeNode] = forest.nodes;
  const attribute = treeNode?.attributes?.nodes_treeids;
  expect(attribute).toHaveLength(NUMBERS);
  const start = bytes.indexOf('nodes_treeids');
  expect(rewritten.includes(bytes.subarray(start, start + NUMBERS * 2))).toBe(true);
});

it('rewriting without changes keeps the bytes', () => {
  const same = rewriteModel(bytes, { locations: new Map(), zipMaps: new Map() });
  expect(same.equals(bytes)).toBe(true);
});
