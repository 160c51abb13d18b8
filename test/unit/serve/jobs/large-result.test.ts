import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { type Ending, toJobResult } from '../../../../src/lib/client/render.js';
import { encodeEnvelope } from '../../../../src/lib/model/envelope.js';
import type { RowTensor } from '../../../../src/lib/model/tensor.js';
import type { ResultMeta } from '../../../../src/lib/queue/types.js';
import { bodyOf, LargeResult, shownResult } from '../../../../src/lib/serve/gateway/jobs/large-result.js';

const META = { worker: 'w', device: 'cuda:0', attempts: 1, queueMs: 1, runMs: 2, totalMs: 3 } as ResultMeta;

const ending = (more: Partial<Ending> = {}): Ending =>
  ({
    id: 'j1',
    queue: 'realtime',
    model: 'm',
    state: 'completed',
    rows: 1,
    attempts: 1,
    meta: META,
    ...more,
  }) as Ending;

const floats = (name: string, shape: number[], count: number, more: Partial<RowTensor> = {}): RowTensor => ({
  name,
  type: 'float32',
  shape,
  data: new Uint8Array(Float32Array.from({ length: count }, (_, i) => i / 3).buffer),
  ...more,
});

/** What is sent of a job with a large result, and what would be without pieces. */
const both = async (job: Ending, stored: Buffer) => {
  const shown = shownResult(job, stored);
  expect(shown.result).toBeInstanceOf(LargeResult);
  const { task: _, ...small } = toJobResult(job, stored, 'json');
  const body = bodyOf({ ...shown });
  return { sent: JSON.parse(await text(body as NodeJS.ReadableStream)) as object, small, shown };
};

describe('a large result', () => {
  it('of one row is sent as its value, of more as a list', async () => {
    const one = encodeEnvelope({ rows: 1, tensors: [floats('y', [600, 500], 300_000)] });
    const first = await both(ending(), one);
    expect(first.sent).toEqual(first.small);
    const many = encodeEnvelope({ rows: 300, tensors: [floats('y', [1000], 300_000)] });
    const second = await both(ending({ rows: 300 }), many);
    expect(second.sent).toEqual(second.small);
  });

  it('is the same alone, as lines, and where it is written at once', async () => {
    const stored = encodeEnvelope({ rows: 300, tensors: [floats('y', [1000], 300_000)] });
    const job = ending({ rows: 300 });
    const result = shownResult(job, stored).result as LargeResult;
    const values = toJobResult(job, stored, 'json').result as unknown[];
    expect(await text(result.json())).toBe(JSON.stringify(values));
    expect(await text(result.ndjson())).toBe(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
    expect(JSON.stringify(result)).toBe(JSON.stringify(values));
  });

  it('names the device of a classification in each row', async () => {
    const labels = floats('class', [], 200_000, { role: 'class', type: 'int32' });
    const tensors = [labels, floats('confidence', [], 200_000, { role: 'class' })];
    const { sent, small } = await both(ending({ rows: 200_000 }), encodeEnvelope({ rows: 200_000, tensors }));
    expect(sent).toEqual(small);
  });

  it('of a job that failed in part has an error for each row that is missing', async () => {
    const failure = { code: 'ROWS_FAILED', message: 'some rows failed' };
    const cause = { code: 'RUN_FAILED', message: 'NaN' };
    for (const done of [
      [
        [0, 100],
        [150, 350],
      ],
      [[50, 350]],
      [[1, 301]],
    ] as [number, number][][]) {
      const meta = { of: 400, done, errors: { 0: 0, 399: cause }, causes: [cause] };
      const stored = encodeEnvelope({ rows: 300, tensors: [floats('y', [1000], 300_000)] }, meta);
      const job = ending({ rows: 400, state: 'failed', failure });
      const { sent, small, shown } = await both(job, stored);
      expect(sent).toEqual(small);
      expect(shown.failedRows).toHaveLength(100);
      expect(shown.rowsDone).toBe(300);
    }
  });

  it('lets others run while it is written', async () => {
    const stored = encodeEnvelope({ rows: 1, tensors: [floats('y', [1_000_000], 1_000_000)] });
    const body = bodyOf({ result: shownResult(ending(), stored).result });
    let turns = 0;
    const count = () => {
      turns += 1;
      counting = setImmediate(count);
    };
    let counting = setImmediate(count);
    await text(body as NodeJS.ReadableStream);
    clearImmediate(counting);
    expect(turns).toBeGreaterThan(10);
  });

  it('that is damaged is an error before anything is sent', () => {
    const stored = encodeEnvelope({ rows: 1, tensors: [floats('y', [300_000], 300_000)] });
    expect(() => shownResult(ending(), stored.subarray(0, -4))).toThrow('damaged');
  });
});

it('a small result is an object as it was', () => {
  const stored = encodeEnvelope({ rows: 1, tensors: [floats('y', [2], 2)] });
  const shown = shownResult(ending(), stored);
  expect(shown).toEqual(toJobResult(ending(), stored, 'json'));
  expect(bodyOf(shown)).toBe(shown);
});
