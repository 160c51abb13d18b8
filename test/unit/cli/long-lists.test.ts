import { describe, expect, it } from 'vitest';
import { isShortened, shortened } from '../../../src/lib/cli/views/long-lists.js';
import { rowValues } from '../../../src/lib/model/rows.js';

const tensorRow = (shape: number[], at = (i: number) => i / 10) => {
  const count = shape.reduce((product, dim) => product * dim, 1);
  const data = new Uint8Array(Float32Array.from({ length: count }, (_, i) => at(i)).buffer);
  return rowValues({ rows: 1, tensors: [{ name: 'y', type: 'float32', shape, data }] }, 'json')[0];
};

describe('long lists on a terminal', () => {
  it('have their first and last elements, type and shape', () => {
    expect(shortened(tensorRow([1200]), 100)).toEqual([
      '{',
      '  "y": [0, 0.1, 0.2, ..., 119.7, 119.8, 119.9] float32[1200]',
      '}',
    ]);
  });

  it('are shortened along each axis with more than six elements', () => {
    expect(shortened(tensorRow([7, 2, 100]), 60)).toEqual([
      '{',
      '  "y": [[[0, 0.1, 0.2, ..., 9.7, 9.8, 9.9],',
      '         [10, 10.1, 10.2, ..., 19.7, 19.8, 19.9]],',
      '        [[20, 20.1, 20.2, ..., 29.7, 29.8, 29.9],',
      '         [30, 30.1, 30.2, ..., 39.7, 39.8, 39.9]],',
      '        [[40, 40.1, 40.2, ..., 49.7, 49.8, 49.9],',
      '         [50, 50.1, 50.2, ..., 59.7, 59.8, 59.9]],',
      '        ...,',
      '        [[80, 80.1, 80.2, ..., 89.7, 89.8, 89.9],',
      '         [90, 90.1, 90.2, ..., 99.7, 99.8, 99.9]],',
      '        [[100, 100.1, 100.2, ..., 109.7, 109.8, 109.9],',
      '         [110, 110.1, 110.2, ..., 119.7, 119.8, 119.9]],',
      '        [[120, 120.1, 120.2, ..., 129.7, 129.8, 129.9],',
      '         [130, 130.1, 130.2, ..., 139.7, 139.8, 139.9]]] float32[7,2,100]',
      '}',
    ]);
  });

  it('are complete up to 1,000 elements, and wherever a model or handler made other values', () => {
    expect(isShortened(tensorRow([1000]))).toBe(false);
    expect(isShortened(tensorRow([1001]))).toBe(true);
    expect(isShortened([tensorRow([2]), tensorRow([2000])])).toBe(true);
    expect(isShortened({ y: Array.from({ length: 5000 }, () => 'handler') })).toBe(false);
    expect(isShortened(null)).toBe(false);
  });

  it('show NaN as text, break at the width, and leave other fields as they are', () => {
    const value = { note: { a: [1] }, ...(tensorRow([2000], () => Number.NaN) as object) };
    expect(shortened(value, 24)).toEqual([
      '{',
      '  "note": {',
      '    "a": [',
      '      1',
      '    ]',
      '  },',
      '  "y": ["NaN", "NaN",',
      '        "NaN", ..., "NaN",',
      '        "NaN", "NaN"] float32[2000]',
      '}',
    ]);
  });
});
