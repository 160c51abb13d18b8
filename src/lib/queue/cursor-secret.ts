import { randomBytes } from 'node:crypto';
import type { RedisClient } from '../redis/types.js';
import { ifReadable } from '../redis/wrong-type.js';
import { cursorSecretKey } from './keys.js';

const BYTES = 32;

/**
 * A secret of 32 random bytes that all gateways of an installation share; the first one that needs it creates
 * it.
 * @returns undefined if there is none and Redis refuses to store one, because it is full or read-only or the
 *   user may not
 */
export async function sharedSecret(client: RedisClient, prefix: string): Promise<Buffer | undefined> {
  const key = cursorSecretKey(prefix);
  const read = async (): Promise<Buffer | null | undefined> => {
    const found = await ifReadable(client.getBuffer(key), undefined);
    // A key of another type or length is replaced.
    return found === null || found?.length === BYTES ? found : undefined;
  };
  const found = await read();
  if (found) return found;
  try {
    const fresh = randomBytes(BYTES);
    if (found === null) await client.set(key, fresh, 'NX');
    else await client.set(key, fresh);
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return undefined;
    throw error;
  }
  // Another gateway may have created it first.
  return (await read()) ?? undefined;
}
