import { describe, expect, it } from 'vitest';
import { checkNames } from '../../../src/lib/model/manifest-names.js';

import { planTask } from '../../../src/lib/model/tasks.js';
import type { RowTensor } from '../../../src/lib/model/tensor.js';
import { tensorSignature } from '../../support/signatures.js';

const EMBEDDING = { task: 'embedding' } as const;
const tensor = (name: string, shape: number[], more: Partial<RowTensor> = {}): RowTensor => ({
  name,
  type: 'float32',
  shape,
  data: new Uint8Array(0),
  ...more,
});

describe('the task embedding', () => {
  it('publishes and keeps the first output that is a vector of floats, alone', () => {
    const outputs = [
      tensorSignature('ids', [4], { type: 'int64' }),
      tensorSignature('tokens', [null, 3]),
      tensorSignature('pooled', [3]),
      tensorSignature('other', [5]),
    ];
    const plan = planTask(EMBEDDING, outputs, 'm/model.json');
    expect(plan.outputs).toEqual([tensorSignature('pooled', [3])]);
    const raw = { rows: 2, tensors: [tensor('tokens', [2, 3]), tensor('pooled', [3])] };
    expect(plan.apply(raw)).toEqual({ outputs: { rows: 2, tensors: [tensor('pooled', [3])] }, failed: [] });
  });

  it('takes the output that is named, also float16, and leaves out a batch of 1 in front', () => {
    const outputs = [
      tensorSignature('a', [3]),
      tensorSignature('b', [1, 4], { type: 'float16', batchAxis: null }),
    ];
    const plan = planTask({ ...EMBEDDING, output: 'b' }, outputs, 'm/model.json');
    expect(plan.outputs).toEqual([{ ...outputs[1], shape: [4] }]);
    const rows = (one: RowTensor) => plan.apply({ rows: 2, tensors: [one] }).outputs.tensors[0];
    expect(rows(tensor('b', [1, 4]))?.shape).toEqual([4]);
    expect(
      rows(
        tensor('b', [], {
          shapes: [
            [1, 4],
            [1, 2],
          ],
        }),
      )?.shapes,
    ).toEqual([[4], [2]]);
  });

  it.each([
    [
      'a vector a token',
      [tensorSignature('y', [null, 3])],
      undefined,
      'no output of the model is one: a row has y float32 [?,3]',
    ],
    ['whole numbers', [tensorSignature('y', [3], { type: 'int64' })], undefined, 'y int64 [3]'],
    [
      'one for all rows',
      [tensorSignature('y', [3], { shared: true })],
      undefined,
      'no output of the model is one',
    ],
    [
      'an output that is none',
      [tensorSignature('a', [3]), tensorSignature('b', [2, 2])],
      'b',
      'this output is not one: a row has b float32 [2,2]',
    ],
  ])('refuses a model with %s', (_, outputs, name, text) => {
    const manifest = name === undefined ? EMBEDDING : { ...EMBEDDING, output: name };
    expect(() => planTask(manifest, outputs, 'm/model.json')).toThrow(text);
  });

  it('is what gives the field output its effect', () => {
    const model = { inputs: [], outputs: [{ name: 'y' }], skipped: [] };
    expect(checkNames({ ...EMBEDDING, output: 'y' }, model, 'm')).toEqual([]);
    expect(checkNames({ ...EMBEDDING, output: 'y', labels: ['a'] }, model, 'm')).toEqual([
      'model.json: labels has no effect without "task": "classification"',
    ]);
  });
});
