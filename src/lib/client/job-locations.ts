import { missingId, unknownId } from '../queue/broker/unknown-id.js';
import { listQueues, locate } from '../queue/read/reader.js';
import type { RedisClient } from '../redis/types.js';
import { worded } from '../redis/worded.js';

const MOST = 10_000;

/** Where an id is, and what it names, if that is known. */
interface Place {
  queue: string;
  kind: 'job' | 'group' | undefined;
}

/** Queues of the ids this client used recently; bounded, because an API server submits without end. */
export class JobLocations {
  private readonly places = new Map<string, Place>();

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
    this.set(id, location.queue, location.kind);
    return location;
  }

  /**
   * Kind and queue of an id: remembered, otherwise looked up.
   * @throws InferError JOB_UNKNOWN, JOB_LOST (66).
   */
  async named(id: string): Promise<{ queue: string; kind: 'job' | 'group' }> {
    const known = this.places.get(id);
    return known?.kind === undefined ? this.find(id) : { queue: known.queue, kind: known.kind };
  }

  /**
   * The queue of a job (or group): remembered, otherwise looked up.
   * @throws InferError JOB_UNKNOWN, JOB_LOST (66).
   */
  async of(id: string, kind: 'job' | 'group'): Promise<{ queue: string }> {
    const known = this.places.get(id);
    if (known !== undefined) return { queue: known.queue };
    const location = await this.find(id);
    if (location.kind !== kind) throw unknownId(id);
    return location;
  }

  /** Whether an id that is missing from its queue is now in another one. */
  async moved(id: string, from: string): Promise<boolean> {
    this.places.delete(id);
    const queues = await worded(this.redis, listQueues(this.redis, this.prefix));
    const location = await worded(this.redis, locate(this.redis, this.prefix, id, queues));
    if (location === undefined || location.queue === from) return false;
    this.set(id, location.queue, location.kind);
    return true;
  }

  /** @param kind of the id [as remembered] */
  set(id: string, queue: string, kind = this.places.get(id)?.kind): void {
    this.places.delete(id);
    this.places.set(id, { queue, kind });
    if (this.places.size > MOST) this.places.delete(this.places.keys().next().value as string);
  }

  /** Whether its kind is remembered. */
  knows(id: string): boolean {
    return this.places.get(id)?.kind !== undefined;
  }

  /** It is no longer there. */
  forget(id: string): void {
    this.places.delete(id);
  }
}
