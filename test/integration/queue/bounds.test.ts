import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BOUNDS } from '../../../src/lib/core/bounds.js';
import { groupKey } from '../../../src/lib/queue/keys.js';
import { useRedis } from '../../support/redis.js';
import { completed, FAILURE, failed, QueueKit, takeOne } from './queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(() => kit.close());

const HUGE = 1e16;

/** Records by clients that check nothing: older versions, other programs. */
describe('numbers that Redis cannot hold', () => {
  it.each([HUGE, 1e300, -5, 0.5])(
    'do not prevent a job with a result TTL of %s s from completing with its result',
    async (ttl) => {
      const consumer = await kit.consumer();
      const [id] = (await kit.submit({ resultTtl: ttl })) as [string];
      const job = await takeOne(consumer);
      expect(await consumer.settle([completed({ ...job, spec: { ...job.spec, resultTtl: ttl } })])).toEqual([
        true,
      ]);
      expect(await kit.states([id])).toEqual(['completed']);
      expect(await kit.client.ttl(kit.base + id)).toBeGreaterThan(0);
      if (ttl >= 1) {
        expect(await kit.client.ttl(kit.resultKey(id))).toBeGreaterThan(BOUNDS.keepS.max - 60);
      }
    },
  );

  it('do not prevent a group with such a TTL from ending', async () => {
    const consumer = await kit.consumer();
    const group = { id: 'g1', queue: kit.queue, model: 'm', priority: 0, resultTtl: HUGE };
    await kit.producer.groups.open(group, 'me');
    await kit.submit({ id: 'g1-0', resultTtl: HUGE, group: { id: 'g1', index: 0, firstRow: 0 } });
    await kit.producer.groups.close(kit.queue, 'g1', 'me', { rows: 1, jobs: 1 });
    await consumer.settle([completed(await takeOne(consumer))]);
    const key = groupKey(kit.tag, 'g1');
    expect(await kit.client.hget(key, 'finishedOn')).not.toBeNull();
    expect(await kit.client.ttl(key)).toBeGreaterThan(BOUNDS.keepS.max - 60);
    expect(await kit.client.exists(kit.resultKey('g1-0'))).toBe(1);
  });

  it('keep a failed job with such a TTL, with its input, and let it be retried', async () => {
    const consumer = await kit.consumer({ failedTtl: HUGE });
    const [id] = (await kit.submit({ input: Buffer.alloc(10_000, 1) })) as [string];
    expect(await consumer.settle([failed(await takeOne(consumer))])).toEqual([true]);
    expect(await kit.states([id])).toEqual(['failed']);
    expect(await kit.client.ttl(kit.inputKey(id))).toBeGreaterThan(BOUNDS.keepS.max - 60);
    expect(await kit.producer.retry(kit.queue, [id])).toBe(1);
    expect((await takeOne(consumer)).input.byteLength).toBe(10_000);
  });

  it.each([HUGE, 1e300, Number.NaN, -1])('delay a retry in %s ms by a year at most', async (delayMs) => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({})) as [string];
    const job = await takeOne(consumer);
    expect(await consumer.settle([{ kind: 'retry', job, failure: FAILURE, delayMs }])).toEqual([true]);
    const { state, runAt = 0 } = await kit.record(id);
    expect(state).toBe(delayMs > 0 ? 'delayed' : 'waiting');
    expect(runAt).toBeLessThan(Date.now() + BOUNDS.delayMs.max + 60_000);
  });

  it.each([HUGE, 0.5, Number.NaN])('still let locks of %s ms be taken and renewed', async (lockMs) => {
    const consumer = await kit.consumer({ lockMs });
    const [id] = (await kit.submit({})) as [string];
    const job = await takeOne(consumer);
    const ttl = await kit.client.pttl(`${kit.base}${id}:lock`);
    expect(ttl).toBeLessThanOrEqual(BOUNDS.lockMs.max);
    expect(await consumer.renew([job])).toEqual({ lost: [], cancelled: [] });
    expect(await consumer.settle([completed(job)])).toEqual([true]);
  });
});
