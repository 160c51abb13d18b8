import { BOUNDS } from '../../core/bounds.js';
import { GROUP, JOB, KEY } from '../wire.js';
import { PRELUDE } from './prelude.js';

/**
 * The life cycle of a group, from its first sender to its end. Every process that sends its rows is a sender
 * with its own token: field `s:<token>` contains the ms, by Redis's clock, of its last sign of life. Each
 * script is one step; sent again after a lost connection, it returns the same answer and changes nothing
 * more.
 *
 * `GROUP` in wire.ts describes all fields.
 */
const OF_GROUP = `${PRELUDE}
local key = tag .. ':${KEY.group}:' .. ARGV[3]

-- Whether a sender is active, that is, was heard from within its lease, in ms.
local function hasSender(lease)
  local fields, since = call('HGETALL', key), now - lease
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 2) == '${GROUP.sender}' and tonumber(fields[i + 1]) > since then return true end
  end
  return false
end
`;

/**
 * Creates a group, or joins its current senders. ARGV 3 id, 4 sender, 5 seconds it is kept while open, 6
 * cutting, then fields and values.
 * Output: 'new'; 'open' when it exists and is not complete; 'closed' when it is; 'cancelled'; 'abandoned'
 * when it was, or is being, undone; 'other' when its rows are cut into chunks in another way; 'theirs' when
 * another token submitted it; 'differs' when it was submitted with other options.
 */
export const OPEN_GROUP = `${OF_GROUP}
local sender = ARGV[4]
if call('HEXISTS', key, '${GROUP.model}') == 0 then
  call('HSET', key, '${GROUP.timestamp}', now, '${GROUP.cutting}', ARGV[6])
  for i = 7, #ARGV, 2 do call('HSET', key, ARGV[i], ARGV[i + 1]) end
  call('HSET', key, '${GROUP.own}', sender, '${GROUP.sender}' .. sender, now)
  call('EXPIRE', key, ARGV[5])
  return 'new'
end
local g = call('HMGET', key, '${GROUP.own}', '${GROUP.closed}', '${GROUP.abandoned}', '${GROUP.cancel}', '${GROUP.leaving}', '${GROUP.cutting}', '${GROUP.owner}', '${GROUP.digest}')
if g[1] == sender then return 'new' end
local function given(name)
  for i = 7, #ARGV, 2 do if ARGV[i] == name then return ARGV[i + 1] end end
  return false
end
if g[7] ~= given('${GROUP.owner}') then return 'theirs' end
local digest = given('${GROUP.digest}')
if digest and g[8] ~= digest then return 'differs' end
if g[3] == '1' then return g[4] and 'cancelled' or 'abandoned' end
if g[2] == '1' then return 'closed' end
if g[4] then return 'cancelled' end
if g[5] then return 'abandoned' end
if g[6] ~= ARGV[6] then return 'other' end
call('HSET', key, '${GROUP.sender}' .. sender, now)
return 'open'
`;

/**
 * Records a sender's progress. ARGV 3 id, 4 sender, 5 chunks and 6 rows it has sent so far, 7 seconds the
 * group is kept while open.
 * Output: 'open'; 'closed' when another sender has completed it; 'cancelled'; 'gone' when it was undone.
 */
export const NOTE_CHUNKS = `${OF_GROUP}
local g = call('HMGET', key, '${GROUP.model}', '${GROUP.cancel}', '${GROUP.closed}', '${GROUP.abandoned}', '${GROUP.leaving}', '${GROUP.added}', '${GROUP.rows}')
if not g[1] then return 'gone' end
if g[2] then return 'cancelled' end
if g[4] == '1' or g[5] then return 'gone' end
if g[3] == '1' then return 'closed' end
call('HSET', key, '${GROUP.sender}' .. ARGV[4], now, '${GROUP.added}', math.max(tonumber(g[6] or 0), tonumber(ARGV[5])),
  '${GROUP.rows}', math.max(tonumber(g[7] or 0), tonumber(ARGV[6])))
call('EXPIRE', key, ARGV[7])
return 'open'
`;

/**
 * Closes a group: its rows and jobs are final. ARGV 3 id, 4 sender, 5 rows, 6 jobs, 7 '1' when it ends
 * without all its rows, allowed only when it is undone or cancelled, 8 number of jobs that do not exist and
 * so cannot end, 9 digest of its rows or ''.
 * Output: 1 when every chunk had ended already, 0 when not; 'gone' when it does not exist or was undone;
 * 'cancelled'; 'other' when it was closed with other rows.
 */
