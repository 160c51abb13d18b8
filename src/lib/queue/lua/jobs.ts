import { BOUNDS, LOCK_MS } from '../../core/bounds.js';
import {
  DELAYED_UNIT,
  HOLD_END,
  JOB,
  KEY,
  luaIndex,
  NOTICE_RESULT_BYTES,
  SETTLE_FIELDS,
  STATS,
  STATS_TTL,
  TAKE_BYTES,
  TAKE_REPLY,
  TAKE_TRIES,
  TAKES_TTL,
} from '../wire.js';
import { PRELUDE } from './prelude.js';
import { ROUTED_TAKE } from './route.js';
import { TIMELINE } from './timeline.js';

/**
 * The worker's side of the queue as Lua scripts over BullMQ's own data layout (bullmq 6.7: job
 * hashes, `prioritized` and `delayed` sorted sets, `active` list, `<id>:lock`, `marker`).
 *
 * Why not BullMQ's Worker: it runs one script per job and takes one job per script, which limits the rate; a
 * freed slot cannot ask "anything more urgent than this?"; a result cannot be written in the same step as the
 * completion; and jobs recovered from a dead worker lose their priority. These scripts take and end many jobs
 * at once and do all of this. Adding, pausing, delaying and reading are still BullMQ's; a stock BullMQ worker
 * can still serve our queues. Figures: docs/architecture.md.
 *
 * Names of fields and keys, field positions and numbers shared with TypeScript are in wire.ts.
 */

const F = luaIndex(SETTLE_FIELDS);
const T = luaIndex(TAKE_REPLY);

/**
 * Takes jobs, most urgent first. ARGV 3 token, 4 lock ms, 5 runs that idle runners can start, 6 BullMQ
 * priority that a job must be below ('' = any), 7 worker name, 8 a number that no other unanswered take of
 * this worker has ('' = none), 9 routes that the worker serves, one per line, with rows and ms of a run ('*'
 * = all, one row per run); 10 runs to prefetch, of jobs that take ARGV 11 ms at most; 12 maximum number of
 * jobs. See lua/route.ts. A take sent again after a lost connection, under the same token, returns the same
 * jobs as before, since their worker does not know of them yet. `takes` stores them, one field per unanswered
 * take.
 * Output: [next delayed ms or 0, 1 if more of its routes waits or was not looked at (2 if there was no room
 * for the next), then per job what TAKE_REPLY names, the input nil where it has no key of its own]
 */
export const TAKE = `${PRELUDE}
local token, lockMs, idle, below, worker = ARGV[3], within(ARGV[4], 1, ${BOUNDS.lockMs.max}, ${LOCK_MS}), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local slot, takes = ARGV[8] or '', tag .. ':${KEY.takes}:' .. string.match(token, '^[^:]*')
local out = {0, 0}

local function answer(id, job, ats, input)
  local n = #out
  out[n + ${T.id}] = id
  out[n + ${T.data}] = job[2]
  out[n + ${T.timestamp}] = job[3]
  out[n + ${T.attemptsStarted}] = ats
  out[n + ${T.attemptsMade}] = job[4] or '0'
  out[n + ${T.stalls}] = job[5] or '0'
  out[n + ${T.input}] = input
  return #job[2] + (input and #input or 0)
end

-- Reads a job and its input; fails for a damaged one.
local function read(id)
  local job = call('HMGET', base .. id, 'name', 'data', 'timestamp', '${JOB.attemptsMade}', '${JOB.stalls}', '${JOB.attemptsStarted}', 'priority')
  if not job[2] then damage('its field data is missing') end
  timeOf('timestamp', job[3])
  wholeOf('${JOB.attemptsMade}', job[4])
  wholeOf('${JOB.stalls}', job[5])
  wholeOf('priority', job[7])
  return job, call('GET', tag .. ':${KEY.input}:' .. id)
end

local function someWait()
  return (try('ZCARD', prioritized) or 0) > 0 or (try('LLEN', wait) or 0) > 0
end

local function again(id)
  if not holds(id, token) then return end
  renewLock(id, token, lockMs)
  local job, input = read(id)
  answer(id, job, wholeOf('${JOB.attemptsStarted}', job[6]), input)
end

local before = slot ~= '' and try('HGET', takes, slot)
-- With another type it is useless: delete it.
if before == nil then call('DEL', takes) end
if before and string.sub(before, 1, #token + 1) == token .. '\\0' then
  for id in string.gmatch(string.sub(before, #token + 2), '[^%z]+') do guarded(id, again) end
  if someWait() then out[2] = 1 end
  return out
end
-- Without the list of active jobs a lost job would not be found again, and jobs of other routes are put into
-- prioritized.
if isPaused() or try('LLEN', active) == nil or try('ZCARD', prioritized) == nil then return out end

local function promote(id)
  local priority = priorityOf(id)
  if priority == 0 then call('LPUSH', wait, id) else call('ZADD', prioritized, score(priority), id) end
  call('ZREM', delayed, id)
  call('HSET', base .. id, 'delay', 0)
end

for _, id in ipairs(try('ZRANGEBYSCORE', delayed, 0, (now + 1) * ${DELAYED_UNIT} - 1, 'LIMIT', 0, 200) or {}) do
  guarded(id, promote)
end
${ROUTED_TAKE}
local bytes, jobs, most, brought = 0, 0, tonumber(ARGV[12]), {token}
local function take(id)
  local key = base .. id
  local job, input = read(id)
  local ats = call('HINCRBY', key, '${JOB.attemptsStarted}', 1)
  call('LPUSH', active, id)
  call('SET', key .. ':lock', token, 'PX', lockMs)
  call('HSET', key, 'processedOn', now, '${JOB.worker}', worker, '${JOB.hold}', token)
  bytes = bytes + answer(id, job, ats, input)
  jobs = jobs + 1
  brought[jobs + 1] = id
end

-- Inputs of 16 MB are enough for one take: more would block every other user of this Redis.
local tried = 0
while (idle > 0 or ahead > 0) and bytes < ${TAKE_BYTES} and jobs < most and tried < ${TAKE_TRIES} do
  local idleBefore, aheadBefore, jobsBefore = idle, ahead, jobs
  local id = nextId()
  if not id then break end
  tried = tried + 1
  local _, aside = guarded(id, take, true)
  -- Retried when the worker has slept, or more jobs arrive.
  if aside == false then return out end
  -- A job that was set aside takes no room.
  if jobs == jobsBefore then idle, ahead = idleBefore, aheadBefore end
end

if slot ~= '' and jobs > 0 then
  call('HSET', takes, slot, table.concat(brought, '\\0') .. '\\0')
  call('EXPIRE', takes, ${TAKES_TTL})
end
local rest, ours = finishRouting()
if ours then out[2] = isFull() and 2 or 1 end
if rest then
  mark(0, '0')
else
  local next = try('ZRANGE', delayed, 0, 0, 'WITHSCORES') or {}
  local at = #next > 0 and math.floor(tonumber(next[2]) / ${DELAYED_UNIT}) or 0
  -- A job that is due and still here cannot be moved to its place: a key is damaged.
  if at > now then
    out[1] = at
    mark(at, '1')
  end
end
return out
`;

