import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { workerKey, workersKey } from '../../src/lib/queue/keys.js';
import { unlockedActive } from './keyspace.js';

const EVERY_MS = 250;

/** Watches Redis throughout a run: the workers, and what is active without a lock. */
export class Watcher {
  /** Longest time each job was active without a lock while no fault was active. */
  readonly unlocked = new Map<string, number>();
  /** Process ids by worker id. */
  readonly workers = new Map<string, number>();
  /** False during a fault and shortly after it. */
  calm = false;
  private readonly since = new Map<string, number>();
  private readonly stopping = new AbortController();
  private loop: Promise<void> = Promise.resolve();

  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
    private readonly queues: readonly string[],
  ) {}

  start(): void {
    this.loop = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      // A restart in the middle of a look says nothing.
      await this.look().catch(() => this.since.clear());
      await delay(EVERY_MS, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  private async look(): Promise<void> {
    for (const id of await this.redis.zrange(workersKey(this.prefix), '0', '-1')) {
      if (this.workers.has(id)) continue;
      const record = await this.redis.get(workerKey(this.prefix, id));
      if (record !== null) this.workers.set(id, (JSON.parse(record) as { pid: number }).pid);
    }
    const calmBefore = this.calm;
    const ids = await unlockedActive(this.redis, this.prefix, this.queues);
    if (!calmBefore || !this.calm) {
      this.since.clear();
      return;
    }
    const now = Date.now();
    for (const id of this.since.keys()) if (!ids.includes(id)) this.since.delete(id);
    for (const id of ids) {
      const first = this.since.get(id) ?? now;
      this.since.set(id, first);
      this.unlocked.set(id, Math.max(this.unlocked.get(id) ?? 0, now - first));
    }
  }
}
