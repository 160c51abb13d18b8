import { newId } from '../../core/job.js';
import type { RedisClient } from '../../redis/types.js';
import { REQUEST_TTL } from '../lua/prelude.js';

/**
 * KEYS 1 what is written, 2 the request. ARGV 1 seconds until 1 expires or '', 2 seconds until 2 expires,
 * then a command and its arguments.
 */
const ONCE = `
if not redis.call('SET', KEYS[2], 1, 'EX', ARGV[2], 'NX') then return 0 end
redis.call(ARGV[3], KEYS[1], unpack(ARGV, 4))
if ARGV[1] ~= '' then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return 1
`;

/**
 * Runs a write that is not idempotent (a count, an entry of a list or stream) exactly once, even if the
 * client sends it again after a lost connection; `ttl`, in seconds, sets the expiry of its key in the same
 * step. The request is remembered for `requestTtl` seconds.
 * @param request key that identifies this request, in the slot of `key` (`requestKey`).
 */
export async function writeOnce(
  client: RedisClient,
  request: string,
  [command, key, ...args]: readonly [command: string, key: string, ...args: (string | number)[]],
  ttl?: number,
  requestTtl = REQUEST_TTL,
): Promise<void> {
  await client.eval(ONCE, 2, key, request, ttl ?? '', requestTtl, command, ...args);
}

/** A unique token for one request. */
export function requestToken(): string {
  return newId('j');
}
