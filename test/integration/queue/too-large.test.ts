import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ResultStore } from '../../../src/lib/queue/broker/result-store.js';
import { queueTag, resultKey } from '../../../src/lib/queue/keys.js';
import type { Settlement } from '../../../src/lib/queue/types.js';
import { connect } from '../../../src/lib/redis/connect.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { createLogger } from '../../../src/lib/telemetry/logger.js';
import { Settler } from '../../../src/lib/worker/settler.js';
import { useRedis } from '../../support/redis.js';
import { completed, FAILURE, META, PREFIX, QueueKit } from './queue-kit.js';

const redis = useRedis();
const log = createLogger({ level: 'silent' });
const MB = 1024 * 1024;
let kit: QueueKit;
let admin: RedisClient;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
  admin = await redis.client('command');
});
afterEach(async () => {
  await admin.call('ACL', 'SETUSER', 'default', '+config');
  await admin.config('SET', 'proto-max-bulk-len', String(512 * MB));
  await admin.config('SET', 'client-query-buffer-limit', String(1024 * MB));
  await admin.config('SET', 'maxmemory', '0');
  await kit.close();
});

/** Finished jobs: those in `large` have results of this many bytes, the others small ones. Ended by a settler. */
async function end(jobs: number, large: readonly number[], bytes: number, more = {}) {
  const ids = await kit.submit(...Array.from({ length: jobs }, () => ({})));
  const consumer = await kit.consumer(more);
  const taken = await consumer.take(jobs);
  const ours: string[] = [];
  const settler = new Settler(consumer, log, ({ job }, accepted) => {
    if (accepted) ours.push(job.spec.id);
  });
  const order = (id: string) => ids.indexOf(id);
  for (const job of taken) {
    const result = large.includes(order(job.spec.id)) ? Buffer.alloc(bytes, 7) : 'small';
    settler.push(completed(job, result));
  }
  await settler.flushed();
  expect(new Set(ours).size).toBe(jobs);
  return { ids, states: await kit.states(ids) };
}

const expected = (jobs: number, bad: readonly number[]) =>
  Array.from({ length: jobs }, (_, at) => (bad.includes(at) ? 'failed' : 'completed'));

/** How servers refuse a size: each with the settings that cause it, and whether the user may read the settings. */
const REFUSALS: [string, string, boolean][] = [
  ['proto-max-bulk-len, told', 'proto-max-bulk-len', true],
  ['client-query-buffer-limit, told', 'client-query-buffer-limit', true],
  ['proto-max-bulk-len, which only its error tells', 'proto-max-bulk-len', false],
  [
    'client-query-buffer-limit, which closes the connection without a word',
    'client-query-buffer-limit',
    false,
  ],
];

