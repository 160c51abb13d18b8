import { hostname } from 'node:os';
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

it('workers are stopped without a Redis too, with a warning that the entry is missing', async () => {
  expect((await start('alone')).exitCode).toBe(0);
  const env = { INFER_REDIS_URL: 'redis://127.0.0.1:1' };
  const stopped = await infer.run(['workers', 'stop', 'alone', '--json'], { env });
  expect(stopped.exitCode).toBe(0);
  expect(stopped.json()).toMatchObject({ workers: [{ name: 'alone', outcome: 'stopped' }] });
  expect(stopped.stderr).toMatch(/the audit log has no entry of this: /);
});
