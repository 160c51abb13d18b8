import { PRELUDE } from './scripts.js';

/**
 * Expires jobs that are past their deadline and have not started. ARGV 4 most to look at, 5 failure
 * JSON, 6 message, 7 keep s. `<tag>:deadlines` is a ZSET id -> ms, written by the submitter.
 * Output: expired ids.
 */
export const EXPIRE_DUE = `${PRELUDE}
local out = {}
local deadlines = tag .. ':deadlines'
for _, id in ipairs(call('ZRANGEBYSCORE', deadlines, '-inf', now, 'LIMIT', 0, ARGV[4])) do
  call('ZREM', deadlines, id)
  local data = call('HGET', base .. id, 'data')
  local removed = call('ZREM', prioritized, id) + call('ZREM', delayed, id)
  if data and removed > 0 then
    local spec = cjson.decode(data).s
    local header = '{"id":' .. cjson.encode(id) .. ',"state":"expired"}'
    finish({id = id, state = 'expired', token = '', reason = ARGV[6], meta = '', failure = ARGV[5], result = '',
      notice = struct.pack('<H', #header) .. header, ttl = 0, keep = tonumber(ARGV[7]), reply = spec.reply or '',
      group = spec.group and spec.group.id or '', rows = spec.rows or 1, data = ''})
    out[#out + 1] = id
  end
end
return out
`;

/**
 * Puts ended jobs back to waiting at their own priority, with all their attempts before them.
 * ARGV 4.. ids. Only failed ones still have their input; others are left alone.
 * Output per id: 1 queued again, 0 not failed, -1 unknown.
 */
export const RETRY = `${PRELUDE}
local out = {}
for i = 4, #ARGV do
  local id = ARGV[i]
  local key = base .. id
  local job = call('HMGET', key, 'st', 'data', 'priority')
  if not job[2] then
    out[#out + 1] = -1
  elseif job[1] ~= 'failed' then
    out[#out + 1] = 0
  else
    call('ZREM', failed, id)
    call('HDEL', key, 'st', 'tk', 'f', 'm', 'failedReason', 'finishedOn', 'cr', 'stc', 'processedOn')
    call('HSET', key, 'atm', 0, 'ats', 0)
    call('PERSIST', key)
    call('PERSIST', tag .. ':in:' .. id)
    call('DEL', tag .. ':res:' .. id)
    local group = cjson.decode(job[2]).s.group
    if group then
      local gkey = tag .. ':grp:' .. group.id
      if call('EXISTS', gkey) == 1 then
        call('HINCRBY', gkey, 'jf', -1)
        call('HDEL', gkey, 'finishedOn')
        call('PERSIST', gkey)
      end
    end
    local priority = tonumber(job[3]) or 0
    if priority == 0 then call('LPUSH', wait, id) else call('ZADD', prioritized, score(priority), id) end
    if call('HEXISTS', meta, 'paused') == 0 then call('ZADD', marker, 0, '0') end
    out[#out + 1] = 1
  end
end
return out
`;
