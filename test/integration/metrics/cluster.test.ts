import { afterAll, beforeAll, expect, it } from 'vitest';
import { aclRules } from '../../../src/lib/redis/acl.js';
import { denials, setUser } from '../../support/acl.js';
import { useInfer } from '../../support/cli.js';
import { startCluster, type TestCluster } from '../../support/cluster.js';
import { ONE_DIGIT } from '../../support/digits.js';
import { exposedValue, parseExposition } from '../../support/exposition.js';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster.stop();
});
const infer = useInfer();

it('the exporter reads a Cluster node by node, as a read-only user', async () => {
  const env = { INFER_REDIS_URL: cluster.url };
  for (const queue of ['realtime', 'batch', 'other']) {
    expect((await infer.run(['submit', ONE_DIGIT, '-Q', queue], { env })).exitCode).toBe(0);
  }
  for (const node of cluster.nodes) await setUser(node, 'looker', 'secret', aclRules('inspector', 'infer'));
  const run = await infer.run(['metrics', '--once'], {
    env: { INFER_REDIS_URL: cluster.url.replace('://', '://looker:secret@') },
  });
  expect(run).toMatchObject({ exitCode: 0, stderr: '' });
  const metrics = parseExposition(run.stdout);
  const nodes = metrics.get('infer_redis_memory_used_bytes')?.samples.map(({ labels }) => labels.node);
  expect(nodes?.sort()).toEqual(cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).sort());
  for (const queue of ['realtime', 'batch', 'other']) {
    expect(exposedValue(metrics, 'infer_queue_jobs', { queue, state: 'waiting' })).toBe(1);
    expect(exposedValue(metrics, 'infer_jobs_submitted_total', { queue })).toBe(1);
  }
  for (const node of cluster.nodes) expect(await denials(node)).toEqual([]);
});
