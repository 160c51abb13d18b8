import { describe, expect, it } from 'vitest';
import { InferClient } from '../../../src/lib/client/client.js';
import { doubler, writeModel } from '../../support/onnx-builder.js';
import { useRedis } from '../../support/redis.js';
import { useFaults } from './fault-kit.js';

const redis = useRedis();
const apart = useRedis();
const kit = useFaults(redis, ['doubler'], (dir) => writeModel(dir, 'doubler', doubler()));
const row = [1, 2, 3, 4];

describe('results', () => {
  it('are stored in a separate Redis when one is configured, with their exact TTL', async () => {
    await kit.worker({}, { results: apart.settings() });
    const client = await InferClient.open({
      prefix: 'faults',
      modelsDir: kit.modelsDir,
      resultTtl: 50,
      redis: redis.settings(),
      resultRedis: apart.settings(),
    });
    try {
      const done = await client.run(row, { model: 'doubler' });
      expect(done.result).toEqual({ y: [3, 5, 7, 9] });
      expect((await client.result(done.id)).result).toEqual({ y: [3, 5, 7, 9] });
      const broker = await redis.client();
      expect(await broker.keys('*:res:*')).toEqual([]);
      const stored = await apart.client();
      const [key, ...others] = await stored.keys('*:res:*');
      expect(others).toEqual([]);
      const left = await stored.pttl(key as string);
      expect(left).toBeGreaterThan(40_000);
      expect(left).toBeLessThanOrEqual(50_000);
    } finally {
      await client.close();
    }
  });

  it('are not stored with TTL 0, and waiters still learn how the job ended', async () => {
    await kit.worker();
    const done = await kit.client.run(row, { model: 'doubler', resultTtl: 0 });
    expect(done).toMatchObject({ state: 'completed' });
    expect(done.result).toBeUndefined();
    const broker = await redis.client();
    expect(await broker.keys('*:res:*')).toEqual([]);
  });
});
