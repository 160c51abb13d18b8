import { Queue } from 'bullmq';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BrokerResults } from '../../../src/lib/queue/broker/result-store.js';
import type { JobDetail } from '../../../src/lib/queue/read/job-detail.js';
import { readInput, readJobDetail } from '../../../src/lib/queue/read/job-detail.js';
import { useRedis } from '../../support/redis.js';
import { completed, FAILURE, failed, PREFIX, QueueKit, takeOne } from './queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(() => kit.close());

async function detail(id: string): Promise<JobDetail> {
  const results = new BrokerResults(kit.client, PREFIX);
  const job = await readJobDetail(kit.client, PREFIX, kit.queue, id, results);
  if (job === undefined) throw new Error(`no ${id}`);
  return job;
}

const events = (job: JobDetail) => job.timeline.events.map(({ at: _at, ...event }) => event);

it('a job that runs once stores no extra field, and has a complete timeline', async () => {
  const consumer = await kit.consumer();
  const [id] = (await kit.submit({})) as [string];
  await consumer.settle([completed(await takeOne(consumer))]);
  expect(await kit.client.hexists(kit.base + id, 'tl')).toBe(0);
  const job = await detail(id);
  expect(events(job)).toEqual([
    { event: 'submitted' },
    { event: 'started', attempt: 1, worker: 'w' },
    { event: 'completed', worker: 'w' },
  ]);
  expect(job.timeline.forgotten).toBe(0);
  expect(job.result).toMatchObject({ bytes: 'result'.length });
  expect(job.result?.expiresInMs).toBeGreaterThan(590_000);
  expect(job.recordExpiresInMs).toBeGreaterThan(590_000);
  expect(job.input).toBeUndefined();
});

it('a timeline shows retry, recovery after a lost worker, release, failure, manual retry and completion', async () => {
  const first = await kit.consumer({ workerName: 'one' });
  const second = await kit.consumer({ workerName: 'two' });
  const [id] = (await kit.submit({})) as [string];
  const step = () => kit.tick(10);
  await step();
  const one = await takeOne(first);
  await step();
  await first.settle([{ kind: 'retry', job: one, failure: FAILURE, delayMs: 5 }]);
  await step();
  await takeOne(first);
  await kit.loseLock(id);
  await step();
  expect((await second.recover()).requeued).toEqual([id]);
  await step();
  const three = await takeOne(second);
  await step();
  await second.settle([{ kind: 'release', job: three }]);
  await step();
  await second.settle([failed(await takeOne(second))]);
  await step();
  expect(await kit.producer.retry(kit.queue, [id])).toBe(1);
  const waiting = await detail(id);
  expect(waiting.state).toBe('waiting');
  expect(events(waiting).at(-1)).toEqual({ event: 'requeued' });
  await step();
  await second.settle([completed(await takeOne(second))]);

  const job = await detail(id);
  expect(events(job)).toEqual([
    { event: 'submitted' },
    { event: 'started', attempt: 1, worker: 'one' },
    { event: 'retried', worker: 'one', code: FAILURE.code, message: FAILURE.message, delayMs: 5 },
    { event: 'started', attempt: 2, worker: 'one' },
    { event: 'lost', worker: 'one' },
    { event: 'started', attempt: 3, worker: 'two' },
    { event: 'returned', worker: 'two' },
    { event: 'started', attempt: 3, worker: 'two' },
    { event: 'failed', worker: 'two', code: FAILURE.code },
    { event: 'requeued' },
    { event: 'started', attempt: 1, worker: 'w' },
    { event: 'completed', worker: 'w' },
  ]);
  const times = job.timeline.events.map(({ at }) => at);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  // Stock BullMQ reads such a job like any other.
  const queue = new Queue(kit.queue, { connection: kit.client, prefix: kit.tag, skipVersionCheck: true });
  const theirs = await queue.getJob(id);
  expect(await theirs?.getState()).toBe('completed');
  expect(theirs?.processedBy).toBe('two');
  await queue.close();
});

it("a poison job's timeline names every worker it cost", async () => {
  const consumer = await kit.consumer({ maxStalls: 2 });
  const [id] = (await kit.submit({})) as [string];
  for (let i = 0; i < 2; i++) {
    await kit.tick();
    await takeOne(consumer);
    await kit.loseLock(id);
    await consumer.recover();
  }
  const job = await detail(id);
  expect(events(job).map(({ event }) => event)).toEqual([
    'submitted',
    'started',
    'lost',
    'started',
    'lost',
    'failed',
  ]);
  expect(events(job).at(-1)).toMatchObject({ code: 'POISON' });
  expect(job).toMatchObject({ state: 'failed', losses: 2 });
  expect(job.input?.bytes).toBe('input'.length);
  expect((await readInput(kit.client, PREFIX, kit.queue, id))?.toString()).toBe('input');
});

it('a timeline keeps the last twenty entries, and counts the dropped ones', async () => {
  const consumer = await kit.consumer();
  const [id] = (await kit.submit({ input: Buffer.alloc(5000) })) as [string];
  for (let i = 0; i < 27; i++) {
    await kit.tick();
    const job = await takeOne(consumer);
    const failure = { code: 'RUNNER_DIED', message: `${i} "quoted"\n${'é'.repeat(300)}` };
    await consumer.settle([{ kind: 'retry', job, failure, delayMs: 0 }]);
  }
  const notes = (await kit.client.hget(kit.base + id, 'tl')) as string;
  expect(notes.split('\n')).toHaveLength(20);
  expect(Buffer.byteLength(notes)).toBeLessThan(20 * 300);
  const job = await detail(id);
  expect(job.timeline.forgotten).toBe(7);
  const retried = job.timeline.events.filter(({ event }) => event === 'retried');
  expect(retried).toHaveLength(20);
  expect(retried[0]?.message).toMatch(/^7 "quoted"\né+/);
  expect(job.input).toEqual({ bytes: 5000, expiresInMs: null });
});

it('an unfinished job shows its lock and deadline', async () => {
  const consumer = await kit.consumer();
  const deadline = Date.now() + 60_000;
  const [a, c] = (await kit.submit({ priority: 9 }, { priority: 5, deadline })) as [string, string];
  await takeOne(consumer);
  const active = await detail(a);
  expect(active.lockMs).toBeGreaterThan(50_000);
  await kit.loseLock(a);
  expect((await detail(a)).lockMs).toBeNull();
  expect(await detail(c)).toMatchObject({ deadline, recordExpiresInMs: null });
});
