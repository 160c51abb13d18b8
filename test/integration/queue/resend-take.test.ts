import { describe, expect, it } from 'vitest';
import type { BullConsumer } from '../../../src/lib/queue/broker/consumer.js';
import { RENEW, SETTLE, TAKE } from '../../../src/lib/queue/lua/jobs.js';
import { runs } from '../../support/proxy.js';
import { completed, failed, idsOf, takeOne } from './queue-kit.js';
import { cutAndHold, useResend } from './resend-kit.js';

const at = useResend();

/** A worker's consumer behind the network that is cut. */
const consumer = (): Promise<BullConsumer> => at.kit.consumer({ client: at.cutOff, workerId: 'w-cut' });

describe('a take whose connection is cut before the answer', () => {
  it('returns the jobs it took, and takes no others', async () => {
    const { kit, network } = at;
    const ids = await kit.submit(...Array.from({ length: 10 }, () => ({ input: Buffer.alloc(5000, 7) })));
    const one = await consumer();
    for (let cut = 0; cut < 6; cut++) {
      const done = network.cutAfter(runs(TAKE));
      const [job] = await one.take(1);
      await done;
      expect(job).toMatchObject({ spec: { id: ids[cut] }, attempt: 1, stalls: 0 });
      expect(job?.input).toHaveLength(5000);
      expect(one.more).toBe(true);
      expect(await kit.client.lrange(`${kit.base}active`, 0, -1)).toEqual([ids[cut]]);
      expect(await one.settle([completed(job as NonNullable<typeof job>)])).toEqual([true]);
    }
    expect(await kit.client.zcard(`${kit.base}prioritized`)).toBe(4);
    expect(await one.recover()).toEqual({ requeued: [], poisoned: [] });
  });

  it('returns each concurrent take its own jobs', async () => {
    const { kit, network } = at;
    const ids = await kit.submit(...Array.from({ length: 6 }, (_, n) => ({ priority: n % 2 === 0 ? 9 : 0 })));
    const one = await consumer();
    const cut = cutAndHold(network, runs(TAKE));
    const takes = Promise.all([one.take(2), one.take(2, 0), one.take(2)]);
    await cut;
    network.pass();
    const taken = (await takes).flatMap(idsOf);
    expect([...taken].sort()).toEqual([...new Set(taken)].sort());
    const active = await kit.client.lrange(`${kit.base}active`, 0, -1);
    expect([...taken].sort()).toEqual([...active].sort());
    expect(taken.every((id) => ids.includes(id))).toBe(true);
  });

  it('leaves out jobs that another worker has taken over, and renews the locks of the rest', async () => {
    const { kit, network } = at;
    const [a, b] = (await kit.submit({}, {})) as [string, string];
    const one = await consumer();
    const other = await kit.consumer();
    const cut = cutAndHold(network, runs(TAKE));
    const taking = one.take(2);
    await cut;
    await kit.loseLock(a);
    expect(await other.recover()).toEqual({ requeued: [a], poisoned: [] });
    expect(idsOf(await other.take(1))).toEqual([a]);
    await kit.client.pexpire(`${kit.base}${b}:lock`, 1000);
    network.pass();
    const taken = await taking;
    expect(idsOf(taken)).toEqual([b]);
    expect(await kit.client.pttl(`${kit.base}${b}:lock`)).toBeGreaterThan(10_000);
    expect(await one.settle(taken.map((job) => completed(job)))).toEqual([true]);
  });

  it('returns what it took even when the locks have expired, if no one recovered the jobs', async () => {
    const { kit, network } = at;
    const [id] = (await kit.submit({})) as [string];
    const one = await consumer();
    const cut = cutAndHold(network, runs(TAKE));
    const taking = one.take(1);
    await cut;
    await kit.loseLock(id);
    network.pass();
    const taken = await taking;
    expect(idsOf(taken)).toEqual([id]);
    expect(await kit.client.exists(`${kit.base}${id}:lock`)).toBe(1);
    expect((await one.renew(taken)).lost).toEqual([]);
  });

  it('is not remembered after its worker has closed', async () => {
    const { kit } = at;
    await kit.submit({});
    const one = await consumer();
    await one.settle([completed(await takeOne(one))]);
    expect(await kit.client.ttl(`${kit.tag}:takes:w-cut`)).toBeGreaterThan(0);
    await one.close();
    expect(await kit.client.exists(`${kit.tag}:takes:w-cut`)).toBe(0);
  });
});

describe('an outcome or a renewal whose connection is cut before the answer', () => {
  it.each([
    ['completed', (job: never) => completed(job)],
    ['failed', (job: never) => failed(job)],
    ['release', (job: never) => ({ kind: 'release' as const, job })],
    ['retry', (job: never) => ({ ...failed(job), kind: 'retry' as const, delayMs: 0 })],
  ])('counts once: %s', async (kind, settlement) => {
    const { kit, network } = at;
    const [id] = (await kit.submit({})) as [string];
    const one = await consumer();
    const job = await takeOne(one);
    const cut = network.cutAfter(runs(SETTLE));
    expect(await one.settle([settlement(job as never) as never])).toEqual([true]);
    await cut;
    const atm = Number((await kit.client.hget(kit.base + id, 'atm')) ?? 0);
    expect(atm).toBe(kind === 'release' ? 0 : 1);
    const [bucket] = await kit.client.keys(`${kit.tag}:stats:*`);
    const ended = bucket === undefined ? [] : await kit.client.hmget(bucket, 'c', 'f');
    const sum = ended.reduce((total, one) => total + Number(one ?? 0), 0);
    expect(sum).toBe(kind === 'completed' || kind === 'failed' ? 1 : 0);
    expect(await kit.client.zcard(`${kit.base}prioritized`)).toBe(
      kind === 'release' || kind === 'retry' ? 1 : 0,
    );
  });

  it('returns the same answer for a renewal', async () => {
    const { kit, network } = at;
    await kit.submit({});
    const one = await consumer();
    const job = await takeOne(one);
    const cut = network.cutAfter(runs(RENEW));
    expect(await one.renew([job])).toEqual({ lost: [], cancelled: [] });
    await cut;
  });
});
