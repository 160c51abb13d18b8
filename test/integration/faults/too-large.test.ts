import { describe, expect, it } from 'vitest';
import { blocks, writeModel } from '../../support/onnx-builder.js';
import { useRedis } from '../../support/redis.js';
import { useFaults } from './fault-kit.js';

const redis = useRedis();
const MB = 1024 * 1024;
/** Returns as many numbers as it gets; its signature does not say how many. */
const kit = useFaults(redis, ['blocks'], (dir) => writeModel(dir, 'blocks', blocks(4)));

describe('a result larger than Redis accepts', () => {
  it.each([
    ['the server tells its limit', 'proto-max-bulk-len', '+config'],
    ['the server answers with an error', 'proto-max-bulk-len', '-config'],
    ['the server closes the connection', 'client-query-buffer-limit', '-config'],
  ])(
    'fails its job, while its neighbours complete and the worker stops normally: %s',
    async (_how, setting, right) => {
      const { client } = kit;
      const admin = await redis.client('command');
      const before = String(((await admin.config('GET', setting)) as string[])[1]);
      const row = (width: number) => ({ x: Array.from({ length: width }, (_, at) => at % 7) });
      const options = { model: 'blocks', queue: 'batch' };
      // The model is known from a worker that has exited: these are queued before the limit is lowered.
      await kit.worker();
      await client.run(row(4), options);
      await kit.stopWorkers();
      const { id } = await client.submit(row(600_000), options);
      const small = await Promise.all([4, 8, 12].map((width) => client.submit(row(width), options)));
      await admin.config('SET', setting, String(MB));
      await admin.call('ACL', 'SETUSER', 'default', right);
      try {
        await kit.worker();
        const ended = await Promise.all(small.map((job) => client.wait(job.id, { timeoutMs: 20_000 })));
        expect(ended.map(({ state }) => state)).toEqual(['completed', 'completed', 'completed']);
        const failed = await client.wait(id, { timeoutMs: 20_000 });
        expect(failed).toMatchObject({ state: 'failed', attempts: 1, error: { code: 'RESULT_TOO_LARGE' } });
        expect(failed.error?.message).toMatch(/^its result has 2\.3 MB, more than Redis takes in one value/);
        // Nothing is left to send, so it need not wait for its drain timeout.
        await kit.stopWorkers();
      } finally {
        await admin.call('ACL', 'SETUSER', 'default', '+config');
        await admin.config('SET', setting, before);
      }
    },
  );
});
