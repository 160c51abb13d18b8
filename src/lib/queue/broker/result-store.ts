import { BulkWrites } from '../../redis/bulk-writes.js';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { findDamage, resultDamaged } from '../damage.js';
import { queueTag, resultKey } from '../keys.js';

/** Where stored results are read from. */
export interface ResultSource {
  /**
   * The envelope; undefined when none was stored or it has expired. `token` is the hold that ended the job.
   */
  read(queue: string, id: string, token: string): Promise<Buffer | undefined>;
  /** Its size and remaining lifetime in ms, without reading it; undefined when there is none. */
  measure(
    queue: string,
    id: string,
    token: string,
  ): Promise<{ bytes: number; expiresInMs: number | null } | undefined>;
  /** Deletes it, where it is not deleted with its job. */
  remove(queue: string, id: string, token: string): Promise<void>;
}

/** @throws InferError JOB_DAMAGED if the key has another type. */
async function readKey(client: RedisClient, key: string): Promise<Buffer | undefined> {
  const found = await ifReadable(client.getBuffer(key), undefined);
  if (found === undefined) throw resultDamaged(await findDamage(client, key, 'its result', 'string'));
  return found ?? undefined;
}

async function measureKey(
  client: RedisClient,
  key: string,
): Promise<{ bytes: number; expiresInMs: number | null } | undefined> {
  const [bytes, ttl] = await Promise.all([ifReadable(client.strlen(key), 0), client.pttl(key)]);
  return bytes === 0 ? undefined : { bytes, expiresInMs: ttl < 0 ? null : ttl };
}

/** Results in the broker itself, written by the settle script in the same step that ends the job. */
export class BrokerResults implements ResultSource {
  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {}

  async read(queue: string, id: string): Promise<Buffer | undefined> {
    return readKey(this.client, resultKey(queueTag(this.prefix, queue), id));
  }

  measure(queue: string, id: string) {
    return measureKey(this.client, resultKey(queueTag(this.prefix, queue), id));
  }

  async remove(): Promise<void> {
    // The script that deletes a job deletes its result too.
  }
}

/**
 * Results in a separate Redis (`resultUrl`): large or long-lived results then cannot fill the broker. The
 * commit happens in the broker, fenced by the lock token, so every execution writes under its own token and
 * the job's record names the winning token: a stale worker's result is never visible and never overwrites the
 * valid one.
 */
export class ResultStore implements ResultSource {
  /** For large results. */
  readonly bulk: BulkWrites;

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {
    this.bulk = new BulkWrites(client);
  }

  /** STRING, EX ttl. */
  private key(queue: string, id: string, token: string): string {
    return `${resultKey(queueTag(this.prefix, queue), id)}:${token}`;
  }

  /** `ttl` in seconds. @throws SizeRefused when that Redis will never accept a result of this size. */
  async put(queue: string, id: string, token: string, result: Uint8Array, ttl: number): Promise<void> {
    const bytes = Buffer.from(result.buffer, result.byteOffset, result.byteLength);
    const key = this.key(queue, id, token);
    await this.bulk.run(bytes.byteLength, (client) => client.set(key, bytes, 'EX', ttl));
  }

  async read(queue: string, id: string, token: string): Promise<Buffer | undefined> {
    return readKey(this.client, this.key(queue, id, token));
  }

  measure(queue: string, id: string, token: string) {
    return measureKey(this.client, this.key(queue, id, token));
  }

  async remove(queue: string, id: string, token: string): Promise<void> {
    await this.client.del(this.key(queue, id, token));
  }
}
