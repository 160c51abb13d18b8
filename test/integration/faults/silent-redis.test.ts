import { afterEach, describe, expect, it, vi } from 'vitest';
import { InferClient } from '../../../src/lib/client/client.js';
import type { Chunk } from '../../../src/lib/input/chunk.js';
import { stateOf } from '../../support/process-table.js';
import { useRedis } from '../../support/redis.js';
import { until } from './fault-kit.js';
import { row, useOutage } from './outage-kit.js';

const redis = useRedis();
const { kit } = useOutage(redis);
const clients: InferClient[] = [];
const LIMIT_MS = 300;

/** A client as `InferClient.connect` creates it, with no limit on waiting for Redis. */
async function longLived(): Promise<InferClient> {
  const config = { prefix: 'faults', modelsDir: kit.modelsDir, resultTtl: 600, redis: redis.settings() };
  const client = await InferClient.open(config, 'worker');
  clients.push(client);
  return client;
}

/** The connection stays open, and nothing answers. */
async function silence(): Promise<void> {
  process.kill(redis.pid, 'SIGSTOP');
  await until(async () => (stateOf(redis.pid) === 'T' ? true : undefined));
}

afterEach(async () => {
  process.kill(redis.pid, 'SIGCONT');
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

it('connecting to a silent Redis keeps its time limit', async () => {
  await silence();
  const connecting = InferClient.connect({ redis: redis.url, timeoutMs: LIMIT_MS });
  await expect(connecting).rejects.toMatchObject({ code: 'REDIS_TIMEOUT', exitCode: 69 });
});

describe('a client of a silent Redis', () => {
  it('keeps the time limit of every call', async () => {
    const client = await longLived();
    const { id } = await client.submit(row(0), { model: 'slow', queue: 'nobody' });
    const signature = await client.signatures.find('slow');
    const chunks = async function* (): AsyncGenerator<Chunk> {};
    const group = await client.submitMany(chunks(), signature, { model: 'slow', queue: 'nobody' });
    const record = { ...(await client.group(group.group)), jobs: 1 };
    await silence();
    const limits = { timeoutMs: LIMIT_MS };
    const chunk = { next: () => client.groupChunks(record, limits).next() };
    const redisCalls = {
      submit: client.submit(row(0), { model: 'slow', ...limits }),
      openGroup: client.openGroup(signature, limits),
      submitMany: client.submitMany(chunks(), signature, limits),
      result: client.result(id, limits),
      group: client.group(group.group, limits),
      groupChunks: chunk.next(),
      find: client.find(id, limits),
      cancel: client.cancel(id, limits),
      retry: client.retry(id, limits),
      retryFailed: client.retryFailed('nobody', limits),
      hasWorker: client.hasWorker('nobody', limits),
      runNotAccepted: client.run(row(0), { model: 'slow', ...limits }),
    };
    const waits = { wait: client.wait(id, limits), waitGroup: client.waitGroup(group.group, limits) };
    for (const call of [...Object.values(redisCalls), ...Object.values(waits)]) call.catch(() => undefined);
    for (const [name, call] of Object.entries(redisCalls))
      await expect(call, name).rejects.toMatchObject({ code: 'REDIS_TIMEOUT', exitCode: 69 });
    for (const [name, call] of Object.entries(waits))
      await expect(call, name).rejects.toMatchObject({ code: 'WAIT_TIMEOUT', exitCode: 75 });
  });

  it('reports no missing audit entry for calls that could not begin', async () => {
    const client = await longLived();
    const { id } = await client.submit(row(0), { model: 'slow', queue: 'nobody' });
    const warn = vi.spyOn(process, 'emitWarning');
    try {
      await silence();
      const limits = { timeoutMs: LIMIT_MS, as: 'ada' };
      const calls = [
        client.cancel(id, limits),
        client.retry(id, limits),
        client.retryFailed('nobody', limits),
      ];
      for (const call of calls) call.catch(() => undefined);
      for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'REDIS_TIMEOUT' });
      process.kill(redis.pid, 'SIGCONT');
      // The commands already sent are answered first.
      await client.redis.ping();
      await client.close();
      const codes = warn.mock.calls.map(([, options]) => (options as { code?: string } | undefined)?.code);
      expect(codes).not.toContain('AUDIT_LOST');
    } finally {
      warn.mockRestore();
    }
  });

  it('says that a job whose submit timed out may be queued, and under which id', async () => {
    const client = await longLived();
    await client.signatures.find('slow');
    await silence();
    const submitting = client.submit(row(0), { model: 'slow', id: undefined, timeoutMs: LIMIT_MS });
    await expect(submitting).rejects.toThrow(/whether j\w+ was queued is not known/);
  });

  it('returns when the signal aborts, with its reason, also in a run that was accepted', async () => {
    const client = await longLived();
    const { id } = await client.submit(row(0), { model: 'slow', queue: 'nobody' });
    const signature = await client.signatures.find('slow');
    let accepted: (() => void) | undefined;
    const queued = new Promise<void>((resolve) => {
      accepted = resolve;
    });
    const leaving = new AbortController();
    const { signal } = leaving;
    const { payloadFromValue } = await import('../../../src/lib/input/value.js');
    const running = client.runPayload(
      payloadFromValue(row(0), signature),
      signature,
      { model: 'slow', queue: 'nobody', signal },
      () => accepted?.(),
    );
    running.catch(() => undefined);
    await queued;
    await silence();
    const calls = [running, client.wait(id, { signal }), client.result(id, { signal })];
    for (const call of calls) call.catch(() => undefined);
    const reason = new Error('the request is gone');
    leaving.abort(reason);
    for (const call of calls) await expect(call).rejects.toBe(reason);
  });

  it('starts no later step after its caller aborted', async () => {
    const client = await longLived();
    await client.signatures.find('slow');
    await silence();
    const id = 'given-up';
    // A caller's own id is looked up first, so the add has not been sent yet.
    const submitting = client.submit(row(0), { model: 'slow', id, timeoutMs: LIMIT_MS });
    await expect(submitting).rejects.toMatchObject({ code: 'REDIS_TIMEOUT' });
    process.kill(redis.pid, 'SIGCONT');
    // Answers to earlier requests come in order.
    await client.redis.ping();
    await client.submit(row(0), { model: 'slow', queue: 'nobody' });
    await expect(client.result(id)).rejects.toMatchObject({ code: 'JOB_UNKNOWN' });
  });
});
