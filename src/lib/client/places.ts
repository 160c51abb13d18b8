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

/** Queues of the ids this client met lately; bounded, as an API server submits without end. */
export class Places {
  private readonly places = new Map<string, Place>();

  constructor(
    private readonly redis: RedisClient,
    private readonly prefix: string,
  ) {}

  /** What an id names, and where. @throws InferError JOB_UNKNOWN, JOB_LOST (66). */
  async find(id: string): Promise<{ queue: string; kind: 'job' | 'group' }> {
    const queues = await worded(this.redis, listQueues(this.redis, this.prefix));
    const place = await worded(this.redis, locate(this.redis, this.prefix, id, queues));
    if (place === undefined) throw await missingId(this.redis, this.prefix, id);
    this.set(id, place.queue, place.kind);
    return place;
  }

  /** What an id names, and where: remembered, else looked up. @throws InferError JOB_UNKNOWN, JOB_LOST (66). */
  async named(id: string): Promise<{ queue: string; kind: 'job' | 'group' }> {
    const known = this.places.get(id);
    return known?.kind === undefined ? this.find(id) : { queue: known.queue, kind: known.kind };
  }

  /** The queue of a job (or group): remembered, else looked up. @throws InferError JOB_UNKNOWN, JOB_LOST (66). */
  async of(id: string, kind: 'job' | 'group'): Promise<{ queue: string }> {
    const known = this.places.get(id);
    if (known !== undefined) return { queue: known.queue };
    const place = await this.find(id);
    if (place.kind !== kind) throw unknownId(id);
    return place;
  }

  /** Whether an id that is not where it was thought to be is somewhere else now. */
  async moved(id: string, from: string): Promise<boolean> {
    this.places.delete(id);
    const queues = await worded(this.redis, listQueues(this.redis, this.prefix));
    const place = await worded(this.redis, locate(this.redis, this.prefix, id, queues));
    if (place === undefined || place.queue === from) return false;
    this.set(id, place.queue, place.kind);
    return true;
  }

  /** @param kind what it names [as known before] */
  set(id: string, queue: string, kind = this.places.get(id)?.kind): void {
    this.places.delete(id);
    this.places.set(id, { queue, kind });
    if (this.places.size > MOST) this.places.delete(this.places.keys().next().value as string);
  }

  /** Whether what it names is remembered. */
  knows(id: string): boolean {
    return this.places.get(id)?.kind !== undefined;
  }

  /** It is there no longer. */
  forget(id: string): void {
    this.places.delete(id);
  }
}
