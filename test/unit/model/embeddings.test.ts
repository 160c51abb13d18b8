import { describe, expect, it } from 'vitest';
import { planEmbedding } from '../../../src/lib/model/embeddings.js';
import { toBytes } from '../../../src/lib/model/layout.js';
import type { ModelManifest } from '../../../src/lib/model/manifest.js';
import type { TensorSignature } from '../../../src/lib/model/signature.js';
import type { Payload, RowTensor } from '../../../src/lib/model/tensor.js';

const output = (name: string, shape: (number | null)[]): TensorSignature => ({
  name,
  type: 'float32',
  shape,
  shared: false,
  batchAxis: 0,
  modelShape: [],
});
const STATES = output('last_hidden_state', [null, 2]);
const POOLED = output('pooler_output', [2]);

const states = (...rows: number[][][]): RowTensor => ({
  name: STATES.name,
  type: 'float32',
  shape: [rows[0]?.length ?? 0, 2],
  data: toBytes(Float32Array.from(rows.flat(2))),
});
const mask = (...rows: number[][]): Payload => ({
  rows: rows.length,
  tensors: [
    {
      name: 'attention_mask',
      type: 'int64',
      shape: [rows[0]?.length ?? 0],
      data: toBytes(BigInt64Array.from(rows.flat(), BigInt)),
    },
  ],
});

function embed(manifest: ModelManifest, tensor: RowTensor, input: Payload) {
  const plan = planEmbedding({ task: 'embedding', ...manifest }, [STATES, POOLED], 'm/model.json');
  const { outputs } = plan.apply({ rows: input.rows, tensors: [tensor] }, 0, input);
  expect(outputs.tensors).toHaveLength(1);
  const [found] = outputs.tensors as [RowTensor];
  expect(found.shape).toEqual([2]);
  const numbers = [...new Float32Array(Uint8Array.from(found.data).buffer)];
  return Array.from({ length: input.rows }, (_, row) => numbers.slice(row * 2, row * 2 + 2));
}

const RIGHT = [
  [
    [3, 4],
    [9, 1],
    [100, 100],
  ],
  [
    [1, 0],
    [2, 2],
    [3, 7],
  ],
];
const RIGHT_MASK = [
  [1, 1, 0],
  [1, 1, 1],
];

describe('the vector of a row', () => {
  it.each([
    [
      'mean',
      [
        [6, 2.5],
        [2, 3],
      ],
    ],
    [
      'cls',
      [
        [3, 4],
        [1, 0],
      ],
    ],
    [
      'last',
      [
        [9, 1],
        [3, 7],
      ],
    ],
  ] as const)('with pooling %s is that of its tokens, without its padding', (pooling, wanted) => {
    expect(embed({ pooling }, states(...RIGHT), mask(...RIGHT_MASK))).toEqual(wanted);
    // The same rows, padded on the left.
    const left = [[[100, 100], ...(RIGHT[0] as number[][]).slice(0, 2)], RIGHT[1] as number[][]];
    const leftMask = [
      [0, 1, 1],
      [1, 1, 1],
    ];
    expect(embed({ pooling }, states(...left), mask(...leftMask))).toEqual(wanted);
  });

  it('has the length 1 with normalize', () => {
    const [first, second] = embed({ pooling: 'cls', normalize: true }, states(...RIGHT), mask(...RIGHT_MASK));
    expect(first?.[0]).toBeCloseTo(0.6, 6);
    expect(first?.[1]).toBeCloseTo(0.8, 6);
    expect(second).toEqual([1, 0]);
  });

  it('of zeros stays zeros with normalize', () => {
    expect(embed({ pooling: 'mean', normalize: true }, states([[0, 0]]), mask([1]))).toEqual([[0, 0]]);
  });

  it('is zeros where no token counts', () => {
    for (const pooling of ['mean', 'cls', 'last'] as const)
      expect(embed({ pooling }, states([[3, 4]], [[1, 2]]), mask([0], [1]))).toEqual([
        [0, 0],
        [1, 2],
      ]);
  });

  it('is normalised too where the model pools', () => {
    const pooled: RowTensor = {
      name: POOLED.name,
      type: 'float32',
      shape: [2],
      data: toBytes(Float32Array.of(0, 5)),
    };
    expect(embed({ normalize: true }, pooled, mask([1]))).toEqual([[0, 1]]);
  });
});

describe('an output that does not fit', () => {
  it.each<[ModelManifest, RegExp]>([
    [
      { pooling: 'mean', output: 'pooler_output' },
      /field pooling: mean needs a vector of floats for each token/,
    ],
    [
      { output: 'last_hidden_state' },
      /an embedding is one vector of floats a row, and this output is not one/,
    ],
  ])('is refused at load: %j', (manifest, message) => {
    expect(() => planEmbedding(manifest, [STATES, POOLED], 'm/model.json')).toThrow(message);
  });
});
