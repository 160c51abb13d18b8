import { readFileSync } from 'node:fs';
import { constants, hostname } from 'node:os';
import { afterEach, expect, it } from 'vitest';
import { readAudit } from '../../src/lib/queue/audit.js';
import { useInfer } from '../support/cli.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);
afterEach(async () => {
  await infer.run(['workers', 'stop', '--all', '--force']);
});

const start = (name: string) =>
  infer.run(['workers', 'start', '--name', name, '-Q', name, '--', '--model', 'digits', '--threads', '1']);
/** Whether a stopped process has been sent a signal that it has not received yet. */
function isPending(signal: 'SIGTERM', pid: number): boolean {
  const mask = /^ShdPnd:\s*([0-9a-f]+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${mask}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
}
const audit = async () => readAudit(await redis.client(), 'infer', 10);

it('stopping and restarting background workers leaves an entry each in the audit log', async () => {
  expect((await start('noted')).exitCode).toBe(0);
  const restarted = await infer.run(['workers', 'restart', 'noted', '--as', 'ada']);
  expect(restarted.exitCode).toBe(0);
  const stopped = await infer.run(['workers', 'stop', 'noted'], { env: { INFER_OPERATOR: 'grace' } });
  expect([stopped.exitCode, stopped.stderr]).toEqual([0, expect.not.stringContaining('audit')]);
  // Nothing runs any more, so nothing is changed.
  expect((await infer.run(['workers', 'stop', '--as', 'ada'])).exitCode).toBe(0);
  const both = { host: hostname(), channel: 'cli', target: 'noted', count: 1, outcome: 'ok', code: null };
  expect(await audit()).toMatchObject([
    { ...both, action: 'workers stop', who: 'grace', result: 'noted stopped' },
    { ...both, action: 'workers restart', who: 'ada', result: 'noted started' },
  ]);
});

it('Ctrl-C on workers stop ends the wait, and leaves an entry', async () => {
  expect((await start('slow')).exitCode).toBe(0);
  const { workers } = (await infer.run(['workers', 'list', '--json'])).json<{ workers: { pid: number }[] }>();
  const pid = workers[0]?.pid as number;
  // It cannot react to the order while it is stopped.
  process.kill(pid, 'SIGSTOP');
  try {
    const stopping = infer.start(['workers', 'stop', '--all', '--timeout', '5m']);
    await expect.poll(() => isPending('SIGTERM', pid)).toBe(true);
    stopping.kill('SIGINT');
    expect((await stopping).exitCode).toBe(130);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  const entry = { action: 'workers stop', target: 'all', outcome: 'failed', code: 'INTERRUPTED', count: 0 };
  expect((await audit())[0]).toMatchObject(entry);
});

it('workers are stopped without a Redis too, with a warning that the entry is missing', async () => {
  expect((await start('alone')).exitCode).toBe(0);
  const env = { INFER_REDIS_URL: 'redis://127.0.0.1:1' };
  const stopped = await infer.run(['workers', 'stop', 'alone', '--json'], { env });
  expect(stopped.exitCode).toBe(0);
  expect(stopped.json()).toMatchObject({ workers: [{ name: 'alone', outcome: 'stopped' }] });
  expect(stopped.stderr).toMatch(/the audit log has no entry of this: /);
});
