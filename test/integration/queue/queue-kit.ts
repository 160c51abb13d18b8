import type { Clock } from '../../../src/lib/core/clock.js';
import { newId } from '../../../src/lib/core/job.js';
import { BullConsumer, type ConsumerOptions } from '../../../src/lib/queue/broker/consumer.js';
import { Producer } from '../../../src/lib/queue/broker/producer.js';
import { bullBase, inputKey, queueTag, resultKey } from '../../../src/lib/queue/keys.js';
import { readJob } from '../../../src/lib/queue/read/reader.js';
import type { JobRecord, JobSpec, ResultMeta, Settlement, TakenJob } from '../../../src/lib/queue/types.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import type { TestRedis } from '../../support/redis.js';

export const PREFIX = 'test';

/** A wait that no test outlasts: a consumer that is not woken does not return from it. */
export const BEYOND_TEST_MS = 600_000;

export const META: ResultMeta = {
  worker: 'w',
  device: 'cpu',
  attempts: 1,
  queueMs: 1,
  runMs: 2,
  totalMs: 3,
};
export const FAILURE = { code: 'RUN_FAILED', message: 'the model says no' };

let queues = 0;

/** One queue on a shared server, with a producer and any number of consumers. */
export class QueueKit {
  /** Added to the system clock by producer and consumers; scripts use Redis's clock. */
  offsetMs = 0;
  readonly clock: Clock = { now: () => Date.now() + this.offsetMs };
  readonly tag: string;
  readonly base: string;
  readonly producer: Producer;
  private readonly consumers: BullConsumer[] = [];

  private constructor(
    private readonly redis: TestRedis,
    readonly client: RedisClient,
    readonly queue: string,
  ) {
    this.tag = queueTag(PREFIX, queue);
    this.base = bullBase(PREFIX, queue);
    this.producer = new Producer(client, PREFIX, this.clock);
  }

  static async open(redis: TestRedis): Promise<QueueKit> {
    return new QueueKit(redis, await redis.client('command'), `q${++queues}`);
  }

  async consumer(more: Partial<ConsumerOptions> = {}): Promise<BullConsumer> {
    const consumer = new BullConsumer({
      prefix: PREFIX,
      queue: this.queue,
      client: await this.redis.client('worker'),
      blocking: await this.redis.client('blocking'),
      workerId: `w${this.consumers.length}`,
      workerName: 'worker',
      lockMs: 60_000,
      maxStalls: 3,
      failedTtl: 7200,
      clock: this.clock,
      ...more,
    });
    this.consumers.push(consumer);
    return consumer;
  }

  spec(more: Partial<JobSpec> = {}): JobSpec {
    return { id: newId('j'), queue: this.queue, model: 'm', rows: 1, priority: 0, resultTtl: 600, ...more };
  }

  /** Submits one job per entry, in order; returns the ids. */
  async submit(...jobs: (Partial<JobSpec> & { input?: Uint8Array })[]): Promise<string[]> {
    const made = jobs.map(({ input, ...more }) => ({
      spec: this.spec(more),
      input: input ?? Buffer.from('input'),
    }));
    await this.producer.submit(this.queue, made, false);
    return made.map((job) => job.spec.id);
  }

  async record(id: string): Promise<JobRecord> {
    const record = await readJob(this.client, PREFIX, this.queue, id);
    if (record === undefined) throw new Error(`no record of ${id}`);
    return record;
  }

  async states(ids: readonly string[]): Promise<string[]> {
    return Promise.all(ids.map(async (id) => (await this.record(id)).state));
  }

  resultKey(id: string): string {
    return resultKey(this.tag, id);
  }

  inputKey(id: string): string {
    return inputKey(this.tag, id);
  }

  /** As if this much time had passed: delayed jobs and deadlines are due sooner. */
  async passTime(ms: number): Promise<void> {
    for (const [set, perMs] of [
      [`${this.base}delayed`, 4096],
      [`${this.tag}:deadlines`, 1],
    ] as const) {
      for (const id of await this.client.zrange(set, '0', '-1'))
        await this.client.zincrby(set, -ms * perMs, id);
    }
  }

  /** Waits until Redis's clock has advanced by this much. */
  async tick(ms = 3): Promise<void> {
    const at = async () => {
      const [seconds, micros] = await this.client.time();
      return Number(seconds) * 1000 + Number(micros) / 1000;
    };
    for (const until = (await at()) + ms; (await at()) < until; );
  }

  /** Like a worker that died: the lock expires now. */
  async loseLock(id: string): Promise<void> {
    await this.client.del(`${this.base}${id}:lock`);
  }

  async close(): Promise<void> {
    await Promise.all(this.consumers.map((consumer) => consumer.close()));
    await this.producer.close();
  }
}

export const idsOf = (jobs: readonly TakenJob[]): string[] => jobs.map((job) => job.spec.id);

export async function takeOne(consumer: BullConsumer): Promise<TakenJob> {
  const [job] = await consumer.take(1);
  if (job === undefined) throw new Error('nothing to take');
  return job;
}

export const completed = (job: TakenJob, result: Uint8Array | string = 'result'): Settlement => ({
  kind: 'completed',
  job,
  result: Buffer.from(result),
  meta: META,
});

export const failed = (job: TakenJob): Settlement => ({ kind: 'failed', job, failure: FAILURE, meta: META });
