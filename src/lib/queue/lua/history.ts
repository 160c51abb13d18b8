/* Scripts of the history and the events. All of their keys are behind `{prefix}`, so in one slot. */

/**
 * Takes or renews the right to write the history. KEYS 1 the right. ARGV 1 who, 2 ms. Returns 1 if it is
 * theirs.
 */
export const TAKE_TURN = `
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`;

/** Gives it back. KEYS 1 the right. ARGV 1 who. */
export const END_TURN = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`;

/**
 * Writes fields of open minutes in full, so that sending them again changes nothing. KEYS 1 the right, 2 open
 * minutes. ARGV 1 who, 2 seconds until they expire, then fields and values. Returns 0 if the right is someone
 * else's.
 */
export const WRITE_OPEN = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 1
`;

/**
 * Closes a minute: moves series from the open minutes to their streams. Each is moved once, whichever process sends it
 * and how often: only when its field is removed. KEYS 1 open minutes, 2 series, then a stream per series.
 * ARGV 1 ms of the minute, 2 entries kept, 3 and 4 seconds until a stream and the list of series expire, then
 * per series its field, name and value; then fields to remove. Returns how many it moved.
 */
export const CLOSE_MINUTE = `
local moved = 0
local at = 5
for i = 3, #KEYS do
  if redis.call('HDEL', KEYS[1], ARGV[at]) == 1 then
    redis.pcall('XADD', KEYS[i], 'MAXLEN', '~', ARGV[2], ARGV[1] .. '-0', 'v', ARGV[at + 2])
    redis.call('EXPIRE', KEYS[i], ARGV[3])
    redis.call('ZADD', KEYS[2], ARGV[1], ARGV[at + 1])
    moved = moved + 1
  end
  at = at + 3
end
redis.call('EXPIRE', KEYS[2], ARGV[4])
for i = at, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
return moved
`;

/**
 * Appends one entry to each stream unless it has this entry or a later one. KEYS streams. ARGV 1 ms, 2
 * entries kept, 3 seconds until they expire, then a value per stream.
 */
export const APPEND_HOUR = `
for i = 1, #KEYS do
  redis.pcall('XADD', KEYS[i], 'MAXLEN', '~', ARGV[2], ARGV[1] .. '-0', 'v', ARGV[i + 3])
  redis.call('EXPIRE', KEYS[i], ARGV[3])
end
return 1
`;

/**
 * Changes the state of a thing and writes the event about it, once: not if it is in that state already. KEYS
 * 1 states, 2 events, 3 a heartbeat (optional). ARGV 1 the thing, 2 '+' or '-', 3 what is kept of it, 4
 * seconds until the states expire, 5 events kept, 6 seconds until the events expire, then fields of the event
 * for '+' where the thing is new, a number of them first, and where it was known. With a heartbeat, '+'
 * requires that it is there and '-' that it is not. Returns 1 if an event was written.
 */
export const CHANGE_STATE = `
local old = redis.call('HGET', KEYS[1], ARGV[1])
local on = old and string.sub(old, 1, 1) == '+'
if ARGV[2] == '+' and on or ARGV[2] == '-' and not on then return 0 end
if KEYS[3] and (redis.call('EXISTS', KEYS[3]) == 1) ~= (ARGV[2] == '+') then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
local fields = tonumber(ARGV[7])
local from = 8
if old then from = 8 + fields end
redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', unpack(ARGV, from, from + fields - 1))
redis.call('EXPIRE', KEYS[2], ARGV[6])
return 1
`;
