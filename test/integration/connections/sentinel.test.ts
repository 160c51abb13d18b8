import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until, useInfer } from '../../support/cli.js';
import { startSentinel, type TestSentinel } from '../../support/cluster.js';
import { DIGIT_ROWS, digitLines } from '../../support/digits.js';
import { startRedis, type TestRedis } from '../../support/redis.js';
import { SUBMITTER } from './road.js';

let master: TestRedis;
let replica: TestRedis;
let sentinel: TestSentinel;
const ROWS = 4000;

beforeAll(async () => {
  master = await startRedis({ port: true, args: ['--repl-diskless-sync-delay', '0'] });
  replica = await startRedis({ port: true, args: ['--replicaof', '127.0.0.1', String(master.port)] });
  const client = await replica.client();
  await until(async () => (await client.info('replication')).includes('master_link_status:up') || undefined);
  sentinel = await startSentinel(master.port as number);
});
afterAll(async () => {
  await sentinel?.stop();
  await Promise.all([master?.stop(), replica?.stop()]);
});
const infer = useInfer();

it('a worker finishes a group through a Sentinel failover, and no row is lost or failed', async () => {
  const env = { INFER_REDIS_URL: sentinel.url, INFER_LOCK_TTL: '1s' };
  // Two rows per run: slow enough for the failover to happen in the middle, also on a busy machine.
  const worker = await infer.worker(['-Q', 'realtime,batch', '--max-batch', '2'], { env });
  const rows = infer.file('many.ndjson', digitLines(ROWS));
  const submitted = await infer.run(['submit', rows, '--json'], { env });
  expect(submitted.exitCode, submitted.stdout).toBe(0);
  const { group } = submitted.json<{ group: string }>();
  const program = infer.script(SUBMITTER, {
    env: { ...env, QUEUE: 'realtime', ROW: JSON.stringify(DIGIT_ROWS[0]?.pixels) },
  });
  await once(program.stdout as Readable, 'data');

  await sentinel.failover();
  await until(async () => (await sentinel.master()) === replica.port || undefined);
  const promoted = await replica.client();
  const key = `{infer:batch}:grp:${group}`;
  expect(Number(await promoted.hget(key, 'rd'))).toBeLessThan(ROWS);

  const result = await infer.run(['result', group, '--wait', '80s', '--json'], { env });
  expect(result.exitCode, result.stdout.slice(0, 500)).toBe(0);
  const ended = result.json<{ results: { class?: number }[] }>();
  expect(ended).toMatchObject({ state: 'completed', rowsDone: ROWS, jobsFailed: 0 });
  expect(ended.results.filter((row) => typeof row.class === 'number')).toHaveLength(ROWS);

  program.kill('SIGTERM');
  const { stdout, stderr } = await program;
  expect(stderr).toBe('');
  expect(JSON.parse(String(stdout).trim().split('\n').at(-1) ?? '')[1]).toEqual(['completed']);
  expect(await worker.stop()).toBe(0);
  expect(await promoted.zcard('{infer}:workers')).toBe(0);
  expect(await promoted.zcard('{infer:batch}:batch:failed')).toBe(0);
});
