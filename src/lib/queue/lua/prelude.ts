import { BOUNDS } from '../../core/bounds.js';
import type { ErrorCode } from '../../core/error-table.js';
import {
  DATA,
  DEFAULT_TTL,
  EVENTS_KEPT,
  GROUP,
  GROUP_RESULTS,
  JOB,
  KEY,
  MIN_RECORD_TTL,
  PRIORITY_STEP,
  REPLY_TTL,
  SETTLE_FIELDS,
  UNHELD_TTL,
} from '../wire.js';
import { SET_ASIDE, TOLERANCE } from './damage.js';
import { FILING } from './filing.js';

const CANCELLED = 'CANCELLED' satisfies ErrorCode;

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

/** Extra seconds a chunk lives so that its group can end first; the end of the group shortens this again. */
export const CHUNK_EXTRA_TTL = 86_400;

export const PRELUDE = `
local call = redis.call
local wait, active, prioritized, delayed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local completed, failed, events, meta, pc, marker = KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local base, tag = ARGV[1], ARGV[2]
-- Distance between two BullMQ priorities, in scores.
local STEP = ${PRIORITY_STEP}
${TOLERANCE}-- The server's own time in ms. No caller says what time it is: clocks of hosts may be off, and one that is
-- ahead would end other users' jobs.
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- An integer within bounds, or otherwise for anything that is not a number. Redis refuses an expiry that it
-- cannot represent, a fraction or a NaN, and a script that is refused half way has done half of its work.
local function within(value, least, most, otherwise)
  local n = tonumber(value)
  if not n or n ~= n then return otherwise end
  return math.floor(math.min(math.max(n, least), most))
end

-- Seconds that something is kept: at most the maximum a user may ask for, plus a chunk's extra day.
local function keepFor(value, otherwise)
  return within(value, 0, ${BOUNDS.keepS.max + CHUNK_EXTRA_TTL}, otherwise)
end

-- BullMQ's own formula: lower is sooner, first come, first served within a priority.
local function score(priority)
  -- Behind all others if the counter is damaged.
  return priority * STEP + (try('INCR', pc) or STEP - 1) % STEP
end

-- The marker wakes idle workers and contains nothing else: one of another type is replaced.
local function mark(at, member)
  if try('ZADD', marker, at, member) then return end
  call('DEL', marker)
  call('ZADD', marker, at, member)
end

local function isPaused()
  return try('HEXISTS', meta, 'paused') == 1
end

-- What a job's data says about it, without invalid values; {} for a job added by other BullMQ code.
local function specOf(data)
  local ok, job = pcall(cjson.decode, data)
  local spec = ok and type(job) == 'table' and type(job.${DATA.spec}) == 'table' and job.${DATA.spec} or {}
  local group = spec.group
  if type(group) ~= 'table' or type(group.id) ~= 'string' or not (group.home == nil or type(group.home) == 'string') then
    spec.group = nil
  end
  if type(spec.reply) ~= 'string' then spec.reply = nil end
  if type(spec.deadline) ~= 'number' then spec.deadline = nil end
  return spec
end

-- Whether a job is a chunk of a group, by its data: a caller may have given the id of a chunk to a job of its
-- own. One that cannot be read counts as a chunk.
local function isChunkOf(group, owner, data)
  owner = owner or ''
  -- Without parsing it, in nearly all cases: text in JSON has no bare quotes.
  if data and string.find(data, '"group":{"id":"' .. group .. '"', 1, true) then
    local owned = string.find(data, '"owner":"' .. (owner == '' and '' or owner .. '"'), 1, true) ~= nil
    if owned == (owner ~= '') then return true end
  end
  local ok, job = pcall(cjson.decode, data or '')
  if not ok then return true end
  local spec = type(job) == 'table' and job.${DATA.spec}
  if type(spec) ~= 'table' or spec.group == nil then return false end
  if type(spec.group) ~= 'table' or type(spec.group.id) ~= 'string' then return true end
  return spec.group.id == group and (spec.owner or '') == owner
end

-- Job data without its inline input. Numbers keep 14 digits, enough for milliseconds.
local function withoutInput(spec)
  return spec.model and cjson.encode({${DATA.spec} = spec}) or ''
end

${FILING}
-- To the front of its priority, as BullMQ's pushBackJobWithPriority does; then wake an idle worker.
local function pushBack(id)
  local job = call('HMGET', base .. id, 'priority', 'name')
  local priority = wholeOf('priority', job[1])
  local route = priority > 0 and anyFiled() and routeOf(job[2])
  if priority == 0 then
    call('RPUSH', wait, id)
  else
    call('ZADD', prioritized, priority * STEP, id)
    if route then file(id, route, priority * STEP) end
  end
  if isPaused() then return end
  if route then wakeFor(route) else mark(0, '0') end
end

local function tell(list, notice)
  if try('RPUSH', list, notice) then call('EXPIRE', list, ${REPLY_TTL}) end
end

-- A chunk that was moved to another queue counts in its group in the original queue, named id@queue. Only on
-- a server outside a Cluster, where a script may touch keys of another slot.
local function groupAt(ref)
  local id, home = string.match(ref, '^(.-)@(.*)$')
  if not id then return ref, tag end
  return id, string.match(tag, '^({.*:)') .. home .. '}'
end

local function refOf(group)
  return group.home and group.id .. '@' .. group.home or group.id
end

-- A group's results and the records of its chunks live until its ttl after the LAST chunk; otherwise a long
-- group would lose its first rows before its end. That is why chunks outlive their own end by a day. Failed
-- ones keep their own time, for retry. 20,000 chunks (5 million rows) block Redis for 0.16 to 0.22 s on two
-- slow cores; for further chunks, the day applies.
local function keepChunks(group, owner, gtag, jobs, ttl)
  local gbase = gtag .. ':' .. string.match(gtag, ':([^:]*)}$') .. ':'
  for i = 0, math.min(jobs, ${GROUP_RESULTS}) - 1 do
    local id = group .. '-' .. i
    local chunk = try('HMGET', gbase .. id, '${JOB.state}', 'data') or {}
    if not chunk[2] or isChunkOf(group, owner, chunk[2]) then
      call('EXPIRE', gtag .. ':${KEY.result}:' .. id, ttl)
      if chunk[1] == 'completed' then call('EXPIRE', gbase .. id, ttl) end
    end
  end
end

local function endGroup(group, gtag, key, jobs)
  local g = try('HMGET', key, '${GROUP.ttl}', '${GROUP.lists}', '${GROUP.owner}', '${GROUP.completed}') or {}
  local ttl = math.max(keepFor(g[1], ${DEFAULT_TTL}), ${MIN_RECORD_TTL})
  try('HSET', key, '${GROUP.finishedOn}', now)
  call('EXPIRE', key, ttl)
  -- Only completed chunks have results.
  if tonumber(g[4] or '0') ~= 0 then keepChunks(group, g[3], gtag, jobs, ttl) end
  if g[2] then
    local header = '{"id":"' .. group .. '"}'
    for list in string.gmatch(g[2], '%S+') do tell(list, struct.pack('<H', #header) .. header) end
  end
end

-- An ended job no longer has a deadline. In queues without deadlines, a script pays one check for all its
-- jobs.
local deadlines, hasDeadlines = tag .. ':${KEY.deadlines}', nil
local function dropDeadline(id)
  if hasDeadlines == nil then hasDeadlines = call('EXISTS', deadlines) == 1 end
  if hasDeadlines then try('ZREM', deadlines, id) end
end

-- Counts a chunk's end in its group; the last one ends the group. If Redis lost the group's record while its
-- rows were being sent, a chunk may end before the group is created again: CLOSE_GROUP then counts once more.
-- keep: seconds that the chunk is kept.
local function endInGroup(ref, rows, ok, keep)
  local group, gtag = groupAt(ref)
  local key = gtag .. ':${KEY.group}:' .. group
  if try('HEXISTS', key, '${GROUP.model}') == 0 then
    call('HSET', key, '${GROUP.early}', '1')
    call('EXPIRE', key, math.max(keep, ${MIN_RECORD_TTL}))
    return
  end
  try('HINCRBY', key, '${GROUP.rowsDone}', rows)
  try('HINCRBY', key, ok and '${GROUP.completed}' or '${GROUP.failed}', 1)
  local g = try('HMGET', key, '${GROUP.closed}', '${GROUP.jobs}', '${GROUP.completed}', '${GROUP.failed}') or {}
  local jobs = tonumber(g[2] or '')
  if g[1] == '1' and jobs and (tonumber(g[3] or '') or 0) + (tonumber(g[4] or '') or 0) >= jobs then
    endGroup(group, gtag, key, jobs)
  end
end

-- A notice that only says how a job ended.
local function bareNotice(id, state, failure)
  local why = failure ~= '' and ',"failure":' .. failure or ''
  local header = '{"id":' .. cjson.encode(id) .. ',"state":"' .. state .. '"' .. why .. '}'
  return struct.pack('<H', #header) .. header
end

-- The ${SETTLE_FIELDS.length} fields that pack.ts packs into one argument.
local packFormat = '<' .. string.rep('I4', ${SETTLE_FIELDS.length})
local function unpackFields(packed)
  local sizes = {struct.unpack(packFormat, packed)}
  local fields, at = {}, ${4 * SETTLE_FIELDS.length + 1}
  for i = 1, ${SETTLE_FIELDS.length} do
    fields[i] = string.sub(packed, at, at + sizes[i] - 1)
    at = at + sizes[i]
  end
  return fields
end

-- The one place where a job reaches a terminal state. j: id, state, token, reason, meta, failure,
-- result, notice, ttl (s, 0 = keep no result), keep (s), reply, group, rows, tried (it failed before),
-- data (job data without its input, or '' to leave it).
local function finish(j)
  local key, keep, ttl = base .. j.id, keepFor(j.keep, ${DEFAULT_TTL}), keepFor(j.ttl, ${DEFAULT_TTL})
  local extra = call('HGET', key, '${JOB.lists}')
  local fields = {'${JOB.state}', j.state, '${JOB.endedBy}', j.token, '${JOB.meta}', j.meta, 'finishedOn', now}
  local function set(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  if j.state == 'completed' then
    try('ZADD', completed, now, j.id)
    set('returnvalue', '1')
    if j.tried then call('HDEL', key, '${JOB.failure}', 'failedReason') end
  elseif j.state == 'failed' then
    try('ZADD', failed, now, j.id)
  else
    try('ZADD', tag .. ':' .. j.state, now, j.id)
  end
  if j.failure ~= '' then
    set('${JOB.failure}', j.failure)
    set('failedReason', j.reason)
  end
  if j.data ~= '' then set('data', j.data) end
  call('HSET', key, unpack(fields))
  if j.state == 'failed' then
    call('EXPIRE', tag .. ':${KEY.input}:' .. j.id, keep)
    if j.rows > 0 then call('HSET', key, '${JOB.rowsDone}', j.rows) end
  else
    call('DEL', tag .. ':${KEY.input}:' .. j.id)
  end
  call('EXPIRE', key, keep)
  dropDeadline(j.id)
  if j.result ~= '' and ttl > 0 then call('SET', tag .. ':${KEY.result}:' .. j.id, j.result, 'EX', ttl) end
  if j.reply ~= '' then tell(j.reply, j.notice) end
  if extra then
    local notice = j.notice ~= '' and j.notice or bareNotice(j.id, j.state, '')
    for list in string.gmatch(extra, '%S+') do tell(list, notice) end
  end
  if j.group ~= '' then endInGroup(j.group, j.rows, j.state == 'completed', keep) end
  local field = j.state == 'completed' and 'returnvalue' or 'failedReason'
  try('XADD', events, 'MAXLEN', '~', ${EVENTS_KEPT}, '*', 'event', j.state, 'jobId', j.id, field, j.reason, 'prev', 'active')
end

-- Whether a hold is still valid: its lock exists; or it expired (Redis was unreachable for longer than the
-- lock) and no one has noticed, so that work done in the meantime is not thrown away.
local function holds(id, token)
  local key = base .. id
  local lock = try('GET', key .. ':lock')
  if lock then return lock == token end
  -- A lock of another type says nothing; the field and the list do.
  if lock == nil then call('DEL', key .. ':lock') end
  return call('HGET', key, '${JOB.hold}') == token and try('LPOS', active, id) ~= false
end

-- Renews the lock of a valid hold. PEXPIRE first: a full Redis refuses SET, and every running job would lose
-- its lock.
local function renewLock(id, token, lockMs)
  local lock = base .. id .. ':lock'
  if call('PEXPIRE', lock, lockMs) == 0 then call('SET', lock, token, 'PX', lockMs) end
end

-- Ends a job that no worker holds. Only a failed job keeps its input, for retry.
local function finishUnheld(id, data, state, failure, reason, keep)
  local spec = specOf(data)
  finish({id = id, state = state, token = '', reason = reason, meta = '', failure = failure, result = '',
    notice = bareNotice(id, state, failure), ttl = 0, keep = keep, reply = spec.reply or '',
    group = spec.group and refOf(spec.group) or '', rows = 0, data = state == 'failed' and '' or withoutInput(spec)})
end

-- Ends a job that is no longer held and whose cancellation was requested, instead of making it wait again.
local function endIfUnwanted(id)
  local key = base .. id
  if call('HEXISTS', key, '${JOB.cancel}') == 0 or isNewer(call('HGET', key, 'name')) then return false end
  local message = 'cancelled on request'
  finishUnheld(id, call('HGET', key, 'data'), 'cancelled', '{"code":"${CANCELLED}","message":"' .. message .. '"}', message, ${UNHELD_TTL})
  return true
end
${SET_ASIDE}`;

/**
 * Start of the scripts for operators, which work on a whole queue. A Redis user without the command, such as a
 * producer or a gateway, fails here and not half way, with part of the work done.
 */
export const OPERATOR = `${PRELUDE}
try('LPOS', active, '', 'MAXLEN', 1)
`;

/** Seconds that the answer to a repeatable request is kept: longer than a client waits for it. */
export const REQUEST_TTL = 600;

/**
 * A script that, when sent again with the same last argument, returns its earlier answer and does nothing.
 * For operators' requests, whose effect does not tell whether they have run. The answer may not be nil.
 */
export function once(script: string): string {
  return `
local request = ARGV[2] .. ':${KEY.request}:' .. ARGV[#ARGV]
local known = redis.call('GET', request)
if known then return cjson.decode(known) end
ARGV[#ARGV] = nil
local function work()
${script}
end
local reply = work()
-- A full Redis refuses it if nothing else was written.
redis.pcall('SET', request, cjson.encode(reply), 'EX', ${REQUEST_TTL})
return reply
`;
}
