import { afterAll, beforeAll, expect, it } from 'vitest';
import { until, useInfer } from '../../support/cli.js';
import { startCluster, type TestCluster } from '../../support/cluster.js';
import { digitLines, ONE_DIGIT } from '../../support/digits.js';

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
const control = (...args: string[]) => infer.run(['control', ...args], { env: env() });

it('on a Cluster, jobs move to a queue on another node, workers take orders, and chunks stay with their group', async () => {
  const homes = await Promise.all(['realtime', 'batch'].map((queue) => cluster.nodeOf(`{infer:${queue}}`)));
  expect(homes[0]?.port).not.toBe(homes[1]?.port);
  const submitter = infer.start(
    ['submit', ONE_DIGIT, '-Q', 'realtime', '--id', 'far-1', '--wait', '--json'],
    {
      env: env(),
    },
  );
  const source = await (homes[0] as NonNullable<(typeof homes)[0]>).client();
  await until(async () =>
    (await source.zcard('{infer:realtime}:realtime:prioritized')) === 1 ? true : undefined,
  );

  const worker = await infer.worker(['-Q', 'batch', '--name', 'far'], { env: env() });
  const moved = await control('move', 'far-1', '--to', 'batch');
  expect(moved.stdout).toContain('far-1\tbatch\tmoved to batch');
  const { stdout, exitCode } = await submitter;
  expect([exitCode, JSON.parse(String(stdout))]).toMatchObject([
    0,
    { state: 'completed', result: { class: 2 } },
  ]);
  expect((await infer.run(['result', 'far-1', '--json'], { env: env() })).json()).toMatchObject({
    queue: 'batch',
  });

  const rows = infer.file('rows.ndjson', digitLines(600));
  const submitted = await infer.run(['submit', rows, '-Q', 'realtime', '--json'], { env: env() });
  const { group } = submitted.json<{ group: string }>();
  const stay = await control('move', group, '--to', 'batch', '--yes', '--json');
  expect(stay.exitCode).toBe(1);
  expect(stay.json<{ jobs: { outcome: string }[] }>().jobs.map(({ outcome }) => outcome)).toEqual(
    Array(3).fill('chunk in a Cluster'),
  );
  expect((await control('purge', 'realtime', '--yes')).stdout).toBe('purged 3 waiting jobs of realtime\n');
  expect((await control('set', 'far', 'concurrency', '2')).stdout).toContain('concurrency 2, was 1');
  expect((await control('drain', 'far', '--wait')).exitCode).toBe(0);
  expect(await worker.exited).toBe(0);
  expect((await cluster.errors()).get('CROSSSLOT')).toBeUndefined();
});
