import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GroupWriter } from '../../../src/lib/client/group-writer.js';
import { chunkId, newId } from '../../../src/lib/core/job.js';
import { decodeNotice } from '../../../src/lib/queue/broker/notice.js';
import { Waiter } from '../../../src/lib/queue/broker/waiter.js';
import { watchEnd } from '../../../src/lib/queue/broker/watch.js';
import { readGroup } from '../../../src/lib/queue/read/reader.js';
import type { GroupRecord } from '../../../src/lib/queue/types.js';
import { useRedis } from '../../support/redis.js';
import { completed, failed, PREFIX, QueueKit, takeOne } from './queue-kit.js';

const ROW = { rows: 1, tensors: [] };

const redis = useRedis();
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(() => kit.close());

async function openGroup(chunks: number, resultTtl = 600): Promise<string> {
  const id = newId('g');
  await kit.producer.groups.open({ id, queue: kit.queue, model: 'm', priority: 3, resultTtl }, 'me');
  await kit.submit(
    ...Array.from({ length: chunks }, (_, index) => ({
      id: chunkId(id, index),
      rows: 10,
      resultTtl,
      group: { id, index, firstRow: index * 10 },
    })),
  );
  return id;
}

const group = async (id: string) => (await readGroup(kit.client, PREFIX, kit.queue, id)) as GroupRecord;
const groupKey = (id: string) => `${kit.tag}:grp:${id}`;

