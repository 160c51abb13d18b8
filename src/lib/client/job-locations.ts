import { missingId, unknownId } from '../queue/broker/unknown-id.js';
import { listQueues, locate } from '../queue/read/reader.js';
import type { RedisClient } from '../redis/types.js';
import { worded } from '../redis/worded.js';

const MOST = 10_000;

/** Queues of the ids this client used recently; bounded, because an API server submits without end. */
export class JobLocations {
  private readonly queues = new Map<string, string>();

  constructor(
    private readonly redis: RedisClient,
    private readonly prefix: string,
  ) {}

  /**
   * Whether an id belongs to a job or a group, and in which queue. @throws InferError JOB_UNKNOWN, JOB_LOST
   * (66).
   */
  async find(id: string): Promise<{ queue: string; kind: 'job' | 'group' }> {
    const queues = await worded(this.redis, listQueues(this.redis, this.prefix));
    const location = await worded(this.redis, locate(this.redis, this.prefix, id, queues));
    if (location === undefined) throw await missingId(this.redis, this.prefix, id);
    this.set(id, location.queue);
    return location;
  }

  /** The queue of a job (or group): remembered, else looked up. @throws InferError JOB_UNKNOWN, JOB_LOST (66). */
  async of(id: string, kind: 'job' | 'group'): Promise<{ queue: string }> {
    const known = this.get(id);
    if (known !== undefined) return { queue: known };
    const location = await this.find(id);
    if (location.kind !== kind) throw unknownId(id);
    return location;
  }

  /** Whether an id that is not where it was expected is now elsewhere. */
  async moved(id: string, from: string): Promise<boolean> {
    this.queues.delete(id);
    const queues = await worded(this.redis, listQueues(this.redis, this.prefix));
    const location = await worded(this.redis, locate(this.redis, this.prefix, id, queues));
    if (location === undefined || location.queue === from) return false;
    this.set(id, location.queue);
    return true;
  }

  private get(id: string): string | undefined {
    return this.queues.get(id);
  }

  set(id: string, queue: string): void {
    this.queues.delete(id);
    this.queues.set(id, queue);
    if (this.queues.size > MOST) this.queues.delete(this.queues.keys().next().value as string);
  }
}
