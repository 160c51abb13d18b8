import type { ErrorCode } from '../../core/error-table.js';
import { EVENTS_KEPT, GROUP, JOB, KEY } from '../wire.js';

/**
 * Lua for damaged data in Redis: a key of another type, a malformed number. A damaged job affects only
 * itself: in every script, the body for each job runs guarded; a job whose body fails ends as `JOB_DAMAGED`
 * and is recorded in the register of damaged jobs (read by damage.ts).
 *
 * Redis rolls nothing back when a script fails half way, so a body reads before it writes, and commands that
 * may be refused come before those that move the job. Keys that no job depends on (lists of ended jobs,
 * notices, counts) are written with `try`: jobs continue without them, and `infer doctor` reports the key.
 */

/** Failure code of a job whose record or input in Redis is damaged. */
export const JOB_DAMAGED = 'JOB_DAMAGED' satisfies ErrorCode;
/** Mark in the list of damaged jobs for an input that cannot be decoded: such a job cannot be run again. */
export const INPUT_UNREADABLE = 'its input cannot be read';
/** Seconds that a damaged job and its entry in the register are kept. */
const DAMAGED_TTL = 7 * 86_400;
/** Entries of the register; beyond that, the oldest are removed. */
const DAMAGED_MAX = 1000;

/** What a user can do about a damaged job. */
export const DAMAGED_HINT =
  'infer retry ID repairs what can be repaired and runs it again; infer cancel ID removes it';

/** Errors of Redis and Lua caused by a value of an unexpected kind. */
const SIGNS = [
  'DAMAGED ',
  'WRONGTYPE',
  'not an integer',
  'not a valid float',
  'not a float',
  'would overflow',
  'out of range',
  'not a number',
  'attempt to ',
  'bad argument',
];

/** First part of the prelude: only `call` and KEYS are defined yet. */
export const TOLERANCE = `
local SIGNS = {${SIGNS.map((sign) => `'${sign}'`).join(', ')}}

-- Redis 7 raises a table, older versions a string.
local function textOf(err)
  return type(err) == 'table' and tostring(err.err) or tostring(err)
end

-- Whether an error is caused by stored data. All other errors, such as a full Redis, may be temporary.
local function isDamage(err)
  local text = textOf(err)
  for _, sign in ipairs(SIGNS) do
    if string.find(text, sign, 1, true) then return true end
  end
  return false
end

-- A command that may fail on a damaged key: then returns nil.
local function try(...)
  local reply = redis.pcall(...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if isDamage(reply) then return nil end
  -- Refused for another reason: repeat it, so that this server raises its own error.
  return call(...)
end

-- Ends the body for a job that has an invalid value.
local function damage(what)
  error('DAMAGED ' .. what, 0)
end

-- An integer field of a job's hash; absent counts as 0.
local function wholeOf(name, value)
  if not value then return 0 end
  if not string.match(value, '^%-?%d+$') or #value > 16 then damage('its field ' .. name .. ' is not a whole number') end
  return tonumber(value)
end

-- A time in ms.
local function timeOf(name, value)
  if not value then damage('its field ' .. name .. ' is missing') end
  local ms = string.match(value, '^%d+%.?%d*$') and tonumber(value)
  if not ms or ms > 9e15 then damage('its field ' .. name .. ' is not a number') end
  return ms
end

-- BullMQ's priority of a job, 0 for none.
local function priorityOf(id)
  return wholeOf('priority', call('HGET', base .. id, 'priority'))
end

-- The type of a key; unknown for users whose ACL predates the need for TYPE.
local function typeOf(key)
  local reply = redis.pcall('TYPE', key)
  return reply.ok or '?'
end
`;

