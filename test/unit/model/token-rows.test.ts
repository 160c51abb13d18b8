import { describe, expect, it } from 'vitest';
import { toElements } from '../../../src/lib/model/layout.js';
import { type RowTensor, shapeKey, sliceRows } from '../../../src/lib/model/tensor.js';
import { idRows, tokenTensors } from '../../../src/lib/model/token-rows.js';
import type { TextPlan } from '../../../src/lib/task/text-plan.js';

const PLAN: TextPlan = {
  tokenizer: { path: '/m/tokenizer.json', sha: '' },
  maxLength: 512,
  truncate: true,
  lengths: 'buckets',
  padId: 9,
  padSide: 'right',
  inputs: {
    ids: { name: 'input_ids', type: 'int64', lead: 0 },
    mask: { name: 'attention_mask', type: 'int32', lead: 0 },
    positions: { name: 'position_ids', type: 'float32', lead: 0 },
  },
};

const ofRows = (plan: TextPlan, rows: readonly number[][]) => tokenTensors(plan, idRows(rows), rows.length);
const rowsOf = (plan: TextPlan, ...rows: number[][]) => ofRows(plan, rows);
const numbers = ({ type, data }: RowTensor) => Array.from(toElements(type, data), Number);

describe('rows of tokens', () => {
  it('are padded to the longest of their job, rounded up', () => {
    const tensors = rowsOf(PLAN, [5, 6], [7, 8, 4]);
    expect(tensors.map(({ name, type, shape }) => [name, type, ...shape])).toEqual([
      ['input_ids', 'int64', 8],
      ['attention_mask', 'int32', 8],
      ['position_ids', 'float32', 8],
    ]);
    expect(tensors.map(numbers)).toEqual([
      [5, 6, 9, 9, 9, 9, 9, 9, 7, 8, 4, 9, 9, 9, 9, 9],
      [1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0],
      [0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0],
    ]);
  });

  it('of jobs of similar length have one shape, so the jobs share runs', () => {
    const key = (...rows: number[][]) => shapeKey({ rows: rows.length, tensors: rowsOf(PLAN, ...rows) });
    expect(key([1, 2, 3])).toBe(key([1], [1, 2, 3, 4, 5, 6, 7, 8]));
    expect(key([1, 2, 3])).not.toBe(key(new Array<number>(9).fill(1)));
  });

  it('are padded on the left where the tokenizer says so', () => {
    const [ids, mask] = rowsOf({ ...PLAN, padSide: 'left' }, [5, 6], [7]) as [RowTensor, RowTensor];
    expect(numbers(ids)).toEqual([9, 9, 9, 9, 9, 9, 5, 6, 9, 9, 9, 9, 9, 9, 9, 7]);
    expect(numbers(mask)).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
  });

  it('have the one length of a model that fixes it, with its axes of 1', () => {
    const inputs = { ids: { name: 'ids', type: 'int32', lead: 1 } } as const;
    const [ids] = rowsOf({ ...PLAN, lengths: 4, inputs }, [5, 6]) as [RowTensor];
    expect(ids.shape).toEqual([1, 4]);
    expect(numbers(ids)).toEqual([5, 6, 9, 9]);
  });

  it('of a job that would take gigabytes with one length are padded to the longest near them, or each by itself', () => {
    const long = new Array<number>(500).fill(6);
    const plan = { ...PLAN, inputs: { ids: PLAN.inputs.ids } };
    const some = Array.from({ length: 200_000 }, (_, row) => (row === 1 ? long : [5]));
    const [few] = ofRows(plan, some) as [RowTensor];
    expect(few.shapes?.slice(254, 258)).toEqual([[512], [512], [8], [8]]);
    const piece = sliceRows({ rows: 200_000, tensors: [few] }, 255, 258).tensors[0] as RowTensor;
    expect([piece.shapes, piece.data.byteLength]).toEqual([[[512], [8], [8]], 8 * (512 + 16)]);
    expect(numbers(piece).filter((id) => id !== 9)).toEqual([5, 5, 5]);
    expect(few.data.byteLength).toBe(8 * (256 * 512 + (200_000 - 256) * 8));
    const many = Array.from({ length: 20_000 }, (_, row) => (row % 256 === 1 ? long : [5]));
    const [each] = ofRows(plan, many) as [RowTensor];
    expect(each.shapes?.slice(0, 3)).toEqual([[8], [512], [8]]);
  });

  it('keep their own lengths where padding changes results', () => {
    const tensors = rowsOf({ ...PLAN, lengths: 'own' }, [5, 6], [7, 8, 4]);
    const second = sliceRows({ rows: 2, tensors }, 1, 2);
    expect(second.tensors.map(({ shape }) => shape)).toEqual([[3], [3], [3]]);
    expect(second.tensors.map(numbers)).toEqual([
      [7, 8, 4],
      [1, 1, 1],
      [0, 1, 2],
    ]);
  });
});
