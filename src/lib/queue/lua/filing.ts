import { MAX_PRIORITY } from '../../core/job.js';
import { isNewerLua, LAYOUTS } from '../layout.js';
import { FILED, KEY } from '../wire.js';

/**
 * Fields of the index that say how far it reaches: the counter, and one per BullMQ priority, in this order.
 */
export const CURSORS = [
  FILED.counter,
  ...Array.from({ length: MAX_PRIORITY + 1 }, (_, n) => `${FILED.reached}${n + 1}`),
]
  .map((field) => `'${field}'`)
  .join(', ');

/**
 * Lua for the index of waiting jobs by model, needed by all scripts that remove a waiting job or put it back;
 * lua/route.ts explains its purpose.
 */
export const FILING = `
-- What a worker must serve for a job: 'model' or 'model@version', from the job's name; nil when it is not a
-- job of ours.
local function routeOf(name)
  return string.match(name or '', '^(.+)#%d+$')
end

${isNewerLua(LAYOUTS)}
local filedKey, hasFiled = tag .. ':${KEY.filed}', nil
local function anyFiled()
  if hasFiled == nil then hasFiled = call('EXISTS', filedKey) == 1 end
  return hasFiled
end

-- Makes takes look at all waiting jobs again.
local function forgetReached()
  if try('HDEL', filedKey, ${CURSORS}) == nil then call('DEL', filedKey) end
end

local function filedUnder(route)
  return tag .. ':${KEY.byModel}:' .. route
end

local function file(id, route, at)
  -- HDEL first: a full Redis refuses a script whose first write needs memory.
  if try('HDEL', filedKey, '-') == nil then call('DEL', filedKey) end
  if not try('ZADD', filedUnder(route), at, id) then
    call('DEL', filedUnder(route))
    forgetReached()
    call('ZADD', filedUnder(route), at, id)
  end
  call('HSET', filedKey, '${FILED.route}' .. route, 1)
  hasFiled = true
end

local function unfile(id)
  local route = anyFiled() and routeOf(try('HGET', base .. id, 'name'))
  if route then try('ZREM', filedUnder(route), id) end
end

local function wakeFor(route)
  local key = tag .. ':${KEY.wake}:' .. route
  if not try('ZADD', key, 0, '0') then
    call('DEL', key)
    call('ZADD', key, 0, '0')
  end
end
`;
