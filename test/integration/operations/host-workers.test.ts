import { expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { type HostWorker, performOnHost } from '../../../src/lib/operations/host-workers.js';
import { readAudit } from '../../../src/lib/queue/audit.js';
import { useRedis } from '../../support/redis.js';
import { ADA } from './operations-kit.js';

const redis = useRedis();
const worker = (name: string, outcome: HostWorker['outcome']): HostWorker => ({ name, outcome });

it('the entry of a restart tells how many workers run again, also when it fails half way', async () => {
  const client = await redis.client();
  const unaudited: unknown[] = [];
  const caller = {
    prefix: 'host',
    actor: ADA,
    signal: new AbortController().signal,
    withAuditLog: (write: (on: typeof client) => Promise<void>) => write(client),
    onUnaudited: (error: unknown) => void unaudited.push(error),
  };
  const restart = (run: (onWorker: (one: HostWorker) => void) => Promise<HostWorker[]>) =>
    performOnHost({ action: 'workers restart', target: 'a b', run }, caller);
  await restart(async () => [worker('a', 'started'), worker('b', 'failed')]);
  await restart(async () => [worker('a', 'not running')]);
  const half = restart(async (onWorker) => {
    onWorker(worker('a', 'started'));
    throw new InferError('CONFIG', 'a setting is wrong');
  });
  await expect(half).rejects.toMatchObject({ code: 'CONFIG' });
  const entries = await readAudit(client, 'host', 10);
  expect(entries).toMatchObject([
    { ...ADA, outcome: 'failed', code: 'CONFIG', count: 1, result: 'a setting is wrong' },
    { ...ADA, outcome: 'partial', code: null, count: 1, result: 'a started, b failed' },
  ]);
  // Redis does not answer: the entry would only make the caller wait once more.
  const away = restart(async (onWorker) => {
    onWorker(worker('a', 'started'));
    throw new InferError('REDIS_UNREACHABLE', 'no Redis');
  });
  await expect(away).rejects.toMatchObject({ code: 'REDIS_UNREACHABLE' });
  // Also when it ended a worker and could not start it again.
  const ended = restart(() => Promise.reject(new InferError('REDIS_UNREACHABLE', 'no Redis')));
  await expect(ended).rejects.toMatchObject({ code: 'REDIS_UNREACHABLE' });
  expect(unaudited).toHaveLength(2);
  expect(await readAudit(client, 'host', 10)).toHaveLength(2);
});

it('an interrupted restart leaves an entry with how many workers run again', async () => {
  const client = await redis.client();
  const caller = {
    prefix: 'half',
    actor: ADA,
    signal: AbortSignal.abort(new Error('stopped by SIGINT')),
    withAuditLog: (write: (on: typeof client) => Promise<void>) => write(client),
    onUnaudited: (error: unknown) => {
      throw error;
    },
  };
  const run = async () => [worker('a', 'started')];
  await performOnHost({ action: 'workers restart', target: 'a b', run }, caller);
  const entry = { outcome: 'failed', code: 'INTERRUPTED', count: 1, result: 'stopped by SIGINT' };
  expect(await readAudit(client, 'half', 10)).toMatchObject([{ ...ADA, ...entry }]);
});
