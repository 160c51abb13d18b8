import { afterAll, beforeAll, expect, it } from 'vitest';
import { BulkWrites } from '../../../src/lib/redis/bulk-writes.js';
import { closeClient, connect } from '../../../src/lib/redis/connect.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { startCluster, type TestCluster } from '../../support/cluster.js';

const MB = 1024 * 1024;
let cluster: TestCluster;
let client: RedisClient;
beforeAll(async () => {
  cluster = await startCluster();
  const settings = { url: cluster.url, connectTimeoutMs: 5000, stateDir: '/nowhere', autostart: false };
  client = await connect({ url: cluster.url, label: cluster.url, source: 'flag' }, 'worker', settings);
});
afterAll(async () => {
  await closeClient(client);
  await cluster.stop();
});

it.each([
  ['told', '+config', 'proto-max-bulk-len'],
  ['said by its error', '-config', 'proto-max-bulk-len'],
])(
  'on a Cluster whose limit is %s, values that fit are written and others are refused',
  async (_how, right, setting) => {
    const admins = await Promise.all(cluster.nodes.map((node) => node.client()));
    for (const admin of admins) {
      await admin.config('SET', setting, String(MB));
      await admin.call('ACL', 'SETUSER', 'default', right);
    }
    const bulk = new BulkWrites(client);
    try {
      const write = (bytes: number) => bulk.run(bytes, (one) => one.set('value', Buffer.alloc(bytes)));
      await expect(write(700 * 1024)).resolves.toBe('OK');
      // Redis closes the connection after its error. On a busy machine, a write may fail before that is read.
      const refusal = () => write(4 * MB).catch(({ name }: Error) => name);
      await expect.poll(refusal).toBe('SizeRefused');
      await expect(write(600 * 1024)).resolves.toBe('OK');
      expect(await client.strlen('value')).toBe(600 * 1024);
    } finally {
      await bulk.close();
      for (const admin of admins) {
        await admin.call('ACL', 'SETUSER', 'default', '+config');
        await admin.config('SET', setting, String(512 * MB));
      }
    }
  },
);

it('a closed Cluster connection is not taken as a size limit, since the node may be failing over', async () => {
  const admins = await Promise.all(cluster.nodes.map((node) => node.client()));
  for (const admin of admins) {
    await admin.config('SET', 'client-query-buffer-limit', String(MB));
    await admin.call('ACL', 'SETUSER', 'default', '-config');
  }
  const bulk = new BulkWrites(client);
  try {
    const error: unknown = await bulk
      .run(4 * MB, (one) => one.set('value', Buffer.alloc(4 * MB)))
      .catch((e) => e);
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).name).not.toBe('SizeRefused');
  } finally {
    await bulk.close();
    for (const admin of admins) await admin.call('ACL', 'SETUSER', 'default', '+config');
  }
});
