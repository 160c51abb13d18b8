import { describe, expect, it } from 'vitest';
import { payloadFromOip } from '../../../src/lib/input/oip.js';
import { payloadFromValue, payloadsFromValue } from '../../../src/lib/input/value.js';
import { rowValues } from '../../../src/lib/model/rows.js';
import type { Payload } from '../../../src/lib/model/tensor.js';
import { failure, input, model, npy, readAll } from './signatures.js';

const audio = model(
  input('x', 'float32', [2]),
  input('state', 'float32', [2, 2], { default: 0 }),
  input('sr', 'int64', [], { shared: true, default: 16000 }),
  input('lang', 'string', [1], { default: 'en' }),
  input('bias', 'float32', [2], { default: [0.5, 1] }),
);
const rest = {
  state: [
    [0, 0],
    [0, 0],
  ],
  sr: 16000,
  lang: ['en'],
  bias: [0.5, 1],
};
const rows = (payload: Payload) => rowValues(payload, 'json');

describe('inputs with a default', () => {
  it.each([
    ['an object of the others', { x: [1, 2] }, [{ x: [1, 2], ...rest }]],
    [
      'rows of one input',
      {
        x: [
          [1, 2],
          [3, 4],
        ],
      },
      [
        { x: [1, 2], ...rest },
        { x: [3, 4], ...rest },
      ],
    ],
    [
      'a list of objects',
      [{ x: [1, 2] }, { x: [3, 4], lang: ['de'] }],
      [
        { x: [1, 2], ...rest },
        { x: [3, 4], ...rest, lang: ['de'] },
      ],
    ],
    ['a bare row of the one that is needed', [1, 2], [{ x: [1, 2], ...rest }]],
    [
      'bare rows',
      [
        [1, 2],
        [3, 4],
      ],
      [
        { x: [1, 2], ...rest },
        { x: [3, 4], ...rest },
      ],
    ],
    [
      'values of their own',
      {
        x: [1, 2],
        state: [
          [1, 2],
          [3, 4],
        ],
        sr: 8000,
      },
      [
        {
          x: [1, 2],
          ...rest,
          state: [
            [1, 2],
            [3, 4],
          ],
          sr: 8000,
        },
      ],
    ],
  ])('may be omitted from %s', (_, value, expected) => {
    expect(payloadsFromValue(value, audio).flatMap(rows)).toEqual(expected);
  });

  it('may be omitted from an Open Inference Protocol request', () => {
    const request = { inputs: [{ name: 'x', shape: [2, 2], datatype: 'FP32', data: [1, 2, 3, 4] }] };
    expect(rows(payloadFromOip(request, audio))).toEqual([
      { x: [1, 2], ...rest },
      { x: [3, 4], ...rest },
    ]);
  });

  it('leave .npy files and NDJSON with the one required input', async () => {
    const array = npy('<f4', [3, 2], new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer));
    expect(rows(await readAll(array, audio, { chunkRows: 2 }))).toEqual(
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ].map((x) => ({ x, ...rest })),
    );
    expect(rows(await readAll('[1,2]\n{"x":[3,4],"sr":16000}\n', audio))).toEqual(
      [
        [1, 2],
        [3, 4],
      ].map((x) => ({ x, ...rest })),
    );
  });

  it('are validated when given, and other inputs remain required', async () => {
    const wrong = await failure(() => payloadFromValue({ x: [1, 2], state: [1] }, audio));
    expect([wrong.code, wrong.message]).toEqual(['INPUT_SHAPE', expect.stringContaining("input 'state'")]);
    const missing = await failure(() => payloadFromValue({ sr: 8000 }, audio));
    expect([missing.code, missing.message]).toEqual(['INPUT_NAMES', expect.stringContaining("no 'x' found")]);
  });
});
