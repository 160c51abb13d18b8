/**
 * The worker's side of the queue as Lua scripts over BullMQ's own data layout (bullmq 6.7: job
 * hashes, `prioritized` and `delayed` sorted sets, `active` list, `<id>:lock`, `marker`).
 *
 * Why not BullMQ's Worker: it runs one script per job and takes one job per script, so Redis is
 * busy at about 6,600 jobs/s, a freed slot cannot ask "anything more urgent than this?", a result
 * cannot be written in the same step as the completion, and jobs recovered from a dead worker lose
 * their priority. These scripts take and end many jobs at once and do each of those. Adding,
 * pausing, delaying and reading stay BullMQ's; a stock BullMQ worker can still serve our queues.
 * Figures: docs/architecture.md.
 *
 * Fields we add to a BullMQ job hash: ht token of the last hold, st terminal state, tk token that ended it, m ResultMeta JSON,
 * f FailureRecord JSON, rl extra reply lists (space separated), cr cancel requested, pr rows done of
 * a failed job.
 */

/** KEYS of every script, in this order. */
export const SCRIPT_KEYS = [
  'wait',
  'active',
  'prioritized',
  'delayed',
  'completed',
  'failed',
  'events',
  'meta',
  'pc',
  'marker',
] as const;

export const PRELUDE = `
local call = redis.call
local wait, active, prioritized, delayed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local completed, failed, events, meta, pc, marker = KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local base, tag, now = ARGV[1], ARGV[2], tonumber(ARGV[3])

-- BullMQ's own formula: lower is sooner, first come first served within a priority.
local function score(priority)
  return priority * 4294967296 + call('INCR', pc) % 4294967296
end

-- What a job's data says of it; {} for one that other BullMQ code added.
local function specOf(data)
  local ok, job = pcall(cjson.decode, data)
  return ok and type(job) == 'table' and type(job.s) == 'table' and job.s or {}
end

-- Job data without the input that rode in it. Numbers keep 14 digits, enough for milliseconds.
local function withoutInput(spec)
  return spec.model and cjson.encode({s = spec}) or ''
end

-- In front of its priority, as BullMQ's pushBackJobWithPriority does; then wake an idle worker.
local function pushBack(id)
  local priority = tonumber(call('HGET', base .. id, 'priority')) or 0
  if priority == 0 then
    call('RPUSH', wait, id)
  else
    call('ZADD', prioritized, priority * 4294967296, id)
  end
  if call('HEXISTS', meta, 'paused') == 0 then call('ZADD', marker, 0, '0') end
end

local function tell(list, notice)
  call('RPUSH', list, notice)
  call('EXPIRE', list, 300)
end

-- A group's results live until its ttl after the LAST chunk, or a long one would lose its first
-- rows before its end; chunks outlive their own end by a day for that. 20,000 chunks (5 million
-- rows) take about 20 ms here; beyond that the day's bound holds.
local function endGroup(group, key, jobs)
  local g = call('HMGET', key, 'ttl', 'rl')
  local ttl = math.max(tonumber(g[1] or 3600), 60)
  call('HSET', key, 'finishedOn', now)
  call('EXPIRE', key, ttl)
  for i = 0, math.min(jobs, 20000) - 1 do
    call('EXPIRE', tag .. ':res:' .. group .. '-' .. i, ttl)
  end
  if g[2] then
    local header = '{"id":"' .. group .. '"}'
    for list in string.gmatch(g[2], '%S+') do tell(list, struct.pack('<H', #header) .. header) end
  end
end

-- Counts a chunk's end in its group; the last one ends the group.
local function endInGroup(group, rows, ok)
  local key = tag .. ':grp:' .. group
  if call('EXISTS', key) == 0 then return end
  call('HINCRBY', key, 'rd', rows)
  call('HINCRBY', key, ok and 'jc' or 'jf', 1)
  local g = call('HMGET', key, 'closed', 'jobs', 'jc', 'jf')
  if g[1] == '1' and tonumber(g[3] or 0) + tonumber(g[4] or 0) >= tonumber(g[2]) then endGroup(group, key, tonumber(g[2])) end
end

-- The one place where a job reaches a terminal state. j: id, state, token, reason, meta, failure,
-- result, notice, ttl (s, 0 = keep no result), keep (s), reply, group, rows, data (job data without
-- its input, or '' to leave it).
local function finish(j)
  local key = base .. j.id
  local extra = call('HGET', key, 'rl')
  if j.state == 'completed' then
    call('ZADD', completed, now, j.id)
    call('HSET', key, 'returnvalue', '1')
    call('HDEL', key, 'f', 'failedReason')
  elseif j.state == 'failed' then
    call('ZADD', failed, now, j.id)
  else
    call('ZADD', tag .. ':' .. j.state, now, j.id)
  end
  call('HSET', key, 'st', j.state, 'tk', j.token, 'm', j.meta, 'finishedOn', now)
  if j.failure ~= '' then call('HSET', key, 'f', j.failure, 'failedReason', j.reason) end
  if j.data ~= '' then call('HSET', key, 'data', j.data) end
  if j.state == 'failed' then
    call('EXPIRE', tag .. ':in:' .. j.id, j.keep)
    if j.rows > 0 then call('HSET', key, 'pr', j.rows) end
  else
    call('DEL', tag .. ':in:' .. j.id)
  end
  call('EXPIRE', key, j.keep)
  if j.result ~= '' and j.ttl > 0 then call('SET', tag .. ':res:' .. j.id, j.result, 'EX', j.ttl) end
  if j.reply ~= '' then tell(j.reply, j.notice) end
  if extra then
    for list in string.gmatch(extra, '%S+') do tell(list, j.notice) end
  end
  if j.group ~= '' then endInGroup(j.group, j.rows, j.state == 'completed') end
  local field = j.state == 'completed' and 'returnvalue' or 'failedReason'
  call('XADD', events, 'MAXLEN', '~', 1000, '*', 'event', j.state, 'jobId', j.id, field, j.reason, 'prev', 'active')
end

-- Whether a hold still counts: its lock lives; or it lapsed (Redis was away longer than the lock)
-- and nobody has noticed, so that work done meanwhile is not thrown away.
local function holds(id, token)
  local key = base .. id
  local lock = call('GET', key .. ':lock')
  if lock then return lock == token end
  return call('HGET', key, 'ht') == token and call('LPOS', active, id) ~= false
end

-- Ends a job that no worker holds. Only a failed one keeps its input, for retry.
local function finishUnheld(id, data, state, failure, reason, keep)
  local spec = specOf(data)
  local why = failure ~= '' and ',"failure":' .. failure or ''
  local header = '{"id":' .. cjson.encode(id) .. ',"state":"' .. state .. '"' .. why .. '}'
  finish({id = id, state = state, token = '', reason = reason, meta = '', failure = failure, result = '',
    notice = struct.pack('<H', #header) .. header, ttl = 0, keep = keep, reply = spec.reply or '',
    group = spec.group and spec.group.id or '', rows = 0, data = state == 'failed' and '' or withoutInput(spec)})
end

-- A job that is no longer held and whose submitter wants it gone ends instead of waiting again.
local function endIfUnwanted(id)
  local key = base .. id
  if call('HEXISTS', key, 'cr') == 0 then return false end
  local message = 'cancelled on request'
  finishUnheld(id, call('HGET', key, 'data'), 'cancelled', '{"code":"CANCELLED","message":"' .. message .. '"}', message, 3600)
  return true
end
`;

