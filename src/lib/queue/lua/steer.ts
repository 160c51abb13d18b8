import { BOUNDS } from '../../core/bounds.js';
import { MAX_PRIORITY } from '../../core/job.js';
import { DATA, DEFAULT_TTL, GROUP, HOLD_END, JOB, KEY } from '../wire.js';
import { CHUNK_EXTRA_TTL, PRELUDE } from './prelude.js';
import { TIMELINE } from './timeline.js';

/** Pauses before a due job is looked at again: one that is held, and one of a newer layout. */
const LOOK_AGAIN_MS = 1000;
const NEWER_AGAIN_MS = 10_000;
/** Results of an unfinished group are kept for a day longer: to do that again each hour is enough. */
const KEEP_AGAIN_MS = 3_600_000;

/**
 * Stores the input of a job that is about to be added, in its own key. The script that adds the job removes
 * the expiry, so the input of a submitter that dies in between expires, or is replaced when the id is
 * submitted again. If the job already exists, running or ended, nothing changes. ARGV 3 id, 4 input, 5
 * seconds.
 * Output: 1 stored, 0 the job exists.
 */
export const STORE_INPUT = `
if redis.call('EXISTS', ARGV[1] .. ARGV[3]) == 1 then return 0 end
redis.call('SET', ARGV[2] .. ':${KEY.input}:' .. ARGV[3], ARGV[4], 'EX', ARGV[5])
return 1
`;

/**
 * Stores the input of an existing job again: Redis lost its data after the input was stored and before the
 * job was added. ARGV 3 id, 4 input.
 * Output: 1 stored, 0 there is no such job, or it has ended or has its input.
 */
export const RESTORE_INPUT = `
local key, input = ARGV[1] .. ARGV[3], ARGV[2] .. ':${KEY.input}:' .. ARGV[3]
if redis.call('EXISTS', key) == 0 or redis.call('HEXISTS', key, '${JOB.state}') == 1 then return 0 end
return redis.call('SET', input, ARGV[4], 'NX') and 1 or 0
`;

/**
 * Cancels a job. ARGV 3 id, 4 failure JSON, 5 message, 6 keep s, 7 the group of which it must be a chunk ('':
 * of none), 8 the group's owner.
 * Output: {its state now, 1 when this call changed it}: 'cancelled', 'active' (its worker has been asked), a
 * terminal state, 'unknown'; 'newer' for a job of a newer layout that has not ended, which is left alone. A
 * damaged job is deleted and counts as cancelled.
 */
export const CANCEL = `${PRELUDE}
local id = ARGV[3]
local key = base .. id
local job = try('HMGET', key, '${JOB.state}', 'data', 'name') or {}
if isNewer(job[3]) then return {job[1] or 'newer', 0} end
if not job[2] and call('EXISTS', key) == 0 and not try('ZSCORE', damagedKey, id) then return {'unknown', 0} end
if ARGV[7] ~= '' and not isChunkOf(ARGV[7], ARGV[8], job[2]) then return {'unknown', 0} end
-- A damaged job is deleted, even if it was set aside before.
if not job[2] or try('ZSCORE', damagedKey, id) then
  removeDamaged(id, damageOf(id) or 'it was cancelled')
  return {'cancelled', 1}
end
if job[1] then return {job[1], 0} end
checkPlaces()
local removed = call('ZREM', prioritized, id) + call('ZREM', delayed, id) + (try('LREM', wait, 1, id) or 0)
if removed == 0 then
  -- Ended by a stock BullMQ worker.
  if try('ZSCORE', completed, id) then return {'completed', 0} end
  if try('ZSCORE', failed, id) then return {'failed', 0} end
  call('HSET', key, '${JOB.cancel}', 1)
  return {'active', 1}
end
unfile(id)
finishUnheld(id, job[2], 'cancelled', ARGV[4], ARGV[5], tonumber(ARGV[6]))
return {'cancelled', 1}
`;

/**
 * Adds a reply list to a job (or group) that has not ended. ARGV 3 id, 4 list, 5 'job' or 'group'.
 * Output: 1 registered, 0 already ended, -1 unknown, -2 a job of a newer layout.
 */
