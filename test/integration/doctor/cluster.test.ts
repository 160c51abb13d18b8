import { afterAll, beforeAll, expect, it } from 'vitest';
import { resultKey } from '../../../src/lib/queue/keys.js';
import { connect } from '../../../src/lib/redis/connect.js';
import { startCluster, type TestCluster } from '../../support/cluster.js';
import { examine } from './doctor-kit.js';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.stop());

it('infer doctor checks a Cluster like a single server', async () => {
  const target = { url: cluster.url, label: cluster.url, source: 'flag' as const };
  const settings = { url: cluster.url, connectTimeoutMs: 3000, stateDir: '/nowhere', autostart: false };
  const client = await connect(target, 'command', settings);
  for (const queue of ['a', 'b', 'c', 'd']) await client.set(resultKey(`{infer:${queue}}`, 'j'), 'x');
  const { of, verdict } = await examine({ INFER_REDIS_URL: cluster.url }, ['redis', 'queues', 'workers']);
  client.disconnect();
  expect(verdict.counts.fail).toBe(0);
  expect(of('redis-rights')).toMatchObject({ status: 'ok' });
  expect(of('redis-role').found).toContain('of 3 nodes of a Cluster');
  expect(of('redis-results').found).toContain('100 % of what is stored');
});