/**
 * Takes jobs, most urgent first. ARGV 4 token, 5 lock ms, 6 rows wanted, 7 BullMQ priority that a
 * job must be below ('' = any), 8 worker name.
 * Output: [next delayed ms or 0, then per job: id, data, timestamp, ats, atm, stc, input or nil]
 */
export const TAKE = `${PRELUDE}
local token, lockMs, want, below, worker = ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local out = {0}
if call('HEXISTS', meta, 'paused') == 1 then return out end

local due = call('ZRANGEBYSCORE', delayed, 0, (now + 1) * 4096 - 1, 'LIMIT', 0, 200)
for _, id in ipairs(due) do
  call('ZREM', delayed, id)
  local priority = tonumber(call('HGET', base .. id, 'priority')) or 0
  if priority == 0 then call('LPUSH', wait, id) else call('ZADD', prioritized, score(priority), id) end
  call('HSET', base .. id, 'delay', 0)
end

local function nextId()
  local id = call('RPOP', wait)
  if id then return id end
  if below then
    local head = call('ZRANGE', prioritized, 0, 0, 'WITHSCORES')
    if #head == 0 or tonumber(head[2]) >= below * 4294967296 then return nil end
    call('ZREM', prioritized, head[1])
    return head[1]
  end
  return call('ZPOPMIN', prioritized)[1]
end

local rows = 0
while rows < want do
  local id = nextId()
  if not id then break end
  local key = base .. id
  local job = call('HMGET', key, 'name', 'data', 'timestamp', 'atm', 'stc')
  if job[2] then
    call('LPUSH', active, id)
    call('SET', key .. ':lock', token, 'PX', lockMs)
    call('HSET', key, 'processedOn', now, 'pb', worker, 'ht', token)
    local n = #out
    out[n + 1] = id
    out[n + 2] = job[2]
    out[n + 3] = job[3]
    out[n + 4] = call('HINCRBY', key, 'ats', 1)
    out[n + 5] = job[4] or '0'
    out[n + 6] = job[5] or '0'
    out[n + 7] = call('GET', tag .. ':in:' .. id)
    rows = rows + (tonumber(string.match(job[1] or '', '#(%d+)$')) or 1)
  end
end

if call('ZCARD', prioritized) > 0 or call('LLEN', wait) > 0 then
  call('ZADD', marker, 0, '0')
else
  local next = call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  if #next > 0 then
    out[1] = math.floor(tonumber(next[2]) / 4096)
    call('ZADD', marker, out[1], '1')
  end
end
return out
`;

