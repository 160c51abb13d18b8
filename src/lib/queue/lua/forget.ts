import { GROUP, JOB, KEY } from '../wire.js';
import { PRELUDE } from './prelude.js';

/**
 * Deletes ended jobs with all that is kept of them. ARGV 3 the group of which they must be chunks ('': of
 * none), 4 its owner, 5.. ids. Output per id: 1 deleted, 0 it has not ended or is not a chunk of the group, -1
 * there is none. Lists of ended jobs drop such ids by themselves, and a producer may not write all of them.
 */
export const FORGET = `${PRELUDE}
local out = {}
for i = 5, #ARGV do
  local id = ARGV[i]
  local key = base .. id
  local done = -1
  if call('EXISTS', key) == 1 then
    local ended = try('HMGET', key, '${JOB.state}', 'finishedOn', 'data') or {'1'}
    done = (ended[1] or ended[2]) and 1 or 0
    if ARGV[3] ~= '' and not isChunkOf(ARGV[3], ARGV[4], ended[3]) then done = 0 end
  end
  if done ~= 0 then
    for _, set in ipairs({completed, failed, tag .. ':${KEY.expired}', tag .. ':${KEY.cancelled}'}) do redis.pcall('ZREM', set, id) end
    unregister(id)
    call('DEL', key, key .. ':logs', tag .. ':${KEY.input}:' .. id, tag .. ':${KEY.result}:' .. id)
  end
  out[#out + 1] = done
end
return out
`;

/**
 * Deletes the record of an ended group. ARGV 3 id. Output: 1 deleted, 0 it has not ended, -1 it does not
 * exist.
 */
export const FORGET_RECORD = `${PRELUDE}
local key = tag .. ':${KEY.group}:' .. ARGV[3]
if call('EXISTS', key) == 0 then return -1 end
local g = try('HMGET', key, '${GROUP.finishedOn}', '${GROUP.abandoned}') or {'1'}
if not g[1] and g[2] ~= '1' then return 0 end
call('DEL', key)
return 1
`;
