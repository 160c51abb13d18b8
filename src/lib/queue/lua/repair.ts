import { toBullPriority } from '../../core/job.js';
import { DELAYED_UNIT, JOB } from '../wire.js';
import { OPERATOR } from './prelude.js';

/**
 * Takes a damaged key out of use: it is renamed and expires. ARGV 3 key, 4 the type it should have, 5 new
 * name, 6 seconds.
 * Output: 1 renamed, 0 it is intact or no longer exists.
 */
export const PUT_AWAY = `${OPERATOR}
local kind = typeOf(ARGV[3])
if kind == 'none' then return 0 end
if kind == ARGV[4] and not (kind == 'string' and not string.match(call('GET', ARGV[3]), '^%-?%d+$')) then return 0 end
call('RENAME', ARGV[3], ARGV[5])
call('EXPIRE', ARGV[5], ARGV[6])
-- First come, first served: new jobs are numbered after the waiting ones.
if ARGV[3] == pc then
  local highest = 0
  for n = 1, ${toBullPriority(0)} do
    local last = try('ZREVRANGEBYSCORE', prioritized, (n + 1) * STEP - 1, n * STEP, 'WITHSCORES', 'LIMIT', 0, 1) or {}
    if last[2] then highest = math.max(highest, tonumber(last[2]) % STEP) end
  end
  call('SET', pc, string.format('%.0f', highest))
end
return 1
`;

/**
 * Finds jobs of ours that are in none of their lists, or puts them there. ARGV 3 'look' or 'place', 4.. ids
 * of what may be jobs; those to place in the order in which they are to wait.
 * Output: for 'look', the ids that are in no list and their submission times, alternately; otherwise
 * [waiting, active, delayed, ended].
 */
export const REINDEX = `${OPERATOR}
local out, counts = {}, {0, 0, 0, 0}
local look = ARGV[3] == 'look'

local function found(kind)
  counts[kind] = counts[kind] + 1
end

local function ended(id, state, finishedOn)
  local set = ({completed = completed, failed = failed})[state] or tag .. ':' .. state
  if call('ZSCORE', set, id) then return false end
  if not look then
    call('ZADD', set, tonumber(finishedOn or '') or now, id)
    found(4)
  end
  return true
end

local function place(id)
  local key = base .. id
  if typeOf(key) ~= 'hash' then return end
  local job = call('HMGET', key, 'data', '${JOB.state}', 'finishedOn', 'timestamp', 'delay', '${JOB.move}', 'failedReason', 'name')
  local spec = specOf(job[1])
  -- Copies that are being moved here are listed when their move completes.
  if not spec.model or job[6] or isNewer(job[8]) then return end
  local missing
  if job[2] or job[3] then
    missing = ended(id, job[2] or (job[7] and 'failed' or 'completed'), job[3])
  else
    if spec.deadline and not look then try('ZADD', deadlines, spec.deadline, id) end
    missing = not (call('ZSCORE', prioritized, id) or call('ZSCORE', delayed, id) or call('LPOS', wait, id) or call('LPOS', active, id))
    if missing and not look then
      local priority = priorityOf(id)
      local due = timeOf('timestamp', job[4]) + (tonumber(job[5] or '') or 0)
      if call('EXISTS', key .. ':lock') == 1 then
        call('LPUSH', active, id)
        found(2)
      elseif due > now then
        call('ZADD', delayed, due * ${DELAYED_UNIT} + call('INCR', pc) % ${DELAYED_UNIT}, id)
        found(3)
      else
        if priority == 0 then call('LPUSH', wait, id) else call('ZADD', prioritized, score(priority), id) end
        found(1)
      end
    end
  end
  if missing and look then
    out[#out + 1] = id
    out[#out + 1] = job[4] or '0'
  end
end

for i = 4, #ARGV do guarded(ARGV[i], place, not look) end
if look then return out end
if counts[1] + counts[3] > 0 and not isPaused() then mark(0, '0') end
return counts
`;
