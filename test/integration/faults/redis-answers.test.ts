import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../support/ports.js';
import { useRedis } from '../../support/redis.js';
import { until } from './fault-kit.js';
import { LINES_A_MINUTE, loggedWorker, measured, row, useOutage } from './outage-kit.js';

const redis = useRedis({ port: true });
const outage = useOutage(redis);
const { kit } = outage;
/** How long a wrong answer lasts: several rounds of every retry. */
const TROUBLE_MS = 2500;

const connections = async (): Promise<number> => {
  const stats = await outage.redisClient.info('stats');
  return Number(/total_connections_received:(\d+)/.exec(stats)?.[1]);
};

describe('a Redis that answers with errors:', () => {
  it('CLIENT KILL of every connection, repeatedly: the run is committed once', async () => {
    const lines = await loggedWorker(kit);
    const id = await outage.inFlight();
    for (let i = 0; i < 5; i++) {
      await outage.redisClient.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await delay(100);
    }
    expect(await outage.end(id)).toMatchObject({ state: 'completed', attempts: 1 });
    await outage.redisClient.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    const ended = await outage.end(await outage.submit(0));
    expect(ended.state).toBe('completed');
    measured('client kill, a job after', ended.seconds);
    await outage.clean();
    expect(lines.troubles.length).toBeLessThan(LINES_A_MINUTE);
  });

  it('READONLY: no storm of connections or log lines, a client gets an error, work resumes afterwards', async () => {
    const lines = await loggedWorker(kit, { queues: ['realtime', 'batch', 'default'] });
    const id = await outage.inFlight();
    await outage.redisClient.replicaof('127.0.0.1', await freePort());
    try {
      const before = await connections();
      const from = performance.now();
      const refused = outage.with((client) => client.submit(row(0), { model: 'slow' }));
      await expect(refused).rejects.toMatchObject({ code: 'REDIS_READONLY', exitCode: 75 });
      expect(performance.now() - from).toBeLessThan(20_000);
      await delay(TROUBLE_MS);
      expect((await connections()) - before).toBeLessThan(40);
    } finally {
      await outage.redisClient.replicaof('NO', 'ONE');
    }
    const ended = await outage.end(id);
    expect(ended).toMatchObject({ state: 'completed', attempts: 1 });
    const fresh = await outage.end(await outage.submit(0));
    measured('readonly over, a job after', fresh.seconds);
    await outage.clean();
    expect(lines.troubles.length).toBeLessThan(LINES_A_MINUTE);
  });

  it('NOAUTH at run time: a client gets an error, and the worker resumes once it is authorised again', async () => {
    const lines = await loggedWorker(kit, { queues: ['realtime', 'batch', 'default'] });
    const id = await outage.inFlight();
    const secret = 'a-password-nobody-was-given';
    await outage.redisClient.config('SET', 'requirepass', secret);
    try {
      await outage.redisClient.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      const from = performance.now();
      const refused = outage.with((client) => client.submit(row(0), { model: 'slow' }));
      await expect(refused).rejects.toMatchObject({ code: 'REDIS_AUTH', exitCode: 77 });
      expect(performance.now() - from).toBeLessThan(20_000);
      await delay(TROUBLE_MS);
    } finally {
      await outage.redisClient.config('SET', 'requirepass', '');
    }
    const ended = await outage.end(id);
    expect(ended).toMatchObject({ state: 'completed' });
    const fresh = await outage.end(await outage.submit(0));
    measured('noauth over, the run that was on', ended.seconds);
    measured('noauth over, a job after', fresh.seconds);
    await outage.clean();
    expect(lines.text).not.toContain(secret);
    expect(lines.troubles.length).toBeLessThan(LINES_A_MINUTE);
  });

  it('SCRIPT FLUSH during a run: the run completes as usual', async () => {
    const lines = await loggedWorker(kit);
    const id = await outage.inFlight();
    await outage.redisClient.script('FLUSH');
    expect(await outage.end(id)).toMatchObject({ state: 'completed', attempts: 1 });
    await outage.redisClient.script('FLUSH');
    expect((await outage.end(await outage.submit(0))).state).toBe('completed');
    expect(lines.troubles).toEqual([]);
  });

  it('pausing longer than a lock renewal: nothing is lost and nothing runs twice', async () => {
    await kit.worker({ lockMs: 6000 });
    const id = await outage.inFlight();
    await outage.redisClient.call('CLIENT', 'PAUSE', '2500', 'ALL');
    expect(await outage.end(id)).toMatchObject({ state: 'completed', attempts: 1 });
    await until(async () => ((await outage.redisClient.keys('*:lock')).length === 0 ? true : undefined));
  });
});
