import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/lib/core/clock.js';
import { Producer } from '../../../src/lib/queue/broker/producer.js';
import { STORE_INPUT } from '../../../src/lib/queue/lua/steer.js';
import { runs } from '../../support/proxy.js';
import { completed, failed, idsOf, PREFIX, takeOne } from './queue-kit.js';
import { adds, cutAndHold, until, useResend } from './resend-kit.js';

const at = useResend();
const LARGE = Buffer.alloc(5000, 7);
const FAR = 4_000_000_000_000;

const producer = () => new Producer(at.cutOff, PREFIX, systemClock);
const waiting = async () => (await at.kit.client.zcard(`${at.kit.base}prioritized`)) > 0;

describe('several jobs that are added at once', () => {
  // A script adds 64 jobs and answers with a number for each.
  it.each([
    ['before any answer', 5, 3, 0],
    ['in the middle of the answer', 5, 3, '*5\r\n:1\r\n'.length],
    ['after the answer to the first of two scripts', 70, 1, '*64\r\n'.length + 64 * ':1\r\n'.length],
  ])('are added once when the connection is cut %s', async (_, count, times, passing) => {
    const { kit, network } = at;
    const jobs = Array.from({ length: count }, () => ({ spec: kit.spec(), input: Buffer.alloc(10) }));
    const id = jobs.at(-1)?.spec.id ?? '';
    const cut = network.cutAfter(adds(id), times, passing);
    const added = await producer().submit(kit.queue, jobs, false);
    await cut;
    expect(added).toEqual(jobs.map(({ spec }) => ({ id: spec.id, duplicate: false })));
    expect(await kit.client.zcard(`${kit.base}prioritized`)).toBe(count);
  });
});

describe('an input in its own key', () => {
  it.each([
    ['completed', completed, -2],
    ['failed', failed, 7200],
  ] as const)('has the right TTL when its job has %s before the submit was answered', async (_, end, ttl) => {
    const { kit, network } = at;
    const consumer = await kit.consumer();
    const job = { spec: kit.spec({ deadline: FAR }), input: LARGE };
    const cut = cutAndHold(network, adds(job.spec.id));
    const submitted = producer().submit(kit.queue, [job], false);
    await cut;
    await consumer.settle([end(await takeOne(consumer))]);
    await kit.client.zrem(`${kit.tag}:deadlines`, job.spec.id);
    network.pass();
    await submitted;
    const left = await kit.client.ttl(kit.inputKey(job.spec.id));
    expect(left).toBeGreaterThan(ttl - 60);
    expect(left).toBeLessThanOrEqual(ttl);
    expect(await consumer.take(10)).toEqual([]);
    expect(await kit.client.zscore(`${kit.tag}:deadlines`, job.spec.id)).toBeNull();
  });

  it('is kept as long as its job waits, whatever happens to the submitter', async () => {
    const { kit, network, cutOff } = at;
    const job = { spec: kit.spec({ deadline: FAR }), input: LARGE };
    const cut = cutAndHold(network, adds(job.spec.id));
    const submitted = producer().submit(kit.queue, [job], false);
    submitted.catch(() => undefined);
    await cut;
    cutOff.disconnect();
    network.pass();
    expect(await kit.client.ttl(kit.inputKey(job.spec.id))).toBe(-1);
    expect(await kit.client.zscore(`${kit.tag}:deadlines`, job.spec.id)).toBe(String(FAR));
  });

  it.each([
    ['it was stored', (_: string) => runs(STORE_INPUT)],
    ['its job was added', adds],
  ])('exists once when the connection is cut after %s', async (_, request) => {
    const { kit, network } = at;
    const consumer = await kit.consumer();
    const jobs = Array.from({ length: 3 }, () => ({ spec: kit.spec(), input: LARGE }));
    const cut = network.cutAfter(request(jobs[1]?.spec.id ?? ''));
    const submitted = producer().submit(kit.queue, jobs.slice(0, 2), false);
    await Promise.all([cut, submitted]);
    for (const { spec } of jobs.slice(0, 2)) expect(await kit.client.ttl(kit.inputKey(spec.id))).toBe(-1);
    const taken = await consumer.take(10);
    expect(taken).toHaveLength(2);
    expect(taken.map((job) => Buffer.from(job.input))).toEqual([LARGE, LARGE]);
    await consumer.settle(taken.map((job) => completed(job)));
    expect(await kit.client.keys(`${kit.tag}:in:*`)).toEqual([]);
  });

  it('is stored when Redis had lost the script that stores it, but not the one that adds its job', async () => {
    const { kit } = at;
    const consumer = await kit.consumer();
    const sender = producer();
    await sender.submit(kit.queue, [{ spec: kit.spec(), input: LARGE }], false);
    await kit.client.script('FLUSH');
    // Small, so that it restores only the script that adds.
    await kit.producer.submit(kit.queue, [{ spec: kit.spec(), input: Buffer.from('small') }], false);
    await sender.submit(kit.queue, [{ spec: kit.spec(), input: LARGE }], false);
    const taken = await consumer.take(10);
    expect(taken.map((job) => job.input.byteLength).sort()).toEqual([5, LARGE.length, LARGE.length]);
  });

  it('replaces one left by an earlier submit of its id that added no job', async () => {
    const { kit } = at;
    const consumer = await kit.consumer();
    const [earlier, job] = [Buffer.alloc(9000, 1), { spec: kit.spec(), input: LARGE }];
    await kit.client.set(kit.inputKey(job.spec.id), earlier, 'EX', 86_400);
    await kit.producer.submit(kit.queue, [job], true);
    expect(await kit.client.ttl(kit.inputKey(job.spec.id))).toBe(-1);
    expect(Buffer.from((await takeOne(consumer)).input)).toEqual(LARGE);
  });

  it('is never left orphaned when an id is submitted twice at once', async () => {
    const { kit } = at;
    const consumer = await kit.consumer();
    const [one, two] = [kit.producer, producer()];
    for (let round = 0; round < 20; round++) {
      const job = { spec: kit.spec(), input: LARGE };
      const sent = Promise.all([one, two].map((sender) => sender.submit(kit.queue, [job], true)));
      const run = async () => {
        await until(waiting);
        const taken = await consumer.take(10);
        expect(idsOf(taken)).toEqual([job.spec.id]);
        await consumer.settle(taken.map((each) => completed(each)));
      };
      await Promise.all([sent, run()]);
      expect(await kit.client.ttl(kit.inputKey(job.spec.id))).toBe(-2);
    }
  });
});