/** Last part of the prelude. */
export const SET_ASIDE = `
local damagedKey, damagedWhy = tag .. ':${KEY.damaged}', tag .. ':${KEY.damagedWhy}'

-- What is wrong with a job's data; nil when it is intact.
local function damageOf(id)
  local key, own = base .. id, tag .. ':${KEY.input}:' .. id
  local kind, inputKind = typeOf(key), typeOf(own)
  if kind == 'none' then return 'its record is missing' end
  if kind ~= 'hash' and kind ~= '?' then return 'its record ' .. key .. ' is a ' .. kind .. ', not a hash' end
  if inputKind ~= 'none' and inputKind ~= 'string' and inputKind ~= '?' then
    return 'its input ' .. own .. ' is a ' .. inputKind .. ', not a string'
  end
  local job = call('HMGET', key, 'data', 'timestamp', 'priority', '${JOB.attemptsMade}', '${JOB.attemptsStarted}', '${JOB.stalls}')
  if not job[1] then return 'its field data is missing' end
  local ok, err = pcall(function()
    timeOf('timestamp', job[2])
    for i, name in ipairs({'priority', '${JOB.attemptsMade}', '${JOB.attemptsStarted}', '${JOB.stalls}'}) do wholeOf(name, job[i + 2]) end
  end)
  if not ok then return string.match(textOf(err), 'DAMAGED (.*)$') or textOf(err) end
  if not pcall(cjson.decode, job[1]) then return 'its field data is not JSON' end
end

-- Whether a key needed for taking jobs or putting them back is damaged.
local function queueIsDamaged()
  for key, kind in pairs({[wait] = 'list', [active] = 'list', [prioritized] = 'zset', [delayed] = 'zset'}) do
    local found = typeOf(key)
    if found ~= kind and found ~= 'none' and found ~= '?' then return true end
  end
  return false
end

-- The group that a job counts in. If its data does not say, the name of a chunk does.
local function groupRefOf(id, spec)
  if spec.group then return refOf(spec.group) end
  local group, n = string.match(id, '^(.+)%-(%d+)$')
  local g = group and try('HMGET', tag .. ':${KEY.group}:' .. group, '${GROUP.model}', '${GROUP.closed}', '${GROUP.jobs}')
  if not g or not g[1] then return '' end
  return (g[2] ~= '1' or tonumber(n) < (tonumber(g[3]) or 0)) and group or ''
end

-- Removes a job from everything that jobs are taken from or looked up in; returns the number of places it was
-- in.
local function withdraw(id)
  local places = 0
  for _, set in ipairs({prioritized, delayed}) do places = places + (try('ZREM', set, id) or 0) end
  for _, list in ipairs({wait, active}) do places = places + (try('LREM', list, 0, id) or 0) end
  dropDeadline(id)
  unfile(id)
  return places
end

-- Records a damaged job. The register is bounded, and replaced if it is damaged itself.
local function register(id, what)
  if not try('ZADD', damagedKey, now, id) then
    call('DEL', damagedKey)
    call('ZADD', damagedKey, now, id)
  end
  if not try('HSET', damagedWhy, id, what) then
    call('DEL', damagedWhy)
    call('HSET', damagedWhy, id, what)
  end
  -- Users who may not list anything leave the trimming to workers.
  local surplus = redis.pcall('ZRANGE', damagedKey, 0, -${DAMAGED_MAX + 1})
  local old = redis.pcall('ZRANGEBYSCORE', damagedKey, '-inf', now - ${DAMAGED_TTL * 1000}, 'LIMIT', 0, 100)
  for _, ids in ipairs({surplus, old}) do
    for _, gone in ipairs(ids) do
      call('ZREM', damagedKey, gone)
      call('HDEL', damagedWhy, gone)
    end
  end
  call('EXPIRE', damagedKey, ${DAMAGED_TTL})
  call('EXPIRE', damagedWhy, ${DAMAGED_TTL})
end

-- Whether a job was set aside because of the bytes of its input, which only its worker reads.
local function hasBadInput(id)
  return string.sub(try('HGET', damagedWhy, id) or '', 1, ${INPUT_UNREADABLE.length}) == '${INPUT_UNREADABLE}'
end

local function unregister(id)
  if (try('ZREM', damagedKey, id) or 0) > 0 then try('HDEL', damagedWhy, id) end
end

-- A producer or a gateway may not write all lists of a queue: a worker will find the job.
local function maySetAside()
  local reply = redis.pcall('LPOS', active, '', 'MAXLEN', 1)
  return type(reply) ~= 'table' or not reply.err or isDamage(reply)
end

-- Ends a damaged job as failed, as far as its record allows: it is recorded, its group counts it, and waiting
-- clients are notified. A job that is neither queued nor held has ended before, and is left alone.
local function setAside(id, what, held)
  if not maySetAside() then return end
  if withdraw(id) == 0 and not held then return end
  local key = base .. id
  local message = 'the job is damaged in Redis: ' .. what
  local failure = cjson.encode({code = '${JOB_DAMAGED}', message = message, hint = '${DAMAGED_HINT}'})
  register(id, what)
  call('DEL', key .. ':lock')
  local job = try('HMGET', key, 'data', '${JOB.lists}') or {}
  local spec = specOf(job[1])
  if typeOf(key) == 'hash' then
    call('HSET', key, '${JOB.state}', 'failed', '${JOB.endedBy}', '', '${JOB.failure}', failure, 'failedReason', message, 'finishedOn', now)
    call('HDEL', key, '${JOB.meta}')
  end
  try('ZADD', failed, now, id)
  call('EXPIRE', key, ${DAMAGED_TTL})
  call('EXPIRE', tag .. ':${KEY.input}:' .. id, ${DAMAGED_TTL})
  local notice = bareNotice(id, 'failed', failure)
  if spec.reply then tell(spec.reply, notice) end
  for list in string.gmatch(job[2] or '', '%S+') do tell(list, notice) end
  local group = groupRefOf(id, spec)
  if group ~= '' then endInGroup(group, 0, false, ${DAMAGED_TTL}) end
  try('XADD', events, 'MAXLEN', '~', ${EVENTS_KEPT}, '*', 'event', 'failed', 'jobId', id, 'failedReason', message, 'prev', 'active')
end

-- Deletes a damaged job and everything kept with it, after ending it if it has not ended.
local function removeDamaged(id, what)
  -- Without its end its group would never end; this server raises its own error.
  if not maySetAside() then call('LPOS', active, '', 'MAXLEN', 1) end
  setAside(id, what)
  for _, set in ipairs({prioritized, delayed, failed}) do try('ZREM', set, id) end
  try('LREM', wait, 0, id)
  unregister(id)
  call('DEL', base .. id, base .. id .. ':lock', tag .. ':${KEY.input}:' .. id, tag .. ':${KEY.result}:' .. id)
end

-- Raises an error before anything is written, if a key that a job of this priority is taken from or added to
-- has another type. Only jobs of other BullMQ code, which have no priority, are in the list.
local function checkPlaces(priority)
  call('ZCARD', prioritized)
  call('ZCARD', delayed)
  if priority == 0 then call('LLEN', wait) end
end

-- Runs the body for one job. If it fails because of the job's own data, the job is set aside; a damaged key
-- of the whole queue leaves the job where it is. Temporary errors (a full Redis) are raised again. popped:
-- the job is in no list now.
-- Output: the body's answer, or nil when it failed and whether the job was set aside.
local function guarded(id, body, popped)
  local ok, answer = pcall(body, id)
  if ok then return answer end
  -- Unexpected data in a job of a newer layout is not damage.
  local own = isDamage(answer) and not isNewer(try('HGET', base .. id, 'name'))
  local what = own and damageOf(id)
  if own and (what or not queueIsDamaged()) then
    setAside(id, what or string.match(textOf(answer), 'DAMAGED (.*)$') or textOf(answer), popped)
    return nil, true
  end
  if popped then pcall(pushBack, id) end
  if not isDamage(answer) then error(answer, 0) end
  return nil, false
end
`;
