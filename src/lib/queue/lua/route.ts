import { toBullPriority } from '../../core/job.js';
import { FILED, KEY } from '../wire.js';
import { CURSORS } from './filing.js';

/**
 * Routing by model, in Lua. A worker takes jobs of the models that it serves and leaves the others in
 * `prioritized`, so that BullMQ's getters, counts, lists and stock workers see them as before. To keep takes
 * from meeting the others again and again, an index lists jobs that were met by a worker without their model:
 *
 *   <tag>:bymodel:<route>  ZSET id -> its score in `prioritized`; a route is `model` or `model@version`
 *   <tag>:filed            HASH `m:<route>` for each that has such a set; `p<n>`: the score up to which all jobs of
 *                          BullMQ priority n are filed; `c`: the counter of `prioritized` when those were written
 *   <tag>:wake:<route>     ZSET, a marker as BullMQ's `marker`, for the workers that serve the route
 *
 * A take compares the first unfiled job with the first filed jobs of its routes, and takes the lowest score.
 * Each job is filed at most once, so a take costs O(log n) per job. The index may contain jobs that no longer
 * wait, or wait at another place: only `prioritized` says what waits. It must not lack a job below `p<n>`:
 * code that puts a job back at the front of its priority files it. A queue whose workers serve all of its
 * models has no index and pays one EXISTS.
 */

/** Maximum number of jobs skipped in one take: about 2 ms of Redis time. The next take continues there. */
const MOST_MET = 512;
/** Entries of `prioritized` read at once. */
const STRETCH = 128;
/** BullMQ's priority of the least urgent jobs. */
const LEAST = toBullPriority(0);

