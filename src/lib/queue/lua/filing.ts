/**
 * Lua for the index of waiting jobs by model, as all scripts need it that take a job from where it waits or put it back;
 * what it is for is in scripts-route.ts.
 */
export const FILING = `
-- What a worker must serve for a job: 'model' or 'model@version', by the name of the job; nil when that is not one of ours.
local function routeOf(name)
  return string.match(name or '', '^(.+)#%d+$')
end

local filedKey, hasFiled = tag .. ':filed', nil
local function anyFiled()
  if hasFiled == nil then hasFiled = call('EXISTS', filedKey) == 1 end
  return hasFiled
end

-- Takes look at all that waits again.
local function forgetReached()
  if try('HDEL', filedKey, 'c', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7', 'p8', 'p9', 'p10') == nil then call('DEL', filedKey) end
end

local function filedUnder(route)
  return tag .. ':bymodel:' .. route
end

local function file(id, route, at)
  -- HDEL first: a full Redis refuses a script whose first write needs memory.
  if try('HDEL', filedKey, '-') == nil then call('DEL', filedKey) end
  if not try('ZADD', filedUnder(route), at, id) then
    call('DEL', filedUnder(route))
    forgetReached()
    call('ZADD', filedUnder(route), at, id)
  end
  call('HSET', filedKey, 'm:' .. route, 1)
  hasFiled = true
end

local function unfile(id)
  local route = anyFiled() and routeOf(try('HGET', base .. id, 'name'))
  if route then try('ZREM', filedUnder(route), id) end
end

local function wakeFor(route)
  local key = tag .. ':wake:' .. route
  if not try('ZADD', key, 0, '0') then
    call('DEL', key)
    call('ZADD', key, 0, '0')
  end
end
`;
