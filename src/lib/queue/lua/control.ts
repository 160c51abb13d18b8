import { DATA, KEY } from '../wire.js';
import { OPERATOR } from './prelude.js';

/**
 * Cancels jobs that have not started, in chunks. ARGV 3 'prioritized', 'delayed' or 'wait', 4 first rank to
 * look at, 5 most to look at, 6 submitted until (ms), 7 failure JSON, 8 message, 9 keep s.
 * Output: [cancelled, left alone: submitted later, or of a newer layout; how many of a newer layout]
 */
export const PURGE_WAITING = `${OPERATOR}
local part, from, most, cutoff = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local key = base .. part
local list = part == 'wait'
local ids = call(list and 'LRANGE' or 'ZRANGE', key, from, from + most - 1)
local done, left, newer = 0, 0, 0
local function purge(id)
  local job = call('HMGET', base .. id, 'data', 'timestamp', 'name')
  local late = (tonumber(job[2] or '') or 0) > cutoff
  if isNewer(job[3]) or job[1] and late then
    left = left + 1
    if not late then newer = newer + 1 end
    return
  end
  if list then call('LREM', key, 1, id) else call('ZREM', key, id) end
  dropDeadline(id)
  unfile(id)
  if job[1] then
    finishUnheld(id, job[1], 'cancelled', ARGV[7], ARGV[8], tonumber(ARGV[9]))
    done = done + 1
  end
end

for _, id in ipairs(ids) do
  local ok, err = pcall(purge, id)
  if not ok and not isDamage(err) then error(err, 0) end
  if not ok then
    removeDamaged(id, damageOf(id) or textOf(err))
    done = done + 1
  end
end
return {done, left, newer}
`;

/**
 * Deletes ended jobs and everything kept with them, the oldest first, in chunks. ARGV 3 their state, 4 most
 * to look at, 5 ended until (ms).
 * Output: [looked at, jobs that still existed].
 */
export const PURGE_ENDED = `${OPERATOR}
local sets = {completed = completed, failed = failed}
local set = sets[ARGV[3]] or tag .. ':' .. ARGV[3]
local done = 0
local ids = call('ZRANGEBYSCORE', set, '-inf', ARGV[5], 'LIMIT', 0, tonumber(ARGV[4]))
for _, id in ipairs(ids) do
  local key = base .. id
  call('ZREM', set, id)
  if ARGV[3] == 'failed' then unregister(id) end
  done = done + call('DEL', key)
  call('DEL', key .. ':logs', tag .. ':${KEY.input}:' .. id, tag .. ':${KEY.result}:' .. id)
end
return {#ids, done}
`;

/**
 * Gives waiting and delayed jobs another priority, each behind the jobs already waiting at it. ARGV 3
 * priority, 4 BullMQ priority, then ids. Output per id: 1 changed, 2 already had it, 0 not waiting, -1
 * unknown, -2 of a newer layout.
 */
export const SET_PRIORITY = `${OPERATOR}
local out = {}
local priority, bull = tonumber(ARGV[3]), tonumber(ARGV[4])
local function change(id)
  local key = base .. id
  local job = call('HMGET', key, 'data', 'priority', 'name')
  local waits = call('ZSCORE', prioritized, id)
  if isNewer(job[3]) then return -2 end
  if not job[1] then return -1 end
  if not waits and not call('ZSCORE', delayed, id) and not try('LPOS', wait, id) then return 0 end
  if tonumber(job[2] or 0) == bull then return 2 end
  -- Commands that free or move memory come first: a full Redis refuses a script whose first write needs
  -- memory.
  if try('LREM', wait, 1, id) == 1 then waits = true end
  if waits then
    call('ZADD', prioritized, score(bull), id)
    -- At its new place no worker has met it yet.
    unfile(id)
  end
  call('HSET', key, 'priority', bull)
  local ok, data = pcall(cjson.decode, job[1])
  if ok and type(data) == 'table' and type(data.${DATA.spec}) == 'table' then
    data.${DATA.spec}.priority = priority
    call('HSET', key, 'data', cjson.encode(data))
  end
  if waits and not isPaused() then mark(0, '0') end
  return 1
end

checkPlaces()
for i = 5, #ARGV do
  local ok, answer = pcall(change, ARGV[i])
  if not ok and not isDamage(answer) then error(answer, 0) end
  -- Nor are damaged jobs taken.
  out[#out + 1] = ok and answer or 0
end
return out
`;
