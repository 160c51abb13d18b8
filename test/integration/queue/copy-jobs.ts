import type { QueueKit } from './queue-kit.js';

/** Copies of a job in its list, each with a place of its own: KEYS 1 the queue's base. ARGV id, list, prefix, from, to. */
const COPY = `
local fields = redis.call('HGETALL', KEYS[1] .. ARGV[1])
local list = KEYS[1] .. ARGV[2]
local score = tonumber(redis.call('ZSCORE', list, ARGV[1]))
for i = tonumber(ARGV[4]), tonumber(ARGV[5]) do
  local copy = ARGV[3] .. i
  redis.call('HSET', KEYS[1] .. copy, unpack(fields))
  redis.call('ZADD', list, ARGV[2] == 'prioritized' and score + i or score, copy)
end
`;
const AT_ONCE = 2000;

/**
 * Makes many jobs of one by copying it in Redis, which is a hundred times faster than to submit and to run them.
 * @param id a waiting or failed job
 */
export async function copyJobs(
  kit: Pick<QueueKit, 'client' | 'base'>,
  id: string,
  list: 'prioritized' | 'failed',
  copies: number,
): Promise<void> {
  for (let from = 1; from <= copies; from += AT_ONCE) {
    const to = Math.min(copies, from + AT_ONCE - 1);
    await kit.client.eval(COPY, 1, kit.base, id, list, `${list}-`, from, to);
  }
}
