import path from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { InferClient } from '../../src/lib/client/client.js';
import { useInfer } from '../support/cli.js';
import { meanOfIds, times, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);

let models = '';

beforeAll(async () => {
  models = path.join(infer.dir, 'models');
  writeModel(models, 'mean', meanOfIds());
  writeModel(models, 'm', times(2, 4));
  await infer.worker(['--models', models, '--name', 'w']);
});

it('rows of a generator that reuses one array form one group with results in input order', async () => {
  const client = await InferClient.connect({ redis: redis.url });
  async function* rows() {
    const buffer = new BigInt64Array(3);
    for (let row = 0; row < 700; row++)
      yield buffer.subarray(0, 1 + (row % 3)).fill(BigInt(row === 5 ? 9 : row % 4));
  }
  try {
    const group = await client.submitRows(rows(), { model: 'mean' });
    expect(group).toMatchObject({ rows: 700, jobs: 3 });
    let next = 0;
    for await (const { row, value, error } of group.results({ timeoutMs: 25_000 })) {
      expect(row).toBe(next++);
      if (row === 5) expect(error).toMatchObject({ code: expect.any(String) });
      else expect(value).toMatchObject({ y: expect.objectContaining([10 * (1 + (row % 4))]) });
    }
    expect(next).toBe(700);
    await expect(client.submitRows([[1n], ['x']], { model: 'mean' })).rejects.toThrow('row 2');
    // Lists may contain values in the form of results.
    const odd = await client.submitRows(
      [
        [Number.NaN, 1, 2, 3],
        [Number.POSITIVE_INFINITY, 1, 2, 3],
      ],
      { model: 'm' },
    );
    expect(odd.rows).toBe(2);
    await expect(client.submitRows([], { model: 'mean' })).rejects.toMatchObject({ code: 'INPUT_EMPTY' });
  } finally {
    await client.close();
  }
});

it('rows are checked against the model served now, not the one this client knew', async () => {
  const client = await InferClient.connect({ redis: redis.url });
  try {
    expect((await client.run([1, 2, 3, 4], { model: 'm' })).result).toEqual({ y: [2, 4, 6, 8] });
    writeModel(models, 'm', times(5, 3), undefined, { version: 2 });
    await infer.run(['control', 'load', 'w', 'm']);
    const group = await client.submitRows([[1, 2, 3]], { model: 'm' });
    for await (const row of group.results({ timeoutMs: 25_000 }))
      expect(row).toEqual({ row: 0, value: { y: [5, 10, 15] } });
    expect(group.rows).toBe(1);
  } finally {
    await client.close();
  }
});
