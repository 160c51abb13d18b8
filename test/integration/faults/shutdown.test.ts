import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { bullBase } from '../../../src/lib/queue/keys.js';
import { useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { childrenOf, lives, type TestWorker } from '../../support/worker.js';
import { until } from './fault-kit.js';
import { measured, PREFIX, useOutage } from './outage-kit.js';

const redis = useRedis({ port: true });
const outage = useOutage(redis);
const { kit } = outage;
const infer = useInfer(redis);
/** Over half an hour: only the end of its worker or a limit can end such a run. */
const ENDLESS = 1_000_000;
/** From here on a second signal counts. */
const SECOND_PRESS_MS = 300;

/** A worker process on a queue of this test. */
async function worker(queue: string, options: { lock?: string; args?: string[] } = {}): Promise<TestWorker> {
  const { lock, args = [] } = options;
  const where = ['--prefix', PREFIX, '--models', kit.modelsDir, '--model', 'slow', '-Q', queue];
  const env = lock === undefined ? {} : { INFER_LOCK_TTL: lock };
  return infer.worker([...where, '--max-batch', '1', ...args], { env });
}

const stateOf = (id: string) => outage.with((client) => client.result(id));
const keysOf = (queue: string, part: string) => outage.redisClient.keys(`{${PREFIX}:${queue}}*${part}`);

/** Nothing stays active or leased: no lock, no entry, no heartbeat, no GPU. */
async function nothingHeld(queue: string): Promise<void> {
  expect(await keysOf(queue, ':lock')).toEqual([]);
  expect(await outage.redisClient.llen(`${bullBase(PREFIX, queue)}active`)).toBe(0);
  expect(await outage.redisClient.zcard(`{${PREFIX}}:workers`)).toBe(0);
  expect(await outage.redisClient.keys(`{${PREFIX}}:worker:*`)).toEqual([]);
  expect(await outage.redisClient.keys(`{${PREFIX}}:lease:*`)).toEqual([]);
}

describe('a worker that is stopped', () => {
  it('by SIGTERM finishes within --drain-timeout or returns its jobs; nothing stays active or leased', async () => {
    const queue = 'drain';
    const running = await outage.submit(ENDLESS, undefined, queue);
    const waiting = await outage.submit(0, undefined, queue);
    const process = await worker(queue, { args: ['--drain-timeout', '1s', '--gpu', '0'] });
    await outage.active(queue);
    expect(await outage.redisClient.keys(`{${PREFIX}}:lease:*`)).toHaveLength(1);
    const from = performance.now();
    process.signal('SIGTERM');
    expect(await process.exited).toBe(0);
    const seconds = (performance.now() - from) / 1000;
    expect(seconds).toBeGreaterThan(0.9);
    expect(seconds).toBeLessThan(6);
    measured('SIGTERM with --drain-timeout 1s, gone', seconds);
    await nothingHeld(queue);
    for (const id of [running, waiting])
      expect(await stateOf(id)).toMatchObject({ state: 'waiting', attempts: 0 });
  });

  it('by a second signal returns its jobs at once, whatever the drain timeout', async () => {
    const queue = 'leave';
    const running = await outage.submit(ENDLESS, undefined, queue);
    const process = await worker(queue, { args: ['--gpu', '0'] });
    await outage.active(queue);
    process.signal('SIGTERM');
    await process.said(/^stopping:/m);
    await delay(SECOND_PRESS_MS);
    const from = performance.now();
    process.signal('SIGINT');
    await process.exited;
    expect(performance.now() - from).toBeLessThan(4000);
    await nothingHeld(queue);
    expect(await stateOf(running)).toMatchObject({ state: 'waiting', attempts: 0 });
  });
});

describe('a worker that disappears', () => {
  it('for longer than its lock cannot commit its late outcome', async () => {
    const queue = 'stale';
    const id = await outage.submit(400, undefined, queue);
    const stale = await worker(queue, { lock: '1s', args: ['--name', 'stale'] });
    await outage.active(queue);
    stale.signal('SIGSTOP');
    await worker(queue, { lock: '1s', args: ['--name', 'second'] });
    const first = await outage.end(id);
    expect(first).toMatchObject({ state: 'completed', worker: 'second', attempts: 2 });
    stale.signal('SIGCONT');
    await stale.said(/locks lost|outcome refused/);
    await outage.submit(0, undefined, queue).then((next) => outage.end(next));
    const { seconds: _, ...before } = first;
    expect(await stateOf(id)).toEqual(before);
    expect(await outage.redisClient.zcard(`${bullBase(PREFIX, queue)}completed`)).toBe(2);
    await stale.stop();
  });

  it('by kill -9 has its running and waiting jobs run elsewhere within 15 s', async () => {
    const queue = 'killed';
    const running = await outage.submit(ENDLESS, undefined, queue);
    const waiting = await outage.submit(0, undefined, queue);
    const killed = await worker(queue);
    await outage.active(queue);
    await worker(queue, { args: ['--name', 'heir'] });
    const from = performance.now();
    killed.signal('SIGKILL');
    await killed.exited;
    const job = `${bullBase(PREFIX, queue)}${running}`;
    const takenBy = async () => ((await outage.redisClient.hget(job, 'pb')) === 'heir' ? true : undefined);
    await until(takenBy, 20_000);
    const seconds = (performance.now() - from) / 1000;
    measured('worker kill -9, its job runs elsewhere', seconds);
    expect(seconds).toBeLessThan(15);
    expect(await stateOf(running)).toMatchObject({ state: 'active', attempts: 2 });
    await outage.with((client) => client.cancel(running));
    expect(await outage.end(waiting)).toMatchObject({ state: 'completed', worker: 'heir' });
    expect((await outage.end(running)).state).toBe('cancelled');
  });

  it('three times with the same job fails that job as POISON', async () => {
    const queue = 'poison';
    const runners: number[] = [];
    const id = await outage.submit(ENDLESS, undefined, queue);
    for (let i = 0; i < 3; i++) {
      const victim = await worker(queue, { lock: '1s' });
      await until(async () => ((await keysOf(queue, ':lock')).length > 0 ? true : undefined));
      runners.push(...childrenOf(victim.pid));
      victim.signal('SIGKILL');
      await victim.exited;
      await until(async () => ((await keysOf(queue, ':lock')).length === 0 ? true : undefined));
    }
    const last = await worker(queue, { lock: '1s' });
    const failed = await outage.end(id);
    expect(failed).toMatchObject({ state: 'failed', attempts: 3, error: { code: 'POISON' } });
    expect(failed.error?.hint).toContain('infer retry');
    // Runs of half an hour were in progress: runners end with their worker nevertheless.
    await until(async () => (runners.some(lives) ? undefined : true));
    await last.said(/lost its worker too often/);
    const next = await outage.end(await outage.submit(0, undefined, queue));
    expect(next.state).toBe('completed');
    await last.stop();
  });
});
