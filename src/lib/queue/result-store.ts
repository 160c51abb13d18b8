import type { RedisClient } from '../redis/types.js';
import { queueTag } from './keys.js';

/**
 * Results in a Redis of their own (`resultUrl`): large or long-lived results then cannot fill the
 * broker. The commit happens in the broker, fenced by the lock token, so every execution writes
 * under its own token and the job's record names the token that won: a stale worker's result can
 * never be seen, nor overwrite the one that is.
 */
export class ResultStore {
  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {}

  /** STRING, EX ttl. `ttl` in seconds. */
  private key(queue: string, id: string, token: string): string {
    return `${queueTag(this.prefix, queue)}:res:${id}:${token}`;
  }

  async put(queue: string, id: string, token: string, result: Uint8Array, ttl: number): Promise<void> {
    const bytes = Buffer.from(result.buffer, result.byteOffset, result.byteLength);
    await this.client.set(this.key(queue, id, token), bytes, 'EX', ttl);
  }

  async get(queue: string, id: string, token: string): Promise<Buffer | undefined> {
    return (await this.client.getBuffer(this.key(queue, id, token))) ?? undefined;
  }
}