/**
 * Ends holds. ARGV 4 statistics bucket, then 15 per job: id, token, kind, reason, meta, failure,
 * result, notice header, ttl, keep, reply, group, rows, data, delay ms.
 * Output: 1 (ours, applied now or before) or 0 (lost) per job.
 */
export const SETTLE = `${PRELUDE}
local out, done, bad, rowsDone = {}, 0, 0, 0
for i = 5, #ARGV, 15 do
  local id, token, kind = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local key = base .. id
  if not holds(id, token) then
    -- A settle sent again after a lost connection finds its own work done.
    out[#out + 1] = call('HGET', key, 'tk') == token and 1 or 0
  else
    call('DEL', key .. ':lock')
    call('LREM', active, -1, id)
    if (kind == 'release' or kind == 'retry') and endIfUnwanted(id) then
      call('HSET', key, 'tk', token)
    elseif kind == 'release' then
      call('HINCRBY', key, 'ats', -1)
      call('HSET', key, 'tk', token)
      pushBack(id)
    elseif kind == 'retry' then
      call('HINCRBY', key, 'atm', 1)
      call('HSET', key, 'tk', token, 'f', ARGV[i + 5], 'failedReason', ARGV[i + 3])
      local delay = tonumber(ARGV[i + 14])
      if delay <= 0 then
        pushBack(id)
      else
        call('HSET', key, 'delay', delay)
        call('ZADD', delayed, (now + delay) * 4096 + call('INCR', pc) % 4096, id)
        local first = call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
        if first[1] == id then call('ZADD', marker, now + delay, '1') end
      end
    else
      call('HINCRBY', key, 'atm', 1)
      local rows = tonumber(ARGV[i + 12])
      local result = ARGV[i + 6]
      local notice = ARGV[i + 7]
      -- Up to 64 KB the result rides along, which saves the waiter a round trip.
      if #result <= 65536 then notice = notice .. result end
      finish({id = id, state = kind, token = token, reason = ARGV[i + 3], meta = ARGV[i + 4],
        failure = ARGV[i + 5], result = result, notice = notice, ttl = tonumber(ARGV[i + 8]),
        keep = tonumber(ARGV[i + 9]), reply = ARGV[i + 10], group = ARGV[i + 11], rows = rows, data = ARGV[i + 13]})
      if kind == 'completed' then done = done + 1; rowsDone = rowsDone + rows else bad = bad + 1 end
    end
    out[#out + 1] = 1
  end
end
if done + bad > 0 then
  local stats = tag .. ':stats:' .. ARGV[4]
  call('HINCRBY', stats, 'c', done)
  call('HINCRBY', stats, 'f', bad)
  call('HINCRBY', stats, 'r', rowsDone)
  call('EXPIRE', stats, 120)
end
return out
`;

