import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GroupWriter } from '../../../src/lib/client/group-writer.js';
import { systemClock } from '../../../src/lib/core/clock.js';
import { newId } from '../../../src/lib/core/job.js';
import { Producer } from '../../../src/lib/queue/broker/producer.js';
import { QueueScripts } from '../../../src/lib/queue/lua/script-client.js';
import { locate, readGroup } from '../../../src/lib/queue/read/reader.js';
import type { JobSpec } from '../../../src/lib/queue/types.js';
import { useRedis } from '../../support/redis.js';
import { completed, failed, PREFIX, QueueKit, takeOne } from './queue-kit.js';

const redis = useRedis();
const ROW = { rows: 3, tensors: [] };
/** One flush of a writer. */
const CHUNKS = 16;

let kit: QueueKit;
let producer: Producer;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
  producer = new Producer(kit.client, PREFIX, systemClock);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await producer.close();
  await kit.close();
});

const template = (): JobSpec => {
  return { id: newId('g'), queue: kit.queue, model: 'm', priority: 0, resultTtl: 600, rows: 0 };
};
const groupOf = (id: string) => readGroup(kit.client, PREFIX, kit.queue, id);
const key = (id: string) => `${kit.tag}:grp:${id}`;

/** Like chunks that are added between FLUSHALL and the reopening of their group. */
async function chunksWithoutGroup(group: JobSpec): Promise<void> {
  const writer = await GroupWriter.open(producer, group);
  await kit.client.flushall();
  for (let n = 0; n < CHUNKS; n++) await writer.write(ROW).catch(() => undefined);
  await expect(writer.close()).rejects.toThrow();
  expect(await kit.client.zcard(`${kit.base}prioritized`)).toBe(CHUNKS);
}

async function workOff(bad = 0): Promise<void> {
  const consumer = await kit.consumer();
  const jobs = await consumer.take(100);
  await consumer.settle(jobs.map((job, i) => (i < bad ? failed(job) : completed(job))));
}

describe('a group whose record Redis lost while its rows were sent', () => {
  it('counts the chunks that ended before it was reopened', async () => {
    const group = template();
    await chunksWithoutGroup(group);
    await workOff(2);
    // What they leave is not a group, and expires.
    expect(await groupOf(group.id)).toBeUndefined();
    expect(await locate(kit.client, PREFIX, group.id, [kit.queue])).toBeUndefined();
    expect(await kit.client.ttl(key(group.id))).toBeGreaterThan(0);

    const again = await GroupWriter.open(producer, group);
    expect(again.isDuplicate).toBe(false);
    for (let n = 0; n < CHUNKS + 4; n++) await again.write(ROW);
    expect(await again.close()).toMatchObject({ jobs: CHUNKS + 4, rows: 3 * (CHUNKS + 4) });
    expect(await groupOf(group.id)).toMatchObject({
      state: 'active',
      jobsCompleted: CHUNKS - 2,
      jobsFailed: 2,
      rowsDone: 3 * (CHUNKS - 2),
    });
    await workOff();
    expect(await groupOf(group.id)).toMatchObject({
      state: 'failed',
      jobsCompleted: CHUNKS + 2,
      rowsDone: 3 * (CHUNKS + 2),
    });
    expect(await kit.client.ttl(key(group.id))).toBeGreaterThan(0);
  });

  it('ends when it is closed after all chunks have ended', async () => {
    const group = template();
    await chunksWithoutGroup(group);
    await workOff();
    const again = await GroupWriter.open(producer, group);
    for (let n = 0; n < CHUNKS; n++) await again.write(ROW);
    await again.close();
    expect(await groupOf(group.id)).toMatchObject({ state: 'completed', jobsCompleted: CHUNKS });
    expect(await kit.client.ttl(key(group.id))).toBeGreaterThan(0);
  });

  it('does not count a chunk that is retried before it is reopened', async () => {
    const group = template();
    await chunksWithoutGroup(group);
    await workOff(1);
    expect(await producer.retryFailed(kit.queue)).toMatchObject({ retried: 1 });
    const again = await GroupWriter.open(producer, group);
    for (let n = 0; n < CHUNKS; n++) await again.write(ROW);
    await again.close();
    expect(await groupOf(group.id)).toMatchObject({ jobsCompleted: CHUNKS - 1, jobsFailed: 0 });
    await workOff();
    expect(await groupOf(group.id)).toMatchObject({ state: 'completed', jobsCompleted: CHUNKS });
  });
});

describe('an input that Redis lost between storing it and adding its job', () => {
  const INPUT = Buffer.alloc(5000, 7);
  const add = (id: string) =>
    producer.submit(
      kit.queue,
      [{ spec: { ...template(), id, rows: 1 }, input: new Uint8Array(INPUT) }],
      false,
    );

  function flushAfterStore(then?: () => Promise<void>): void {
    const run = QueueScripts.prototype.run;
    vi.spyOn(QueueScripts.prototype, 'run').mockImplementation(async function (
      this: QueueScripts,
      name,
      ...args
    ) {
      if (name === 'inferRestoreInput') await then?.();
      const answer = await run.call(this, name, ...args);
      if (name === 'inferStoreInput') await kit.client.flushall();
      return answer;
    });
  }

  it('is stored again', async () => {
    flushAfterStore();
    const id = newId('j');
    await add(id);
    const consumer = await kit.consumer();
    const job = await takeOne(consumer);
    expect(job.spec.id).toBe(id);
    expect(Buffer.from(job.input).equals(INPUT)).toBe(true);
    await consumer.settle([completed(job)]);
    expect(await kit.client.exists(kit.inputKey(id))).toBe(0);
  });

  it('is not stored for a job that has ended', async () => {
    const id = newId('j');
    flushAfterStore(async () => {
      const consumer = await kit.consumer();
      await consumer.settle([completed(await takeOne(consumer))]);
    });
    await add(id);
    expect(await kit.client.exists(kit.inputKey(id))).toBe(0);
  });
});
