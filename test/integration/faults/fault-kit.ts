import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { InferClient } from '../../../src/lib/client/client.js';
import type { Logger } from '../../../src/lib/telemetry/logger.js';
import { openWorker, type RunningWorker } from '../../../src/lib/worker/host.js';
import type { WorkerConfig, WorkerRedis } from '../../../src/lib/worker/host-config.js';
import type { TestRedis } from '../../support/redis.js';
import { silentLogger } from '../../support/silent-logger.js';

/** A client, a models directory and in-process workers with real runner processes, on one Redis. */
export class FaultKit {
  client!: InferClient;
  readonly modelsDir = mkdtempSync(join(tmpdir(), 'infer-faults-'));
  private readonly running: { worker: RunningWorker; ended: Promise<void> }[] = [];

  constructor(
    private readonly redis: TestRedis,
    private readonly models: readonly string[],
  ) {}

  async open(): Promise<void> {
    this.client = await InferClient.open({
      prefix: 'faults',
      modelsDir: this.modelsDir,
      resultTtl: 600,
      redis: this.redis.settings(),
    });
  }

  async worker(
    more: Partial<WorkerConfig> = {},
    where: Partial<WorkerRedis> = {},
    log: Logger = silentLogger(),
  ): Promise<RunningWorker> {
    const target = {
      target: this.redis.target,
      settings: this.redis.settings(),
      onState: () => undefined,
      ...where,
    };
    const worker = await openWorker(
      {
        name: 'w',
        version: '0',
        prefix: 'faults',
        queues: ['realtime', 'batch'],
        models: this.models,
        runner: { provider: 'cpu', requireGpu: false, threads: 1, modelsDir: this.modelsDir },
        concurrency: 1,
        keepAliveMs: 30_000,
        maxBatch: null,
        latencyTargetMs: 20,
        batchWindowMs: 0,
        lockMs: 3000,
        timeLimitMs: undefined,
        softTimeLimitMs: undefined,
        failedTtl: 600,
        burst: false,
        maxJobs: undefined,
        shareGpu: false,
        drainTimeoutMs: 30_000,
        ...more,
      },
      target,
      log,
    );
    this.running.push({ worker, ended: worker.run() });
    return worker;
  }

  async stopWorkers(): Promise<void> {
    for (const { worker, ended } of this.running.splice(0)) {
      worker.leave();
      await ended;
    }
  }

  async close(): Promise<void> {
    await this.stopWorkers();
    await this.client.close();
    rmSync(this.modelsDir, { recursive: true, force: true });
  }
}

/** The kit for a whole file: opened before its tests, workers stopped after each. */
export function useFaults(
  redis: TestRedis,
  models: readonly string[],
  write: (dir: string) => void,
): FaultKit {
  const kit = new FaultKit(redis, models);
  beforeAll(async () => {
    write(kit.modelsDir);
    await kit.open();
  });
  afterEach(() => kit.stopWorkers());
  afterAll(() => kit.close());
  return kit;
}

/** Polls until `look` returns something; state in Redis is the only signal here. */
export async function until<T>(look: () => Promise<T | undefined>, timeoutMs = 60_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error('gave up waiting');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
