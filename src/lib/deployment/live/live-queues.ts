import { QueueMemory, type QueueSnapshot, snapshotQueue } from '../../queue/read/inspector.js';
import { listQueues } from '../../queue/read/reader.js';
import type { WorkerRecord } from '../../queue/types.js';
import type { RedisClient } from '../../redis/types.js';
import { type LiveWork, WorkReader } from './live-work.js';
import { takeTurns } from './rotation.js';

/** A queue as it was read last. */
export interface LiveQueue {
  snapshot: QueueSnapshot;
  work: LiveWork;
  /** Milliseconds since the epoch, by Redis's clock. */
  readAt: number;
}

/**
 * Queues that are read in one second. A queue takes 15 to 35 commands of a microsecond or two each, so all
 * together cost Redis less than a millisecond.
 */
const QUEUES_A_SECOND = 10;
/** Reports of so many workers cost as much as a queue without any. */
const REPORTS_A_UNIT = 25;
/** Queues that are read at once when they are new. */
const NEW_QUEUES = 100;
/** How much more often a queue is read in which something happens. */
const BUSY_WEIGHT = 4;

interface Kept extends LiveQueue {
  memory: QueueMemory;
  reader: WorkReader;
}

/** All queues of a deployment, read in turns, so that the cost does not grow with their number. */
export class LiveQueues {
  private readonly kept = new Map<string, Kept>();

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {}

  /** Reads the queues whose turn it is. */
  async read(now: number, workers: readonly WorkerRecord[]): Promise<readonly LiveQueue[]> {
    const names = await listQueues(this.client, this.prefix);
    const known = new Set(names);
    for (const name of this.kept.keys()) if (!known.has(name)) this.kept.delete(name);
    const turns = names.map((key) => ({ key, ...this.turnOf(this.kept.get(key)) }));
    const picked = takeTurns(turns, now, { budget: QUEUES_A_SECOND, first: NEW_QUEUES });
    await Promise.all(picked.map((name) => this.readOne(name, now, workers)));
    return names.flatMap((name) => this.kept.get(name) ?? []);
  }

  private turnOf(kept: Kept | undefined) {
    if (kept === undefined) return { readAt: undefined, cost: 1, weight: 1 };
    const { snapshot, work, readAt } = kept;
    const busy = snapshot.waiting + snapshot.active > 0 || snapshot.ratePerSecond !== null;
    return { readAt, cost: 1 + work.workers / REPORTS_A_UNIT, weight: busy ? BUSY_WEIGHT : 1 };
  }

  private async readOne(name: string, now: number, workers: readonly WorkerRecord[]): Promise<void> {
    const { memory = new QueueMemory(), reader = new WorkReader() } = this.kept.get(name) ?? {};
    const [snapshot, work] = await Promise.all([
      snapshotQueue(this.client, this.prefix, name, now, workers, memory),
      reader.read(this.client, this.prefix, name, now),
    ]);
    this.kept.set(name, { snapshot, work, readAt: now, memory, reader });
  }
}