describe('a group', () => {
  it('counts its chunks, ends with the last and sends one notice', async () => {
    const consumer = await kit.consumer();
    const id = await openGroup(3);
    const list = `${kit.tag}:reply:g`;
    expect(await watchEnd(kit.client, PREFIX, kit.queue, id, list, 'group')).toBe('pending');
    expect(await group(id)).toMatchObject({ state: 'waiting', closed: false, priority: 3, model: 'm' });
    const jobs = await consumer.take(30);
    await consumer.settle([completed(jobs[0] as never)]);
    expect(await kit.producer.groups.close(kit.queue, id, 'me', { rows: 30, jobs: 3 })).toBe(false);
    expect(await group(id)).toMatchObject({
      state: 'active',
      jobs: 3,
      rows: 30,
      rowsDone: 10,
      jobsCompleted: 1,
    });
    await consumer.settle([failed(jobs[1] as never)]);
    expect(await kit.client.llen(list)).toBe(0);
    await consumer.settle([completed(jobs[2] as never)]);
    const over = await group(id);
    expect(over).toMatchObject({ state: 'failed', rowsDone: 20, jobsCompleted: 2, jobsFailed: 1 });
    expect(over.finishedAt).toBeGreaterThan(0);
    await consumer.settle([completed(jobs[2] as never)]);
    expect(await kit.client.llen(list)).toBe(1);
    expect(decodeNotice((await kit.client.lpopBuffer(list)) as Buffer).notice).toEqual({ id });
    expect(await watchEnd(kit.client, PREFIX, kit.queue, id, list, 'group')).toBe('ended');
  });

  it('closed after its last chunk has ended is finished at once', async () => {
    const consumer = await kit.consumer();
    const id = await openGroup(1);
    await consumer.settle([completed(await takeOne(consumer))]);
    expect((await group(id)).finishedAt).toBeUndefined();
    expect(await kit.producer.groups.close(kit.queue, id, 'me', { rows: 10, jobs: 1 })).toBe(true);
    expect(await group(id)).toMatchObject({ state: 'completed', rowsDone: 10 });
  });

  it('keeps results and records of its chunks a day until it ends, then for its own TTL', async () => {
    const consumer = await kit.consumer();
    const id = await openGroup(2, 600);
    const jobs = await consumer.take(20);
    await consumer.settle([completed(jobs[0] as never)]);
    const keysOf = (index: number) => [kit.resultKey(chunkId(id, index)), kit.base + chunkId(id, index)];
    for (const key of keysOf(0)) expect(await kit.client.ttl(key)).toBeGreaterThan(86_400);
    await kit.producer.groups.close(kit.queue, id, 'me', { rows: 20, jobs: 2 });
    await consumer.settle([completed(jobs[1] as never)]);
    for (const key of [...keysOf(0), ...keysOf(1), groupKey(id)]) {
      const ttl = await kit.client.ttl(key);
      expect(ttl).toBeGreaterThan(590);
      expect(ttl).toBeLessThanOrEqual(600);
    }
  });

  it('keeps the record of a failed chunk for its own TTL, for retry', async () => {
    const consumer = await kit.consumer();
    const id = await openGroup(2, 60);
    await kit.producer.groups.close(kit.queue, id, 'me', { rows: 20, jobs: 2 });
    const [bad, good] = await consumer.take(20);
    await consumer.settle([failed(bad as never), completed(good as never)]);
    const kept = (index: number) => kit.client.ttl(kit.base + chunkId(id, index));
    expect(await kept(0)).toBeGreaterThan(3600);
    expect(await kept(1)).toBeLessThanOrEqual(60);
    // Its retry reopens the group, and completed chunks are kept for its new end.
    expect(await kit.producer.retry(kit.queue, [chunkId(id, 0)])).toBe(1);
    expect(await kept(1)).toBeGreaterThan(86_400);
    await consumer.settle([completed((await takeOne(consumer)) as never)]);
    expect(await kept(0)).toBeLessThanOrEqual(60);
    expect(await kept(1)).toBeLessThanOrEqual(60);
  });

  it('looks at all its chunks once while many are requeued, and not at all if none completed', async () => {
    const consumer = await kit.consumer();
    const expiries = async (work: () => Promise<unknown>) => {
      await kit.client.config('RESETSTAT');
      await work();
      return Number(/cmdstat_expire:calls=(\d+)/.exec(await kit.client.info('commandstats'))?.[1] ?? 0);
    };
    for (const completedChunks of [20, 0]) {
      const id = await openGroup(60);
      await kit.producer.groups.close(kit.queue, id, 'me', { rows: 600, jobs: 60 });
      const jobs = await consumer.take(600);
      await consumer.settle(jobs.slice(0, completedChunks).map((job) => completed(job)));
      await consumer.settle(jobs.slice(completedChunks).map(failed));
      const retried = 60 - completedChunks;
      const calls = await expiries(async () =>
        expect(await kit.producer.retryGroup(await group(id))).toMatchObject({ retried }),
      );
      // Of each chunk its result, and of the completed ones their records.
      expect(calls).toBe(completedChunks === 0 ? 0 : 60 + completedChunks);
      await kit.producer.cancelGroup(await group(id));
    }
  });

  it('whose submitter died is kept for a week, and its chunks run', async () => {
    const consumer = await kit.consumer();
    const id = await openGroup(1);
    expect(await kit.client.ttl(groupKey(id))).toBeGreaterThan(6 * 86_400);
    await consumer.settle([completed(await takeOne(consumer))]);
    expect(await group(id)).toMatchObject({ closed: false, jobsCompleted: 1 });
    expect((await group(id)).finishedAt).toBeUndefined();
  });

  it('deleted before its chunk ended is not recreated', async () => {
    const consumer = await kit.consumer();
    const id = await openGroup(1);
    await kit.client.del(groupKey(id));
    await consumer.settle([completed(await takeOne(consumer))]);
    expect(await readGroup(kit.client, PREFIX, kit.queue, id)).toBeUndefined();
    expect(await kit.client.ttl(groupKey(id))).toBeGreaterThan(0);
    expect(await watchEnd(kit.client, PREFIX, kit.queue, id, 'x', 'group')).toBe('unknown');
  });

  it('resumes when its chunks are retried, with or without finished rows', async () => {
    const consumer = await kit.consumer();
    const id = await openGroup(2);
    await kit.producer.groups.close(kit.queue, id, 'me', { rows: 20, jobs: 2 });
    const jobs = await consumer.take(20);
    await consumer.settle([failed(jobs[0] as never), { ...failed(jobs[1] as never), rowsDone: 4 } as never]);
    expect(await group(id)).toMatchObject({ state: 'failed', rowsDone: 4, jobsFailed: 2 });
    expect(await kit.producer.retry(kit.queue, [chunkId(id, 0), chunkId(id, 1)])).toBe(2);
    expect(await group(id)).toMatchObject({ state: 'waiting', rowsDone: 0, jobsFailed: 0 });
    await consumer.settle((await consumer.take(20)).map((job) => completed(job)));
    expect(await group(id)).toMatchObject({ state: 'completed', rowsDone: 20, jobsCompleted: 2 });
  });

  it('is cancelled chunk by chunk; running chunks end once their worker learns of it', async () => {
    const consumer = await kit.consumer();
    const id = await openGroup(4);
    await kit.producer.groups.close(kit.queue, id, 'me', { rows: 40, jobs: 4 });
    const [done] = await consumer.take(10);
    await consumer.settle([completed(done as never)]);
    await consumer.take(10);
    const { states } = await kit.producer.cancelGroup(await group(id));
    expect(states).toEqual({ completed: 1, active: 1, cancelled: 2 });
    expect(await group(id)).toMatchObject({ state: 'active', jobsCompleted: 1, jobsFailed: 2 });
  });
});

