import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type AclRole, aclRules } from '../../../src/lib/redis/acl.js';
import { denials, setUser } from '../../support/acl.js';
import { useInfer } from '../../support/cli.js';
import { startCluster, type TestCluster } from '../../support/cluster.js';
import { DIGIT_ROWS, digitLines, ONE_DIGIT } from '../../support/digits.js';
import type { TestRedis } from '../../support/redis.js';
import { SUBMITTER, walkTheRoad } from './road.js';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster.stop();
});
// After the cluster's hooks, so that its processes end before the nodes.
const infer = useInfer();
const env = (): Record<string, string> => ({ INFER_REDIS_URL: cluster.url });

it('a cluster processes a job and a group from submit to result, with each queue in its own slot', async () => {
  // With the least-privilege users, which a Cluster requires for some commands.
  const as = (role: AclRole) => ({ INFER_REDIS_URL: cluster.url.replace('://', `://${role}:secret@`) });
  for (const role of ['producer', 'worker', 'inspector'] as const) {
    for (const node of cluster.nodes) await setUser(node, role, 'secret', aclRules(role, 'infer'));
  }
  const served = await infer.worker(['-Q', 'realtime,batch'], { env: as('worker') });
  await walkTheRoad(infer, { producer: as('producer'), inspector: as('inspector') });
  for (const node of cluster.nodes) expect(await denials(node)).toEqual([]);

  const homes = await Promise.all(
    ['realtime', 'batch'].map((queue) => cluster.nodeOf(`{infer:${queue}}:${queue}:completed`)),
  );
  for (const [index, queue] of ['realtime', 'batch'].entries()) {
    const client = await (homes[index] as TestRedis).client();
    expect(await client.zcard(`{infer:${queue}}:${queue}:completed`)).toBeGreaterThan(0);
  }
  expect(homes[0]?.port).not.toBe(homes[1]?.port);
  expect(await served.stop()).toBe(0);
  const workers = await (await cluster.nodeOf('{infer}:workers')).client();
  expect(await workers.zcard('{infer}:workers')).toBe(0);
  expect((await cluster.errors()).get('CROSSSLOT')).toBeUndefined();
});

it('a worker keeps working through the failure and return of the node that holds its queue', async () => {
  const served = await infer.worker(['-Q', 'realtime,batch'], { env: { ...env(), INFER_LOCK_TTL: '2s' } });
  const rows = infer.file('many.ndjson', digitLines(4000));
  const submitted = await infer.run(['submit', rows, '-Q', 'batch', '--json'], { env: env() });
  const { group } = submitted.json<{ group: string }>();
  // A program that keeps submitting to that queue, before, during and after.
  const program = infer.script(SUBMITTER, {
    env: { ...env(), QUEUE: 'batch', ROW: JSON.stringify(DIGIT_ROWS[0]?.pixels) },
  });
  await once(program.stdout as Readable, 'data');

  const node = await cluster.nodeOf('{infer:batch}');
  await node.kill();
  // Long enough for the other nodes to mark it as failed: they answer CLUSTERDOWN from then on.
  const [witness] = cluster.nodes.filter((other) => other !== node) as [TestRedis];
  await cluster.says(witness, 'cluster_state:fail');
  const refused = await infer.run(['submit', ONE_DIGIT, '-Q', 'batch', '--json'], { env: env() });
  // 69 when its first PING went to the dead node.
  expect([69, 75], refused.stdout).toContain(refused.exitCode);
  expect(refused.stdout).toMatch(/"REDIS_(CLUSTER_DOWN|UNREACHABLE)"/);
  await node.restart();
  await cluster.whole();

  program.kill('SIGTERM');
  const { stdout, stderr } = await program;
  expect(stderr).toBe('');
  const [jobs, states] = JSON.parse(String(stdout).trim().split('\n').at(-1) ?? '') as [number, string[]];
  expect(jobs).toBeGreaterThan(0);
  expect(states).toEqual(['completed']);
  const result = await infer.run(['result', group, '--wait', '20s', '--json'], { env: env() });
  expect(result.exitCode, result.stdout).toBe(0);
  expect(result.json()).toMatchObject({ state: 'completed', rowsDone: 4000, jobsFailed: 0 });
  expect((await infer.run(['submit', ONE_DIGIT, '--wait'], { env: env() })).exitCode).toBe(0);
  expect(await served.stop()).toBe(0);
  expect((await cluster.errors()).get('CROSSSLOT')).toBeUndefined();
});
