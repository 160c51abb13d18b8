import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connect } from '../../../src/lib/redis/connect.js';
import { until, useInfer } from '../../support/cli.js';
import { startSentinel, type TestSentinel } from '../../support/cluster.js';
import { DIGIT_ROWS } from '../../support/digits.js';
import { startRedis, type TestRedis } from '../../support/redis.js';

/**
 * Submits without a pause, several at a time, until told to end; prints `[id, when it was accepted]` of each, and what
 * failed.
 */
const PRESS = `import { InferClient } from 'infer-queue';
  const row = ${JSON.stringify(DIGIT_ROWS[0]?.pixels)}, accepted = [], failed = [];
  const losses = [];
  let over = false;
  process.on('SIGTERM', () => { over = true; });
  const client = await InferClient.connect({ onDataLost: (loss) => losses.push(loss) });
  await Promise.all([1, 2, 3, 4].map(async () => {
    while (!over) {
      try {
        const { id } = await client.submit(row, { queue: 'unserved' });
        if (accepted.push([id, Date.now()]) === 100) console.log('under way');
      } catch (error) {
        failed.push(error.code);
      }
    }
  }));
  await client.close();
  console.log(JSON.stringify({ accepted, failed, losses }));`;

interface Pressed {
  accepted: [id: string, at: number][];
  failed: string[];
  losses: { kind: string }[];
}

const infer = useInfer();
let master: TestRedis;
let replica: TestRedis;
let sentinel: TestSentinel;

beforeEach(async () => {
  master = await startRedis({ port: true, args: ['--repl-diskless-sync-delay', '0'] });
  replica = await startRedis({ port: true, args: ['--replicaof', '127.0.0.1', String(master.port)] });
  const own = await replica.client();
  await until(async () => (await own.info('replication')).includes('master_link_status:up') || undefined);
  sentinel = await startSentinel(master.port as number);
});
afterEach(async () => {
  await sentinel?.stop();
  await Promise.all([master?.stop(), replica?.stop()]);
});

/** A planned failover under load: what was accepted, and which of it the new master does not have. */
async function failOver(): Promise<Pressed & { lost: [string, number][] }> {
  const program = infer.script(PRESS, { env: { INFER_REDIS_URL: sentinel.url } });
  await once(program.stdout as Readable, 'data');
  await sentinel.failover();
  await until(async () => (await sentinel.master()) === replica.port || undefined);
  const promoted = await replica.client();
  const set = '{infer:unserved}:unserved:prioritized';
  const before = await promoted.zcard(set);
  // It continues on the new master.
  await until(async () => (await promoted.zcard(set)) > before + 200 || undefined, 60_000);
  program.kill('SIGTERM');
  const { stdout, stderr } = await program;
  expect(stderr).toBe('');
  const pressed = JSON.parse(String(stdout).trim().split('\n').at(-1) ?? '') as Pressed;
  const there = await Promise.all(pressed.accepted.map(([id]) => promoted.zscore(set, id)));
  const lost = pressed.accepted.filter((_, i) => there[i] === null);
  return { ...pressed, lost };
}

it('submits leave the old master before its replica is promoted, and continue on the new one', async () => {
  const { accepted, lost, failed, losses } = await failOver();
  expect(accepted.length).toBeGreaterThan(300);
  expect(failed).toEqual([]);
  // What the old master accepts between the sentinels' choice and this program learning of it: nothing, or what was in
  // flight. Clients that stay until the switch lose a second of work, and those that never learn of it lose ten.
  const times = lost.map(([, at]) => at);
  expect(Math.max(0, ...times) - Math.min(Math.max(0, ...times), ...times)).toBeLessThan(500);
  if (lost.length === 0) expect(losses.filter(({ kind }) => kind === 'all')).toEqual([]);
});

it('a demoted server that sentinels still name is not used as the master', async () => {
  const old = await master.client();
  await old.call('REPLICAOF', '127.0.0.1', String(replica.port));
  const target = { url: sentinel.url, label: sentinel.url, source: 'flag' as const };
  const settings = master.settings({ url: sentinel.url, connectTimeoutMs: 1500 });
  await expect(connect(target, 'command', settings)).rejects.toMatchObject({ code: 'REDIS_READONLY' });
});
