import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InferClient } from '../../../src/lib/client/client.js';
import { type Call, limited, type ModelLookup } from '../../../src/lib/client/limited.js';
import type { Chunk } from '../../../src/lib/input/chunk.js';
import { payloadFromValue } from '../../../src/lib/input/value.js';
import { stateOf } from '../../support/process-table.js';
import { useRedis } from '../../support/redis.js';
import { until } from './fault-kit.js';
import { row, useOutage } from './outage-kit.js';

const redis = useRedis();
const { kit } = useOutage(redis);
const GROUP = { model: 'slow', queue: 'nobody' };
let client: InferClient;

beforeEach(async () => {
  const config = { prefix: 'faults', modelsDir: kit.modelsDir, resultTtl: 600, redis: redis.settings() };
  client = await InferClient.open(config, 'worker');
});

afterEach(async () => {
  process.kill(redis.pid, 'SIGCONT');
  await client.close();
});

/** Yields its values and then nothing more. */
function silentAfter<T>(values: T[]) {
  const source = {
    given: 0,
    returned: 0,
    [Symbol.asyncIterator]: () => source,
    next: () =>
      source.given < values.length
        ? Promise.resolve({ done: false as const, value: values[source.given++] as T })
        : new Promise<never>(() => undefined),
    return: () => {
      source.returned += 1;
      return Promise.resolve({ done: true as const, value: undefined });
    },
  };
  return source;
}

/** The group was deleted: none of it waits, and it may be sent again. */
const gone = (id: string) =>
  until(() =>
    client.group(id).then(
      () => undefined,
      (error: { code?: string }) => (error.code === 'JOB_UNKNOWN' ? true : undefined),
    ),
  );

describe('a silent source of rows', () => {
  it('ends submitRows at its limit without blaming Redis; the group is withdrawn and can be sent again', async () => {
    await client.signatures.find('slow');
    const rows = silentAfter([row(0), row(0)]);
    const submitting = client.submitRows(rows, { ...GROUP, id: 'quiet', timeoutMs: 3000 });
    await expect(submitting).rejects.toMatchObject({
      code: 'ROWS_TIMEOUT',
      exitCode: 75,
      message: expect.stringMatching(/next row did not arrive .*3 s.*group quiet is cancelled/),
    });
    expect(rows).toMatchObject({ given: 2, returned: 1 });
    await gone('quiet');
    const again = await client.submitRows([row(0)], { ...GROUP, id: 'quiet' });
    expect(again).toMatchObject({ group: 'quiet', rows: 1 });
    expect(again.duplicate).toBeUndefined();
  });

  it('ends submitMany when the signal aborts; close waits until the group is withdrawn', async () => {
    const signature = await client.signatures.find('slow');
    const chunks = silentAfter<Chunk>([payloadFromValue(row(0), signature)]);
    const leaving = new AbortController();
    const options = { ...GROUP, id: 'left', signal: leaving.signal };
    const submitting = client.submitMany(chunks, signature, options);
    submitting.catch(() => undefined);
    await until(() =>
      kit.client.group('left').then(
        () => true,
        () => undefined,
      ),
    );
    const reason = new Error('the request is gone');
    leaving.abort(reason);
    await expect(submitting).rejects.toBe(reason);
    expect(chunks.returned).toBe(1);
    await client.close();
    await expect(kit.client.group('left')).rejects.toMatchObject({ code: 'JOB_UNKNOWN' });
  });

  it('is distinguished from a silent Redis', async () => {
    const signature = await client.signatures.find('slow');
    await client.submitRows([row(0)], GROUP);
    process.kill(redis.pid, 'SIGSTOP');
    await until(async () => (stateOf(redis.pid) === 'T' ? true : undefined));
    const chunks = silentAfter<Chunk>([payloadFromValue(row(0), signature)]);
    const submitting = client.submitMany(chunks, signature, { ...GROUP, timeoutMs: 300 });
    await expect(submitting).rejects.toMatchObject({
      code: 'REDIS_TIMEOUT',
      message: expect.stringMatching(/whether g\w+ was queued is not known/),
    });
    const rows = client.submitRows([row(0)], { ...GROUP, id: 'unsure', timeoutMs: 300 });
    await expect(rows).rejects.toMatchObject({ code: 'REDIS_TIMEOUT' });
  });
});

it('a group writer that opens after its caller aborted is abandoned', async () => {
  const signature = await client.signatures.find('slow');
  await client.submitRows([row(0)], GROUP);
  process.kill(redis.pid, 'SIGSTOP');
  await until(async () => (stateOf(redis.pid) === 'T' ? true : undefined));
  const late = { ...GROUP, id: undefined, timeoutMs: 300 };
  const error = await client.openGroup(signature, late).catch((thrown: Error) => thrown);
  const [id = ''] = /g[0-9a-z]{25}/.exec(String(error)) ?? [];
  expect(error).toMatchObject({ code: 'REDIS_TIMEOUT', message: expect.stringContaining(id) });
  process.kill(redis.pid, 'SIGCONT');
  // The request that opens the group was sent before this, and is answered before it.
  await client.redis.ping();
  await gone(id);
});

it('a model lookup reports that it is reading local files', async () => {
  let look: ModelLookup | undefined;
  const found = client.signatures.find('slow', (one) => {
    look = one;
  });
  const read = { seen: false, over: false };
  void found.finally(() => {
    read.over = true;
  });
  while (!read.over) {
    if (look?.reading === true) read.seen = true;
    await nextTurn();
  }
  expect([read.seen, look]).toEqual([true, { model: 'slow', reading: false }]);
});

/** The error of a call that waits forever for what `prepare` sets, and whether Redis was blamed. */
async function late(prepare: (call: Call) => void): Promise<{ error: unknown; blamed: boolean }> {
  let blamed = false;
  const work = (call: Call) => {
    prepare(call);
    return new Promise<never>(() => undefined);
  };
  const error = await limited(client.redis, { timeoutMs: 20 }, work, () => {
    blamed = true;
  }).catch((thrown: unknown) => thrown);
  return { error, blamed };
}

describe('a timeout', () => {
  it('names a model that is being read', async () => {
    const { error, blamed } = await late((call) => call.looksAt({ model: 'digits', reading: true }));
    expect(blamed).toBe(false);
    expect(error).toMatchObject({
      code: 'MODEL_TIMEOUT',
      exitCode: 75,
      message: 'model digits was still being read (given up after 20 ms); nothing was queued',
    });
  });

  it('says that the next row did not arrive', async () => {
    const { error, blamed } = await late((call) => {
      call.sends('g1');
      call.waitsForRows(true);
    });
    expect(blamed).toBe(false);
    expect(error).toMatchObject({ code: 'ROWS_TIMEOUT', exitCode: 75 });
  });

  it('names Redis, also after a model was read and rows had arrived', async () => {
    const { error, blamed } = await late((call) => {
      call.looksAt({ model: 'digits', reading: false });
      call.waitsForRows(true);
      call.sends('g1');
      call.waitsForRows(false);
    });
    expect(blamed).toBe(true);
    expect(error).toMatchObject({
      code: 'REDIS_TIMEOUT',
      exitCode: 69,
      message: expect.stringContaining('whether g1 was queued is not known'),
    });
  });
});