export const WATCH = `${PRELUDE}
local key = ARGV[5] == 'group' and tag .. ':${KEY.group}:' .. ARGV[3] or base .. ARGV[3]
if call('EXISTS', key) == 0 or ARGV[5] == 'group' and try('HEXISTS', key, '${GROUP.model}') == 0 then return -1 end
if ARGV[5] ~= 'group' and isNewer(try('HGET', key, 'name')) then return -2 end
-- An unreadable one will send no notice; the caller is told why.
if try('HEXISTS', key, ARGV[5] == 'group' and '${GROUP.finishedOn}' or '${JOB.state}') ~= 0 then return 0 end
local lists = call('HGET', key, '${JOB.lists}')
if lists and string.find(' ' .. lists .. ' ', ' ' .. ARGV[4] .. ' ', 1, true) then return 1 end
-- HDEL first: a full Redis refuses a script whose first write needs memory, and then no one could wait.
call('HDEL', key, '${JOB.lists}')
call('HSET', key, '${JOB.lists}', lists and (lists .. ' ' .. ARGV[4]) or ARGV[4])
return 1
`;

/**
 * Expires jobs that are past their deadline and have not started. ARGV 3 maximum number to end, 4 failure
 * JSON, 5 message, 6 keep s, 7 id to look at before all others or '', 8 ms in which no further script may run
 * after one that left some ('': the caller is not paced). `<tag>:deadlines` is a ZSET id -> ms, written by
 * the script that adds a job; an entry is removed when its job ends.
 * Output: [1 when more are due, expired ids...]
 */
export const EXPIRE_DUE = `${PRELUDE}
local out, most = {0}, tonumber(ARGV[3])
local pace = tag .. ':${KEY.pace}:${KEY.deadlines}'
if ARGV[8] ~= '' and call('PTTL', pace) > 0 then return {1} end

local function look(id)
  local job = call('HMGET', base .. id, 'data', '${JOB.state}', 'finishedOn', 'name')
  -- Left to a worker that knows its layout.
  if isNewer(job[4]) then
    call('ZADD', deadlines, now + ${NEWER_AGAIN_MS}, id)
    return
  end
  if job[1] and (try('ZREM', prioritized, id) or 0) + (try('ZREM', delayed, id) or 0) > 0 then
    unfile(id)
    finishUnheld(id, job[1], 'expired', ARGV[4], ARGV[5], tonumber(ARGV[6]))
    out[#out + 1] = id
  elseif job[1] and not job[2] and not job[3] then
    -- A worker holds it and may put it back: look at it again.
    call('ZADD', deadlines, now + ${LOOK_AGAIN_MS}, id)
    return
  end
  call('ZREM', deadlines, id)
end

-- A job that cannot be checked now is checked later, and does not block the others.
local function lookAt(id)
  local _, aside = guarded(id, look)
  if aside then call('ZREM', deadlines, id) end
  if aside == false then call('ZADD', deadlines, now + ${LOOK_AGAIN_MS}, id) end
end

local own = ARGV[7] ~= '' and tonumber(try('ZSCORE', deadlines, ARGV[7]) or '')
if own and own <= now then lookAt(ARGV[7]) end
-- Jobs that are held or no longer exist cost a fraction of those to be ended.
local due = try('ZRANGEBYSCORE', deadlines, '-inf', now, 'LIMIT', 0, 5 * most) or {}
local looked = 0
while looked < #due and #out - 1 < most do
  looked = looked + 1
  lookAt(due[looked])
end
if looked < #due or #due == 5 * most then
  out[1] = 1
  if ARGV[8] ~= '' then call('SET', pace, 1, 'PX', ARGV[8]) end
end
return out
`;

/**
 * Requeues ended jobs at their own priority, with all their attempts available again. ARGV 3 their new time
 * limit in ms, empty to keep the current one; 4 the group of which they must be chunks ('': of none), 5 its
 * owner; 6.. ids. Only failed ones still have their input; others are
 * left alone. Output per id: 1 queued again, 0 not failed, -1 unknown, -2 damaged beyond repair, -3 failed,
 * but of a newer layout.
 */