describe('notices', () => {
  it('carry the result up to 64 KB', async () => {
    const consumer = await kit.consumer();
    const list = `${kit.tag}:reply:me`;
    for (const [size, rides] of [
      [65_536, true],
      [65_537, false],
      [0, false],
    ] as const) {
      const [id] = (await kit.submit({ reply: list })) as [string];
      await consumer.settle([completed(await takeOne(consumer), Buffer.alloc(size, 1))]);
      const { notice, result } = decodeNotice((await kit.client.lpopBuffer(list)) as Buffer);
      expect(notice).toMatchObject({ id, state: 'completed', size, model: 'm', rows: 1 });
      expect(result?.length).toBe(rides ? size : undefined);
    }
    expect(await kit.client.llen(list)).toBe(0);
  });

  it('expire when their waiter has disappeared', async () => {
    const consumer = await kit.consumer();
    await kit.submit({ reply: `${kit.tag}:reply:gone` });
    await consumer.settle([completed(await takeOne(consumer))]);
    const ttl = await kit.client.ttl(`${kit.tag}:reply:gone`);
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(300);
  });

  it('reach lists that were registered late, once each', async () => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({ reply: `${kit.tag}:reply:a` })) as [string];
    const watch = (list: string) => watchEnd(kit.client, PREFIX, kit.queue, id, list, 'job');
    const job = await takeOne(consumer);
    for (const list of ['b', 'c', 'b']) expect(await watch(`${kit.tag}:reply:${list}`)).toBe('pending');
    await consumer.settle([completed(job, 'yes')]);
    for (const list of ['a', 'b', 'c']) {
      const heard = await kit.client.lrangeBuffer(`${kit.tag}:reply:${list}`, 0, -1);
      expect(heard.map((one) => String(decodeNotice(one).result))).toEqual(['yes']);
    }
    expect(await watch(`${kit.tag}:reply:d`)).toBe('ended');
    expect(await watchEnd(kit.client, PREFIX, kit.queue, 'nobody', 'x', 'job')).toBe('unknown');
  });

  it("reach a list whose name is a prefix of another list's", async () => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({})) as [string];
    for (const list of ['me2', 'me']) {
      await watchEnd(kit.client, PREFIX, kit.queue, id, `${kit.tag}:reply:${list}`, 'job');
    }
    await consumer.settle([completed(await takeOne(consumer))]);
    expect(await kit.client.llen(`${kit.tag}:reply:me`)).toBe(1);
    expect(await kit.client.llen(`${kit.tag}:reply:me2`)).toBe(1);
  });

  it('are received by many waits on one connection', async () => {
    const consumer = await kit.consumer();
    let opened = 0;
    const open = () => {
      opened += 1;
      return redis.client('blocking');
    };
    const waiter = new Waiter('client', PREFIX, open, () => undefined);
    const reply = waiter.listFor(kit.queue);
    const ids = Array.from({ length: 5 }, () => newId('j'));
    const heard = ids.map((id) => waiter.next(kit.queue, id));
    await kit.submit(...ids.map((id) => ({ id, reply })));
    const jobs = await consumer.take(5);
    await consumer.settle(jobs.map((job) => completed(job, job.spec.id)).reverse());
    expect((await Promise.all(heard)).map((one) => String(one?.result))).toEqual(ids);
    expect(opened).toBe(1);
    const pending = waiter.next(kit.queue, 'never');
    const forgotten = waiter.next(kit.queue, 'forgotten');
    waiter.forget('forgotten');
    expect(await forgotten).toBeUndefined();
    await waiter.close();
    expect(await pending).toBeUndefined();
  });
});

describe('a withdrawn group', () => {
  it('is deleted if none of it ran, so that it can be sent again under its id', async () => {
    const id = 'again';
    const template = { id, queue: kit.queue, model: 'm', priority: 0, resultTtl: 60, rows: 0 };
    const writer = await GroupWriter.open(kit.producer, template);
    await writer.write(ROW);
    await writer.abandon();
    expect(await kit.client.keys(`*${id}*`)).toEqual([]);
    expect(await kit.client.zcard(`${kit.tag}:cancelled`)).toBe(0);
    const second = await GroupWriter.open(kit.producer, template);
    expect(second.isDuplicate).toBe(false);
    await second.write(ROW);
    expect(await second.close()).toMatchObject({ group: id, rows: 1, jobs: 1 });
    expect((await GroupWriter.open(kit.producer, template)).isDuplicate).toBe(true);
  });

  it('ends with what ran of it, and its id cannot be used again', async () => {
    const id = 'half';
    const template = { id, queue: kit.queue, model: 'm', priority: 9, resultTtl: 60, rows: 0 };
    const writer = await GroupWriter.open(kit.producer, template);
    for (let n = 0; n < 16; n++) await writer.write(ROW);
    const consumer = await kit.consumer();
    const first = await takeOne(consumer);
    await consumer.settle([completed(first)]);
    await writer.abandon();
    const group = await readGroup(kit.client, PREFIX, kit.queue, id);
    expect(group).toMatchObject({ closed: true, jobsCompleted: 1, jobsFailed: 15, state: 'cancelled' });
    await expect(GroupWriter.open(kit.producer, template)).rejects.toMatchObject({ code: 'ID_TAKEN' });
  });
});