/**
 * Ends holds. ARGV 3 statistics bucket, then per job the fields in SETTLE_FIELDS, packed into one (pack.ts).
 * Output: 1 (ours, applied now or before) or 0 (lost) per job.
 */
export const SETTLE = `${PRELUDE}${TIMELINE}
local out, done, bad, rowsDone = {}, 0, 0, 0

local function letGo(id)
  call('DEL', base .. id .. ':lock')
  try('LREM', active, -1, id)
end

-- Back to the queue after this many ms.
local function putOff(id, delay)
  priorityOf(id)
  call('ZADD', delayed, (now + delay) * ${DELAYED_UNIT} + (try('INCR', pc) or 0) % ${DELAYED_UNIT}, id)
  call('HSET', base .. id, 'delay', delay)
  local first = call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  if first[1] == id then mark(now + delay, '1') end
end

local f
local function settle(id)
  local token, kind, key = f[${F.token}], f[${F.kind}], base .. id
  -- When sent again after a lost connection, it finds that its work is done.
  if not holds(id, token) then return call('HGET', key, '${JOB.endedBy}') == token and 1 or 0 end
  if kind == 'damaged' then
    setAside(id, f[${F.reason}], true)
    return 1
  end
  if kind == 'release' then
    note(id, '${HOLD_END.back}')
    -- It has not run: treat it as never taken.
    call('HINCRBY', key, '${JOB.attemptsStarted}', -1)
    local delay = within(f[${F.delay}], 0, ${BOUNDS.delayMs.max}, 0)
    if not endIfUnwanted(id) then
      if delay > 0 then putOff(id, delay) else pushBack(id) end
    end
    call('HSET', key, '${JOB.endedBy}', token)
    letGo(id)
    return 1
  end
  local tries = call('HINCRBY', key, '${JOB.attemptsMade}', 1)
  if kind == 'retry' and endIfUnwanted(id) then
    call('HSET', key, '${JOB.endedBy}', token)
    letGo(id)
    return 1
  end
  if kind == 'retry' then
    local delay = within(f[${F.delay}], 0, ${BOUNDS.delayMs.max}, 0)
    note(id, '${HOLD_END.retry}', codeOf(f[${F.failure}]), f[${F.reason}], delay)
    call('HSET', key, '${JOB.failure}', f[${F.failure}], 'failedReason', f[${F.reason}])
    if delay <= 0 then pushBack(id) else putOff(id, delay) end
    call('HSET', key, '${JOB.endedBy}', token)
    letGo(id)
    return 1
  end
  local rows = within(f[${F.rows}], 0, ${BOUNDS.rows.max}, 0)
  local result = f[${F.result}]
  local notice = f[${F.notice}]
  -- Results up to 64 KB are included, which saves the waiter a round trip.
  if notice ~= '' and #result <= ${NOTICE_RESULT_BYTES} then notice = notice .. result end
  letGo(id)
  finish({id = id, state = kind, token = token, tried = tries > 1, reason = f[${F.reason}], meta = f[${F.meta}],
    failure = f[${F.failure}], result = result, notice = notice, ttl = f[${F.ttl}],
    keep = f[${F.keep}], reply = f[${F.reply}], group = f[${F.group}], rows = rows, data = f[${F.data}]})
  if kind == 'completed' then done = done + 1; rowsDone = rowsDone + rows else bad = bad + 1 end
  return 1
end

for i = 4, #ARGV do
  f = unpackFields(ARGV[i])
  -- A job that could not be put back keeps its lock until it expires.
  out[#out + 1] = guarded(f[${F.id}], settle) or 0
end
if done + bad > 0 then
  local stats = tag .. ':${KEY.stats}:' .. ARGV[3]
  try('HINCRBY', stats, '${STATS.completed}', done)
  try('HINCRBY', stats, '${STATS.failed}', bad)
  try('HINCRBY', stats, '${STATS.rows}', rowsDone)
  call('EXPIRE', stats, ${STATS_TTL})
end
return out
`;