export const RETRY = `${PRELUDE}${TIMELINE}
local out, kept = {}, {}

-- The group is no longer complete: the results of its other chunks are kept for the new end, with a day's
-- grace. Since every chunk is looked at for that, it is done when the group is reopened, and then once an hour
-- while more of its chunks are requeued.
local function keepResults(group, gtag, gkey, reopened)
  if kept[group] then return end
  kept[group] = true
  local g = call('HMGET', gkey, '${GROUP.ttl}', '${GROUP.jobs}', '${GROUP.owner}', '${GROUP.completed}', '${GROUP.kept}')
  local recent = now - (tonumber(g[5] or '') or 0) < ${KEEP_AGAIN_MS}
  if tonumber(g[4] or '0') == 0 or recent and not reopened then return end
  call('HSET', gkey, '${GROUP.kept}', now)
  keepChunks(group, g[3], gtag, within(g[2], 0, ${BOUNDS.rows.max}, 0), keepFor(g[1], ${DEFAULT_TTL}) + ${CHUNK_EXTRA_TTL})
end

local limit = within(ARGV[3], ${BOUNDS.timeLimitMs.min}, ${BOUNDS.timeLimitMs.max})

-- Stored in the job itself, where its worker reads it.
local function setLimit(key, json)
  local ok, data = pcall(cjson.decode, json)
  if not ok or type(data) ~= 'table' or type(data.${DATA.spec}) ~= 'table' then return end
  data.${DATA.spec}.timeLimitMs = limit
  call('HSET', key, 'data', cjson.encode(data))
end

-- Restores what can be derived elsewhere: the priority is in the data as well. False when more is damaged.
local function repair(id, key, data)
  local priority = specOf(data).priority
  if not pcall(priorityOf, id) then
    local own = type(priority) == 'number' and within(priority, 0, ${MAX_PRIORITY}, 0) or 0
    call('HSET', key, 'priority', ${MAX_PRIORITY + 1} - own)
  end
  if not pcall(timeOf, '', call('HGET', key, 'timestamp')) then call('HSET', key, 'timestamp', now) end
  call('HDEL', key, '${JOB.stalls}')
  call('HSET', key, '${JOB.attemptsMade}', 0, '${JOB.attemptsStarted}', 0)
  return not damageOf(id)
end

local function backToGroup(group, rows)
  local _, gtag = groupAt(refOf(group))
  local gkey = gtag .. ':${KEY.group}:' .. group.id
  -- Not -(...): Lua would send "-0", which Redis does not accept as an integer.
  if try('HEXISTS', gkey, '${GROUP.model}') == 0 or not try('HINCRBY', gkey, '${GROUP.failed}', -1) then return end
  try('HINCRBY', gkey, '${GROUP.rowsDone}', 0 - rows)
  local reopened = call('HDEL', gkey, '${GROUP.finishedOn}') == 1
  call('PERSIST', gkey)
  keepResults(group.id, gtag, gkey, reopened)
end

local function retry(id)
  local key = base .. id
  local job = call('HMGET', key, '${JOB.state}', 'data', '${JOB.rowsDone}', 'finishedOn', '${JOB.failure}', 'name')
  if isNewer(job[6]) then return job[1] == 'failed' and -3 or 0 end
  if not job[2] then return (call('EXISTS', key) == 1 or try('ZSCORE', damagedKey, id)) and -2 or -1 end
  if ARGV[4] ~= '' and not isChunkOf(ARGV[4], ARGV[5], job[2]) then return -1 end
  if job[1] ~= 'failed' then return 0 end
  if try('ZSCORE', damagedKey, id) and (hasBadInput(id) or not repair(id, key, job[2])) then return -2 end
  local priority = priorityOf(id)
  checkPlaces(priority)
  try('ZREM', failed, id)
  unregister(id)
  note(id, '${HOLD_END.again}', codeOf(job[5] or ''), '', now - (tonumber(job[4] or '') or now))
  call('HDEL', key, '${JOB.state}', '${JOB.endedBy}', '${JOB.failure}', '${JOB.meta}', 'failedReason', 'finishedOn', '${JOB.cancel}', '${JOB.stalls}', '${JOB.rowsDone}', 'processedOn')
  call('HSET', key, '${JOB.attemptsMade}', 0, '${JOB.attemptsStarted}', 0)
  if limit then setLimit(key, job[2]) end
  call('PERSIST', key)
  call('PERSIST', tag .. ':${KEY.input}:' .. id)
  call('DEL', tag .. ':${KEY.result}:' .. id)
  local spec = specOf(job[2])
  if spec.deadline then try('ZADD', deadlines, spec.deadline, id) end
  if spec.group then backToGroup(spec.group, tonumber(job[3] or '') or 0) end
  if priority == 0 then call('LPUSH', wait, id) else call('ZADD', prioritized, score(priority), id) end
  if not isPaused() then mark(0, '0') end
  return 1
end

for i = 6, #ARGV do
  local ok, answer = pcall(retry, ARGV[i])
  if not ok and (not isDamage(answer) or queueIsDamaged()) then error(answer, 0) end
  out[#out + 1] = ok and answer or -2
end
return out
`;