/** Takes what fits from the queue; the script must define `idle` and `below` first. */
export const ROUTED_TAKE = `
-- Requested routes; nil: all.
local serves
-- By route, the rows of a full run and its ms; how much more may be taken, in full runs.
local runRows, runMs, ahead, horizon, largest = {}, {}, tonumber(ARGV[10]) or 0, tonumber(ARGV[11]) or 0, 1
if ARGV[9] and ARGV[9] ~= '*' then
  serves = {}
  for route, rows, ms in string.gmatch(ARGV[9], '(%S+) (%S+) (%S+)') do
    serves[route], runRows[route], runMs[route] = true, tonumber(rows), tonumber(ms)
    largest = math.max(largest, runRows[route])
  end
end

-- Whether there is room for a job of a route. An idle runner takes whatever is next; while runs are in
-- progress only short jobs are prefetched, since another worker may be free for a long one sooner.
local refused = false
local function fits(route, name)
  local rows = tonumber(string.match(name or '', '#(%d+)$') or '') or 1
  local runs = rows / (route and runRows[route] or 1)
  if idle > 0 then
    idle = idle - runs
    return true
  end
  local ms = route and runMs[route] or -1
  if ahead > 0 and ms >= 0 and runs * ms <= horizon then
    ahead = ahead - runs * math.max(1, ms / horizon)
    return true
  end
  refused = true
  return false
end

local function isFull()
  return refused or (idle <= 0 and ahead <= 0)
end

-- By priority, the score up to which all jobs are filed: at the start, and now. By route, its first filed job
-- (true: not read yet).
local cursors, reached, heads, met = {}, {}, {}, {}
local counter, looked, unfinished, waitIsEmpty = 0, 0, false, false
local CURSORS = {${CURSORS}}

if serves then counter = tonumber(try('GET', pc) or '') or 0 end
if serves and anyFiled() then
  local fields, routes = {unpack(CURSORS)}, {}
  for route in pairs(serves) do
    routes[#routes + 1] = route
    fields[#fields + 1] = '${FILED.route}' .. route
  end
  local found = try('HMGET', filedKey, unpack(fields))
  if not found then
    call('DEL', filedKey)
  else
    local was = tonumber(found[1] or '')
    if was and counter >= was and math.floor(counter / STEP) == math.floor(was / STEP) then
      for n = 1, ${LEAST} do cursors[n] = tonumber(found[n + 1] or '') end
    else
      -- The counter was reset, so lower scores are new jobs: a stock worker that finds a queue empty resets
      -- it.
      forgetReached()
    end
    for i, route in ipairs(routes) do
      if found[#CURSORS + i] then heads[route] = true end
    end
  end
end

-- The first filed job of a route that is still waiting there.
local function headOf(route)
  local head = heads[route]
  while head == true do
    local key = filedUnder(route)
    local first = try('ZRANGE', key, 0, 0, 'WITHSCORES')
    if not first then
      call('DEL', key)
      forgetReached()
      cursors, first = {}, {}
    end
    if #first == 0 then
      call('HDEL', filedKey, '${FILED.route}' .. route)
      call('DEL', tag .. ':${KEY.wake}:' .. route)
      heads[route] = nil
      return nil
    end
    if looked >= ${MOST_MET} then
      unfinished = true
      return nil
    end
    local at = call('ZSCORE', prioritized, first[1])
    if at and tonumber(at) == tonumber(first[2]) then
      head = {id = first[1], at = tonumber(at), route = route}
    else
      looked = looked + 1
      if at then call('ZADD', key, at, first[1]) else call('ZREM', key, first[1]) end
    end
  end
  heads[route] = head
  return head
end

local function firstFiled()
  local best
  for route in pairs(heads) do
    local head = headOf(route)
    if head and (not best or head.at < best.at) then best = head end
  end
  return best
end

-- Reads prioritized in stretches, and jobs with the same score together: those that were put back.
local buffer, place, from, top, readAll = {}, 1, '-inf', below and '(' .. below * STEP or '+inf', false
local stretch = math.min(math.max(math.ceil((idle + ahead) * largest), 1), ${STRETCH})

local function readOn()
  buffer = try('ZRANGEBYSCORE', prioritized, from, top, 'WITHSCORES', 'LIMIT', 0, stretch) or {}
  place = 1
  if #buffer < 2 * stretch then readAll = true end
  local last = buffer[#buffer]
  if not readAll and tonumber(last) % STEP == 0 then
    while buffer[#buffer] == last do
      buffer[#buffer] = nil
      buffer[#buffer] = nil
    end
    for _, id in ipairs(call('ZRANGEBYSCORE', prioritized, last, last)) do
      buffer[#buffer + 1] = id
      buffer[#buffer + 1] = last
    end
  end
  stretch = ${STRETCH}
end

-- The first unfiled job, its score and BullMQ priority; it stays in the buffer.
local function firstMet()
  while true do
    if place > #buffer then
      if readAll then return nil end
      if #buffer > 0 then from = '(' .. buffer[#buffer] end
      readOn()
      if #buffer == 0 then return nil end
    end
    local at = tonumber(buffer[place + 1])
    local n = math.floor(at / STEP)
    if not cursors[n] or at > cursors[n] then return buffer[place], at, n end
    -- Behind the filed jobs; or further on in the buffer, if that is near.
    if tonumber(buffer[#buffer]) <= cursors[n] then
      buffer, place, from = {}, 1, '(' .. string.format('%.0f', cursors[n])
      if readAll then return nil end
    else
      place = place + 2
    end
  end
end

-- Files a job of another route where it waits. A job to which other BullMQ code gave a priority that is not
-- ours gets the nearest one.
local function meet(id, route, at, n)
  looked = looked + 1
  met[route] = true
  if n < 1 or n > ${LEAST} then
    n = n < 1 and 1 or ${LEAST}
    try('HSET', base .. id, 'priority', n)
    at = n * STEP
    call('ZADD', prioritized, at, id)
    file(id, route, at)
    return
  end
  file(id, route, at)
  if buffer[place + 1] == nil or tonumber(buffer[place + 1]) ~= at then
    reached[n] = math.min(at, n * STEP + counter % STEP)
  end
end

-- Removes a job of our routes from where it waits; nil when there is none, or enough jobs were looked at.
local function nextId()
  while not waitIsEmpty do
    local id = try('RPOP', wait)
    if not id then
      waitIsEmpty = true
      break
    end
    local name = try('HGET', base .. id, 'name')
    local route = serves and routeOf(name)
    if not route or serves[route] then
      if fits(route, name) then return id end
      call('RPUSH', wait, id)
      return nil
    end
    local n = tonumber(try('HGET', base .. id, 'priority') or '') or 0
    local own = math.min(math.max(n, 1), ${LEAST})
    if own ~= n then try('HSET', base .. id, 'priority', own) end
    call('ZADD', prioritized, own * STEP, id)
    file(id, route, own * STEP)
    met[route] = true
    looked = looked + 1
    if looked >= ${MOST_MET} then
      unfinished = true
      return nil
    end
  end
  while true do
    local filed = firstFiled()
    local id, at, n = firstMet()
    if id and not (filed and filed.at < at) then
      local name = try('HGET', base .. id, 'name')
      local route = serves and routeOf(name)
      if not route or serves[route] then
        if not fits(route, name) then return nil end
        place = place + 2
        if call('ZREM', prioritized, id) == 1 then
          if route and heads[route] then
            try('ZREM', filedUnder(route), id)
            heads[route] = true
          end
          return id
        end
      else
        place = place + 2
        meet(id, route, at, n)
        -- Jobs with the same score are processed together: workers have held them before.
        if looked >= ${MOST_MET} and tonumber(buffer[place + 1] or '') ~= at then
          unfinished = true
          return nil
        end
      end
    elseif filed then
      if below and filed.at >= below * STEP then return nil end
      if not fits(filed.route, try('HGET', base .. filed.id, 'name')) then return nil end
      heads[filed.route] = true
      call('ZREM', filedUnder(filed.route), filed.id)
      if call('ZREM', prioritized, filed.id) == 1 then return filed.id end
    else
      return nil
    end
  end
end

-- Stores what was filed, and wakes the workers that serve it.
-- Output: whether unfiled jobs are waiting, and whether any of our routes has waiting jobs.
local function finishRouting()
  local fields = {}
  for n, at in pairs(reached) do
    fields[#fields + 1] = '${FILED.reached}' .. n
    fields[#fields + 1] = string.format('%.0f', at)
    cursors[n] = math.max(cursors[n] or 0, at)
  end
  if #fields > 0 then call('HSET', filedKey, '${FILED.counter}', string.format('%.0f', counter), unpack(fields)) end
  for route in pairs(met) do wakeFor(route) end
  local ours = false
  for route in pairs(heads) do
    if headOf(route) then
      ours = true
      wakeFor(route)
    end
  end
  if below then
    top, readAll = '+inf', false
    if #buffer > 0 and place > #buffer then from = '(' .. buffer[#buffer] end
  end
  local rest = unfinished or (try('LLEN', wait) or 0) > 0 or firstMet() ~= nil
  return rest, rest or ours
end
`;
