import { FILED, KEY } from '../wire.js';
import { PRELUDE } from './prelude.js';

/** Index entries checked per run. */
const CHECKED = 1000;

/**
 * Maintains the index: removes entries of jobs that no longer wait, files jobs that others put back at the
 * front of their priority, and wakes a worker for each route that has jobs. ARGV 3 a random integer, 4 ms
 * during which no other run may follow ('' = run now).
 * Output: 1 run, 0 nothing is filed or a run has just taken place.
 */
export const REROUTE = `${PRELUDE}
local pace = tag .. ':${KEY.pace}:${KEY.filed}'
if not anyFiled() or (ARGV[4] ~= '' and call('PTTL', pace) > 0) then return 0 end
if ARGV[4] ~= '' then call('SET', pace, 1, 'PX', ARGV[4]) end
local fields = try('HGETALL', filedKey)
if not fields then
  call('DEL', filedKey)
  return 1
end
local routes, cursors, lacking = {}, {}, false
for i = 1, #fields, 2 do
  local route, n = string.match(fields[i], '^${FILED.route}(.+)$'), string.match(fields[i], '^${FILED.reached}(%d+)$')
  if route then routes[#routes + 1] = route end
  if n then cursors[tonumber(n)] = tonumber(fields[i + 1]) end
end

local awake = not isPaused()
local filed, window = 0, math.max(10, math.floor(${CHECKED} / math.max(1, #routes)))
for _, route in ipairs(routes) do
  local key = filedUnder(route)
  local size = try('ZCARD', key)
  if not size then
    call('DEL', key)
    lacking, size = true, 0
  end
  if size > 0 then
    local from = math.min(tonumber(ARGV[3]) % size, math.max(0, size - window))
    local ids = call('ZRANGE', key, from, from + window - 1, 'WITHSCORES')
    for i = 1, #ids, 2 do
      local at = call('ZSCORE', prioritized, ids[i])
      if not at then call('ZREM', key, ids[i])
      elseif tonumber(at) ~= tonumber(ids[i + 1]) then call('ZADD', key, at, ids[i]) end
    end
    size = call('ZCARD', key)
    filed = filed + size
  end
  if size == 0 then
    call('HDEL', filedKey, '${FILED.route}' .. route)
    call('DEL', tag .. ':${KEY.wake}:' .. route)
  elseif awake then
    wakeFor(route)
  end
end

-- For example, put back by a stock worker.
local covered = 0
for n, cursor in pairs(cursors) do
  local front = string.format('%.0f', n * STEP)
  for _, id in ipairs(call('ZRANGEBYSCORE', prioritized, front, front, 'LIMIT', 0, 100)) do
    local route = routeOf(try('HGET', base .. id, 'name'))
    if not route then lacking = true
    elseif not call('ZSCORE', filedUnder(route), id) then
      file(id, route, n * STEP)
      filed = filed + 1
      if awake then wakeFor(route) end
    end
  end
  covered = covered + call('ZCOUNT', prioritized, front, string.format('%.0f', cursor))
end
if filed == 0 then call('DEL', filedKey) end
-- Some jobs that should be filed are not: takes look at all jobs again.
if lacking or covered > filed then
  forgetReached()
  if awake then mark(0, '0') end
end
return 1
`;
