/**
 * Lua for the index of waiting jobs by model, as all scripts need it that take a job from where it waits or put it back;
 * what it is for is in scripts-route.ts.
 */
export const FILING = `
-- A command that a damaged key may refuse: nil then.
local function soft(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then return nil end
  return reply
end

-- What a worker must serve for a job: 'model' or 'model@version', by the name of the job; nil when that is not one of ours.
local function routeOf(name)
  return string.match(name or '', '^(.+)#%d+$')
end

local filedKey, hasFiled = tag .. ':filed', nil
local function anyFiled()
  if hasFiled == nil then hasFiled = call('EXISTS', filedKey) == 1 end
  return hasFiled
end

local function filedUnder(route)
  return tag .. ':bymodel:' .. route
end

local function file(id, route, at)
  -- HDEL first: a full Redis refuses a script whose first write needs memory.
  if soft('HDEL', filedKey, '-') == nil then call('DEL', filedKey) end
  if not soft('ZADD', filedUnder(route), at, id) then
    call('DEL', filedUnder(route))
    call('ZADD', filedUnder(route), at, id)
  end
  call('HSET', filedKey, 'm:' .. route, 1)
  hasFiled = true
end

local function unfile(id)
  local route = anyFiled() and routeOf(soft('HGET', base .. id, 'name'))
  if route then soft('ZREM', filedUnder(route), id) end
end

local function wakeFor(route)
  local key = tag .. ':wake:' .. route
  if not soft('ZADD', key, 0, '0') then
    call('DEL', key)
    call('ZADD', key, 0, '0')
  end
end
`;
