import { afterAll, beforeAll, expect } from 'vitest';
import { InferClient } from '../../../src/lib/client/client.js';
import type { JobResult } from '../../../src/lib/client/types.js';
import { bullBase } from '../../../src/lib/queue/keys.js';
import type { ConnectionSettings } from '../../../src/lib/redis/connect.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { keepLog, type LogLines } from '../../support/log-lines.js';
import { slow, writeModel } from '../../support/onnx-builder.js';
import type { TestRedis } from '../../support/redis.js';
import { type FaultKit, until, useFaults } from './fault-kit.js';

export const PREFIX = 'faults';
/** Acknowledged writes are on disk: a kill loses nothing. */
export const AOF = ['--appendonly', 'yes', '--appendfsync', 'always'];
/** Warnings and errors that a worker may log in a minute of an outage. */
export const LINES_A_MINUTE = 20;

export const row = (turns: number) => ({ x: [1, 2], turns: [turns] });
/** A run of one to five seconds, depending on the load of the machine. */
const SECONDS = 500;

export const clientOf = (
  kit: FaultKit,
  redis: TestRedis,
  url?: string,
  resultRedis?: ConnectionSettings,
): Promise<InferClient> =>
  InferClient.open({
    resultRedis,
    prefix: PREFIX,
    modelsDir: kit.modelsDir,
    resultTtl: 600,
    redis: redis.settings(url === undefined ? {} : { url }),
  });

/** The kit, with clients that an outage may end: each step of a test has its own. */
export class Outage {
  /** An observer that reconnects automatically. */
  redisClient!: RedisClient;

  constructor(
    readonly kit: FaultKit,
    readonly redis: TestRedis,
  ) {}

  async with<T>(work: (client: InferClient) => Promise<T>, url?: string): Promise<T> {
    const client = await clientOf(this.kit, this.redis, url);
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  }

  submit(turns: number, id?: string, queue?: string): Promise<string> {
    const options = { model: 'slow', id, queue };
    return this.with(async (client) => (await client.submit(row(turns), options)).id);
  }

  /** The job's end, and the seconds it took. */
  async end(id: string): Promise<JobResult & { seconds: number }> {
    const from = performance.now();
    const result = await this.with((client) => client.wait(id, { timeoutMs: 25_000 }));
    return { ...result, seconds: (performance.now() - from) / 1000 };
  }

  async active(queue = 'realtime'): Promise<void> {
    const key = `${bullBase(PREFIX, queue)}active`;
    await until(async () => ((await this.redisClient.llen(key)) > 0 ? true : undefined));
  }

  /** Submits a run of several seconds and returns when a worker has it. */
  async inFlight(): Promise<string> {
    const id = await this.submit(SECONDS);
    await this.active();
    return id;
  }

  /** No lock, nothing active, nothing waiting: every accepted job has ended. */
  async clean(): Promise<void> {
    const keys = (await this.redisClient.keys(`{${PREFIX}:*`)) as string[];
    expect(keys.filter((key) => /:(?:lock|active|wait|prioritized|delayed)$/.test(key))).toEqual([]);
  }
}

export function useOutage(redis: TestRedis): Outage {
  const kit = useFaults(redis, ['slow'], (dir) => writeModel(dir, 'slow', slow()));
  const outage = new Outage(kit, redis);
  beforeAll(async () => {
    outage.redisClient = await redis.client('worker');
  });
  afterAll(() => outage.redisClient.disconnect());
  return outage;
}

/** A worker whose log is kept. */
export async function loggedWorker(
  kit: FaultKit,
  more: Parameters<FaultKit['worker']>[0] = {},
  where: Parameters<FaultKit['worker']>[1] = {},
): Promise<LogLines> {
  const lines = keepLog();
  const onState: NonNullable<typeof where.onState> = (event) =>
    lines.log.warn({ reason: 'error' in event ? event.error?.message : undefined }, `Redis ${event.state}`);
  await kit.worker(more, { onState, ...where }, lines.log);
  return lines;
}

/** Recovery times for a table: printed on request. */
export function measured(what: string, seconds: number): void {
  if (process.env.INFER_TEST_TIMES === '1')
    process.stdout.write(`recovery ${what}: ${seconds.toFixed(1)} s\n`);
}