/** Renews locks. ARGV 4 lock ms, then id, token per job. Output: per job 1 ours, 0 lost, 2 cancel asked for. */
export const RENEW = `${PRELUDE}
local out = {}
for i = 5, #ARGV, 2 do
  local lock = base .. ARGV[i] .. ':lock'
  if holds(ARGV[i], ARGV[i + 1]) then
    -- Not SET where it can be helped: a full Redis refuses that, and every running job would lose its lock.
    if call('PEXPIRE', lock, ARGV[4]) == 0 then call('SET', lock, ARGV[i + 1], 'PX', ARGV[4]) end
    out[#out + 1] = call('HEXISTS', base .. ARGV[i], 'cr') == 1 and 2 or 1
  else
    out[#out + 1] = 0
  end
end
return out
`;

/**
 * Puts jobs whose lock lapsed back in front of their priority; a job that lost it ARGV[4] times is
 * failed. Take sets list entry and lock in one step, so "active without a lock" always means lost.
 * ARGV 5 failure JSON, 6 its message, 7 keep seconds. Output: [requeued ids..., '', poisoned ids...]
 */
export const RECOVER = `${PRELUDE}
local requeued, poisoned = {}, {}
for _, id in ipairs(call('LRANGE', active, 0, -1)) do
  local key = base .. id
  if call('EXISTS', key .. ':lock') == 0 then
    call('LREM', active, -1, id)
    local data = call('HGET', key, 'data')
    if data then
      local stalls = call('HINCRBY', key, 'stc', 1)
      if endIfUnwanted(id) then
        -- It had been asked for: neither back in the queue nor poison.
      elseif stalls >= tonumber(ARGV[4]) then
        finishUnheld(id, data, 'failed', ARGV[5], ARGV[6], tonumber(ARGV[7]))
        poisoned[#poisoned + 1] = id
      else
        pushBack(id)
        requeued[#requeued + 1] = id
      end
    end
  end
end
requeued[#requeued + 1] = ''
for _, id in ipairs(poisoned) do requeued[#requeued + 1] = id end
return requeued
`;

/**
 * Drops ids from an index whose job hash has expired. ARGV 4 members to look at a call, 5 rank to
 * start at. KEYS as ever; looks at completed, failed, expired and cancelled. Output: removed.
 */
export const SWEEP = `${PRELUDE}
local removed = 0
for _, set in ipairs({completed, failed, tag .. ':expired', tag .. ':cancelled'}) do
  for _, id in ipairs(call('ZRANGE', set, tonumber(ARGV[5]), tonumber(ARGV[5]) + tonumber(ARGV[4]) - 1)) do
    if call('EXISTS', base .. id) == 0 then removed = removed + call('ZREM', set, id) end
  end
end
return removed
`;