export const CLOSE_GROUP = `${OF_GROUP}
-- Counts the ended chunks from the chunks themselves. A chunk whose record has since expired was counted when
-- it ended.
local function recount(jobs, owner)
  local g = call('HMGET', key, '${GROUP.completed}', '${GROUP.failed}', '${GROUP.rowsDone}')
  local completed, failed, rowsDone = 0, 0, 0
  for n = 0, jobs - 1 do
    local job = try('HMGET', base .. ARGV[3] .. '-' .. n, '${JOB.state}', 'data', '${JOB.rowsDone}') or {}
    if job[2] and not isChunkOf(ARGV[3], owner, job[2]) then
      job = {}
    elseif job[1] == 'completed' then
      completed = completed + 1
      rowsDone = rowsDone + within(specOf(job[2]).rows, 0, ${BOUNDS.rows.max}, 0)
    elseif job[1] then
      failed = failed + 1
      rowsDone = rowsDone + within(job[3], 0, ${BOUNDS.rows.max}, 0)
    end
  end
  call('HSET', key, '${GROUP.completed}', math.max(tonumber(g[1] or 0), completed), '${GROUP.failed}', math.max(tonumber(g[2] or 0), failed),
    '${GROUP.rowsDone}', math.max(tonumber(g[3] or 0), rowsDone))
end

local sender, rows, jobs, part = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local g = call('HMGET', key, '${GROUP.timestamp}', '${GROUP.closed}', '${GROUP.rows}', '${GROUP.jobs}', '${GROUP.finishedOn}', '${GROUP.cancel}', '${GROUP.leaving}', '${GROUP.abandoned}', '${GROUP.early}', '${GROUP.owner}', '${GROUP.content}')
if not g[1] then return 'gone' end
if g[2] == '1' then
  local differs = (ARGV[9] or '') ~= '' and g[11] and g[11] ~= ARGV[9]
  if g[8] ~= '1' and (g[3] ~= rows or g[4] ~= jobs or differs) then return 'other' end
  if g[8] == '1' and part ~= '1' then return g[6] and 'cancelled' or 'gone' end
  return g[5] and 1 or 0
end
if part == '1' then
  if not g[6] and g[7] ~= sender then return 'gone' end
else
  if g[6] then return 'cancelled' end
  if g[7] then return 'gone' end
end
-- HDEL first: a full Redis refuses a script whose first write needs memory.
call('HDEL', key, '${GROUP.sender}' .. sender)
call('HSET', key, '${GROUP.rows}', rows, '${GROUP.jobs}', jobs, '${GROUP.closed}', '1', '${GROUP.abandoned}', part)
if ARGV[9] and ARGV[9] ~= '' then call('HSET', key, '${GROUP.content}', ARGV[9]) end
if g[9] then recount(tonumber(jobs), g[10]) end
if tonumber(ARGV[8]) > 0 then call('HINCRBY', key, '${GROUP.failed}', ARGV[8]) end
-- It is kept until its last chunk has ended, however late the chunks may start.
call('PERSIST', key)
local ended = call('HMGET', key, '${GROUP.completed}', '${GROUP.failed}')
if tonumber(ended[1] or 0) + tonumber(ended[2] or 0) < tonumber(jobs) then return 0 end
endGroup(ARGV[3], tag, key, tonumber(jobs))
return 1
`;

/**
 * A sender stops. ARGV 3 id, 4 sender, 5 lease in ms.
 * Output: {what, chunks sent by all}, where what is 'ours': this sender undoes the group, and no other can
 * join it from now on; 'shared': another sender continues; 'closed': another has completed it; 'gone': it was
 * undone.
 */
export const LEAVE_GROUP = `${OF_GROUP}
local sender = ARGV[4]
local g = call('HMGET', key, '${GROUP.model}', '${GROUP.closed}', '${GROUP.leaving}', '${GROUP.added}')
local added = tonumber(g[4] or 0)
if not g[1] then return {'gone', added} end
if g[2] == '1' then return {'closed', added} end
if g[3] then return {g[3] == sender and 'ours' or 'gone', added} end
call('HDEL', key, '${GROUP.sender}' .. sender)
if hasSender(tonumber(ARGV[5])) then return {'shared', added} end
call('HSET', key, '${GROUP.leaving}', sender)
return {'ours', added}
`;

/**
 * Deletes a group that is undone before any of it ran, as if it had never been sent, so that it can be sent
 * again under its id. Only deletes, so a full Redis accepts it too. ARGV 3 id, 4 sender, 5 chunks sent.
 * Output: 1 deleted, 0 some chunk has run or is running, or the group was cancelled: nothing was changed.
 */
export const FORGET_GROUP = `${OF_GROUP}
local group, count = ARGV[3], tonumber(ARGV[5])
local g = call('HMGET', key, '${GROUP.leaving}', '${GROUP.moved}', '${GROUP.cancel}', '${GROUP.owner}')
-- Already deleted; a sender that has sent it since has created a new one.
if g[1] ~= ARGV[4] then return 1 end
-- Chunks that were moved may run elsewhere.
if g[2] or g[3] then return 0 end
local chunks = {}
for n = 0, count - 1 do
  local id = group .. '-' .. n
  if call('EXISTS', base .. id) == 1 then
    local chunk = call('HMGET', base .. id, '${JOB.state}', 'data')
    if isChunkOf(group, g[4], chunk[2]) then
      if chunk[1] ~= 'cancelled' then return 0 end
      chunks[#chunks + 1] = id
    end
  end
end
for _, id in ipairs(chunks) do
  call('ZREM', tag .. ':${KEY.cancelled}', id)
  call('DEL', base .. id, tag .. ':${KEY.input}:' .. id)
end
call('DEL', key)
return 1
`;

/**
 * Marks a group as cancelled, which stops its senders. ARGV 3 id, 4 lease in ms.
 * Output: 1 when no sender will close it, 0 when one will or it is closed, nil when it does not exist.
 */
export const CANCEL_GROUP = `${OF_GROUP}
local g = call('HMGET', key, '${GROUP.model}', '${GROUP.closed}')
if not g[1] then return nil end
-- HDEL first: a full Redis refuses a script whose first write needs memory.
call('HDEL', key, '${GROUP.cancel}')
call('HSET', key, '${GROUP.cancel}', '1')
return (g[2] ~= '1' and not hasSender(tonumber(ARGV[4]))) and 1 or 0
`;

/**
 * Sets the priority that a group displays; its chunks have their own. ARGV 3 id, 4 priority.
 * Output: 1 set, 0 no such group.
 */
export const SET_GROUP_PRIORITY = `${OF_GROUP}
if call('HEXISTS', key, '${GROUP.model}') == 0 then return 0 end
call('HSET', key, '${GROUP.priority}', ARGV[4])
return 1
`;
