import { InferError } from '../../core/errors.js';
import { listQueues } from '../../queue/read/reader.js';
import type { RedisClient } from '../../redis/types.js';

/** Queues from which on callers make no more by naming them: each costs every look-up of an id two commands. */
const MOST = 1000;
const LOOK_MS = 1000;

/** The queues of an installation, looked at when one is named that was not known. */
export class KnownQueues {
  private known: Set<string> = new Set();
  private lookedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
    private readonly most = MOST,
  ) {}

  /** Whether it was there at the last look, or has been let in since. */
  knows(queue: string): boolean {
    return this.known.has(queue);
  }

  /** @throws InferError QUEUES_FULL (403) for a queue that a submit would make, where there are too many. */
  async refuseNew(queue: string): Promise<void> {
    if (this.known.has(queue)) return;
    const now = performance.now();
    if (now - this.lookedAt > LOOK_MS) {
      this.lookedAt = now;
      this.known = new Set(await listQueues(this.client, this.prefix));
    }
    if (this.known.has(queue)) return;
    if (this.known.size >= this.most) {
      const text = `there are ${this.most} queues or more, and ${queue} is not one of them`;
      throw new InferError('QUEUES_FULL', text, {
        hint: 'use a queue that there is: GET /v1/queues lists them',
      });
    }
    this.known.add(queue);
  }
}