describe('results that Redis will never accept', () => {
  it.each(REFUSALS)(
    'fail their jobs with the reason, and the others end: %s',
    async (_how, setting, told) => {
      await admin.config('SET', setting, String(MB));
      if (!told) await admin.call('ACL', 'SETUSER', 'default', '-config');
      const { ids, states } = await end(6, [1, 4], 3 * MB);
      expect(states).toEqual(expected(6, [1, 4]));
      const { failure } = await kit.record(ids[1] as string);
      expect(failure).toMatchObject({
        code: 'RESULT_TOO_LARGE',
        hint: expect.stringContaining('fewer rows'),
      });
      expect(failure?.message).toMatch(/^its result has 3 MB, more than Redis takes in one value \(.*\)$/);
      if (told) expect(failure?.message).toContain(`at most 1 MB: ${setting}`);
      expect(await kit.client.llen(`${kit.base}active`)).toBe(0);
    },
  );

  it('are refused beyond maxmemory too, and not retained forever', async () => {
    const used = Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1]);
    await admin.config('SET', 'maxmemory', String(used + 8 * MB));
    const { states } = await end(2, [0], used + 64 * MB);
    expect(states).toEqual(expected(2, [0]));
  });

  it('do not include large ones that fit, which are stored', async () => {
    const { ids, states } = await end(4, [0, 1, 3], 3 * MB);
    expect(states).toEqual(expected(4, []));
    expect(await kit.client.strlen(kit.resultKey(ids[3] as string))).toBe(3 * MB);
    expect(await kit.client.strlen(kit.resultKey(ids[2] as string))).toBe('small'.length);
  });

  it('do not include many that fit only separately, which are sent in several scripts', async () => {
    await admin.config('SET', 'proto-max-bulk-len', String(MB));
    await admin.config('SET', 'client-query-buffer-limit', String(MB));
    const all = Array.from({ length: 20 }, (_, at) => at);
    const { states } = await end(20, all, 200 * 1024);
    expect(states).toEqual(expected(20, []));
  });

  it('fail their jobs the same way in a separate results Redis', async () => {
    await admin.config('SET', 'proto-max-bulk-len', String(MB));
    const results = new ResultStore(await redis.client('worker'), PREFIX);
    try {
      const { ids, states } = await end(3, [2], 2 * MB, { results });
      expect(states).toEqual(expected(3, [2]));
      expect((await kit.record(ids[2] as string)).failure?.code).toBe('RESULT_TOO_LARGE');
      const [stored] = await kit.client.keys(`${resultKey(queueTag(PREFIX, kit.queue), ids[0] as string)}*`);
      expect(stored).toBeDefined();
    } finally {
      await results.bulk.close();
    }
  });

  it('leave a failed job its reason, without the outputs of its good rows', async () => {
    await admin.config('SET', 'proto-max-bulk-len', String(MB));
    const [id] = (await kit.submit({})) as [string];
    const consumer = await kit.consumer();
    const [job] = await consumer.take(1);
    const settled: Settlement[] = [];
    const settler = new Settler(consumer, log, (settlement) => settled.push(settlement));
    const partial = Buffer.alloc(2 * MB);
    settler.push({ kind: 'failed', job: job as never, failure: FAILURE, meta: META, partial, rowsDone: 3 });
    await settler.flushed();
    const { state, failure } = await kit.record(id);
    expect([state, failure?.code]).toEqual(['failed', FAILURE.code]);
    expect(failure?.message).toMatch(/the model says no; the outputs of its good rows, 2 MB, are too large/);
    expect(await kit.client.exists(kit.resultKey(id))).toBe(0);
  });

  it('are not assumed when a connection is lost for another reason', async () => {
    const [id] = (await kit.submit({})) as [string];
    const consumer = await kit.consumer();
    const [job] = await consumer.take(1);
    const settler = new Settler(consumer, log, () => undefined);
    settler.push(completed(job as never, Buffer.alloc(8 * MB, 1)));
    // Every request in flight is cut, repeatedly, until it has come through.
    let cuts = 0;
    const cutting = setInterval(() => {
      if (++cuts <= 8)
        void admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes').catch(() => undefined);
    }, 3);
    try {
      await settler.flushed();
    } finally {
      clearInterval(cutting);
    }
    expect(await kit.states([id])).toEqual(['completed']);
    expect(await kit.client.strlen(kit.resultKey(id))).toBe(8 * MB);
  });
});

describe('inputs that Redis will never accept', () => {
  it.each(REFUSALS)('are refused up front with nothing queued: %s', async (_how, setting, told) => {
    await admin.config('SET', setting, String(MB));
    if (!told) await admin.call('ACL', 'SETUSER', 'default', '-config');
    const before = await kit.client.dbsize();
    const large = kit.submit({}, { input: Buffer.alloc(2 * MB) });
    await expect(large).rejects.toMatchObject({
      code: 'INPUT_TOO_LARGE',
      exitCode: 65,
      message: expect.stringMatching(
        /^the input of one job has 2 MB, more than Redis takes in one value \(.*\)$/,
      ),
    });
    expect(await kit.client.dbsize()).toBe(before);
    const [fits] = await kit.submit({ input: Buffer.alloc(900 * 1024) });
    expect(await kit.states([fits as string])).toEqual(['waiting']);
  });

  it('are refused, and so is a job whose model shows that its result is too large', async () => {
    await admin.config('SET', 'proto-max-bulk-len', String(MB));
    const job = { spec: kit.spec(), input: Buffer.from('x'), resultBytes: 5 * MB };
    await expect(kit.producer.submit(kit.queue, [job], false)).rejects.toMatchObject({
      code: 'RESULT_TOO_LARGE',
      exitCode: 65,
    });
    const unstored = { ...job, spec: kit.spec({ resultTtl: 0 }) };
    await kit.producer.submit(kit.queue, [unstored], false);
    expect(await kit.states([unstored.spec.id])).toEqual(['waiting']);
  });

  it('raise an error in a short command too, not a lost connection', async () => {
    await admin.config('SET', 'client-query-buffer-limit', String(MB));
    await admin.call('ACL', 'SETUSER', 'default', '-config');
    const client = await connect(redis.target, 'command', redis.settings());
    const { Producer } = await import('../../../src/lib/queue/broker/producer.js');
    const producer = new Producer(client, PREFIX, kit.clock);
    try {
      const job = { spec: kit.spec(), input: Buffer.alloc(4 * MB) };
      await expect(producer.submit(kit.queue, [job], true)).rejects.toMatchObject({
        code: 'INPUT_TOO_LARGE',
      });
    } finally {
      await producer.close();
      client.disconnect();
    }
  });
});