/**
 * Renews locks. ARGV 3 lock ms, then id, token per job.
 * Output: per job 1 ours, 0 lost, 2 cancellation requested.
 */
export const RENEW = `${PRELUDE}
local out, lockMs = {}, within(ARGV[3], 1, ${BOUNDS.lockMs.max}, ${LOCK_MS})
local token
local function renew(id)
  if not holds(id, token) then return 0 end
  local unwanted = call('HEXISTS', base .. id, '${JOB.cancel}') == 1
  renewLock(id, token, lockMs)
  return unwanted and 2 or 1
end

for i = 4, #ARGV, 2 do
  token = ARGV[i + 1]
  out[#out + 1] = guarded(ARGV[i], renew) or 0
end
return out
`;

/**
 * Puts jobs whose lock expired back at the front of their priority; a job that lost it ARGV[3] times is
 * failed. Take sets list entry and lock in one step, so "active without a lock" always means lost. ARGV 4
 * failure JSON, 5 its message, 6 keep seconds.
 * Output: [requeued ids..., '', poisoned ids...]
 */
export const RECOVER = `${PRELUDE}${TIMELINE}
local requeued, poisoned = {}, {}

-- Every lock of a hold expires. One that does not is damage: its holder has ten seconds to renew it.
local function isHeld(id)
  local lock = base .. id .. ':lock'
  local left = call('PTTL', lock)
  if left == -1 then
    if try('GET', lock) == nil then call('SET', lock, try('HGET', base .. id, '${JOB.hold}') or '', 'PX', ${LOCK_MS}) end
    call('PEXPIRE', lock, ${LOCK_MS})
  end
  return left ~= -2
end

local function recover(id)
  local key = base .. id
  local data = call('HGET', key, 'data')
  if not data then damage('its field data is missing') end
  local stalls = wholeOf('${JOB.stalls}', call('HGET', key, '${JOB.stalls}')) + 1
  if endIfUnwanted(id) then
    -- Its cancellation had been requested: it is neither requeued nor poison.
  elseif stalls >= tonumber(ARGV[3]) and not isNewer(call('HGET', key, 'name')) then
    finishUnheld(id, data, 'failed', ARGV[4], ARGV[5], ARGV[6])
    poisoned[#poisoned + 1] = id
  else
    pushBack(id)
    requeued[#requeued + 1] = id
  end
  note(id, '${HOLD_END.lost}')
  call('HSET', key, '${JOB.stalls}', stalls)
  call('LREM', active, -1, id)
end

for _, id in ipairs(try('LRANGE', active, 0, -1) or {}) do
  if not isHeld(id) then guarded(id, recover) end
end
requeued[#requeued + 1] = ''
for _, id in ipairs(poisoned) do requeued[#requeued + 1] = id end
return requeued
`;

/**
 * Removes ids from an index of ended jobs whose job hash has expired. ARGV 3 'completed', 'failed', 'expired'
 * or 'cancelled', 4 first rank to look at, 5 members to look at, 6 ms for which no other worker sweeps.
 * Output: [looked at, removed]
 */
export const SWEEP = `${PRELUDE}
local set = ({completed = completed, failed = failed})[ARGV[3]] or tag .. ':' .. ARGV[3]
local ids = try('ZRANGE', set, ARGV[4], ARGV[4] + ARGV[5] - 1) or {}
local removed = 0
for from = 1, #ids, 100 do
  local keys, gone = {}, {}
  for i = from, math.min(from + 99, #ids) do keys[#keys + 1] = base .. ids[i] end
  -- If all of a hundred exist, one command is enough.
  if call('EXISTS', unpack(keys)) < #keys then
    for i, key in ipairs(keys) do
      if call('EXISTS', key) == 0 then gone[#gone + 1] = ids[from + i - 1] end
    end
    removed = removed + call('ZREM', set, unpack(gone))
  end
end
call('PEXPIRE', tag .. ':${KEY.sweep}', ARGV[6])
return {#ids, removed}
`;
