import { describe, expect, it } from 'vitest';
import { InferClient } from '../../../src/lib/client/client.js';
import { openWithin } from '../../../src/lib/client/connections.js';
import { submitRows } from '../../../src/lib/client/submit-rows.js';
import type { GroupChunk } from '../../../src/lib/client/types.js';
import type { WaitOptions } from '../../../src/lib/client/waiting.js';
import type { Chunk } from '../../../src/lib/input/chunk.js';
import type { ModelSignature } from '../../../src/lib/model/signature.js';
import type { GroupRecord } from '../../../src/lib/queue/types.js';

const NO_SIGNATURE = {} as ModelSignature;
const PAYLOAD = { rows: 1, tensors: [] };
const GROUP = { id: 'g', queue: 'batch', jobs: 1, rows: 1 } as GroupRecord;

async function* noChunks(): AsyncGenerator<Chunk> {
  yield* [];
}

/** Every method that asks Redis for something, with its limits where it takes them. */
const CALLS: Readonly<Record<string, (client: InferClient, limits: WaitOptions) => Promise<unknown>>> = {
  submit: (client, limits) => client.submit([1], limits),
  submitPayload: (client, limits) => client.submitPayload(PAYLOAD, NO_SIGNATURE, limits),
  run: (client, limits) => client.run([1], limits),
  runPayload: (client, limits) => client.runPayload(PAYLOAD, NO_SIGNATURE, limits),
  runJob: (client, options) =>
    client.runJob({ payload: PAYLOAD, signature: NO_SIGNATURE, options, render: () => undefined }),
  openGroup: (client, limits) => client.openGroup(NO_SIGNATURE, limits),
  duplicateGroup: (client, limits) => client.duplicateGroup('g', limits),
  submitMany: (client, limits) => client.submitMany(noChunks(), NO_SIGNATURE, limits),
  submitRows: (client, limits) => client.submitRows([[1]], limits),
  result: (client, limits) => client.result('j', limits),
  place: (client, limits) => client.place('j', limits),
  wait: (client, limits) => client.wait('j', limits),
  waitEnd: (client, limits) => client.waitEnd('j', limits),
  waitGroup: (client, limits) => client.waitGroup('g', limits),
  look: (client, limits) => client.look('j', limits),
  group: (client, limits) => client.group('g', limits),
  find: (client, limits) => client.find('j', limits),
  cancel: (client, limits) => client.cancel('j', limits),
  retry: (client, limits) => client.retry('j', limits),
  retryFailed: (client, limits) => client.retryFailed('batch', limits),
  hasWorker: (client, limits) => client.hasWorker('batch', limits),
};
/** Parts of others; `groupChunks` is a generator, and `close` has limits of its own. */
const OTHERS = ['constructor', 'add', 'defaults', 'submitAndWait', 'limited', 'guard'];

/** A client without connections: a call that has ended before it begins needs none. */
const unconnected = () => Object.create(InferClient.prototype) as InferClient;

describe('the limits of a call', () => {
  it('are accepted by every method of InferClient', () => {
    const methods = Object.getOwnPropertyNames(InferClient.prototype).filter(
      (name) => !OTHERS.includes(name) && name !== 'groupChunks' && name !== 'close',
    );
    expect(methods.sort()).toEqual(Object.keys(CALLS).sort());
  });

  it.each(Object.entries(CALLS))('end it when the caller aborts: %s', async (_, call) => {
    const signal = AbortSignal.abort(new Error('left'));
    await expect(call(unconnected(), { signal })).rejects.toThrow('left');
  });

  it.each(Object.entries(CALLS))('are checked before the call begins: %s', async (_, call) => {
    for (const timeoutMs of [-5, Number.NaN, '5' as unknown as number]) {
      await expect(call(unconnected(), { timeoutMs })).rejects.toMatchObject({
        code: 'TIMEOUT_RANGE',
        exitCode: 2,
      });
    }
  });

  it('end the results of a group between two rows of a chunk', async () => {
    const leaves = new AbortController();
    const chunk: GroupChunk = { index: 0, firstRow: 0, rows: 3, values: [1, 2, 3] };
    const client = {
      signatures: { find: async () => NO_SIGNATURE, refresh: async () => NO_SIGNATURE },
      waitGroup: async () => GROUP,
      groupChunks: async function* () {
        yield chunk;
      },
    };
    const groups = { send: async () => ({ group: 'g' }) };
    const call = { signal: leaves.signal, looksAt: () => undefined };
    const arguments_ = [client, groups, [[1]], {}, call] as unknown as Parameters<typeof submitRows>;
    const sent = await submitRows(...arguments_);
    const results = sent.results({ signal: leaves.signal });
    expect(await results.next()).toEqual({ done: false, value: { row: 0, value: 1 } });
    leaves.abort(new Error('left'));
    await expect(results.next()).rejects.toThrow('left');
  });
});

describe('opening a client', () => {
  const late = { code: 'REDIS_TIMEOUT', exitCode: 69, message: expect.stringContaining('given up after') };

  it('ends within its time limit, or when its caller aborts', async () => {
    const never = () => new Promise<never>(() => undefined);
    await expect(openWithin({ timeoutMs: 10 }, never)).rejects.toMatchObject(late);
    await expect(InferClient.connect({ signal: AbortSignal.abort(new Error('left')) })).rejects.toThrow(
      'left',
    );
  });

  it('refuses an invalid time limit', async () => {
    for (const timeoutMs of [-5, Number.NaN]) {
      await expect(InferClient.connect({ timeoutMs })).rejects.toMatchObject({ code: 'TIMEOUT_RANGE' });
    }
  });

  it('closes a connection that opens too late', async () => {
    let open = (_client: { close(): Promise<void> }): void => undefined;
    const opening = new Promise<{ close(): Promise<void> }>((resolve) => {
      open = resolve;
    });
    await expect(openWithin({ timeoutMs: 10 }, () => opening)).rejects.toMatchObject(late);
    const closed = new Promise<void>((resolve) => open({ close: async () => resolve() }));
    await closed;
  });
});
