import { DELAYED_UNIT, GONE_TTL, GROUP, JOB, KEY } from '../wire.js';
import { OPERATOR, PRELUDE } from './prelude.js';

/**
 * A job moves to another queue, which may be on another server of a Cluster, in steps of one script each:
 *
 *   park      target   a copy, in no list from which jobs are taken
 *   take out  source   the commit: if the job still waits, it is removed there and leaves a tombstone
 *   bring in  target   the copy waits like any other job; then the tombstone is removed
 *
 * Wherever this is interrupted, at most one of the two can be taken: before the commit the one in the source,
 * after it the copy, which the target's workers bring in when they find the tombstone.
 *
 * Fields: mv of a copy, `<source> <attempt>`; mvat of a copy, ms at which it may run (delayed); mvx of a job,
 * the aborted attempts. Keys: `<tag>:arriving` ZSET id -> ms, copies; `<tag>:gone:<id>` STRING, EX, the
 * tombstone: `<target> <attempt>`.
 */

/**
 * Raises an error if the queue's keys could not take the job when it is brought in: after the commit it would
 * wait in no list. ARGV 3 id, 4 `<source> <attempt>`, 5 input or '', then fields and values of the hash.
 * Output: 1 parked, 0 the queue has a job of this id, 2 it has a copy of another move, which may be the only
 * one left by now.
 */
export const MOVE_PARK = `${OPERATOR}
local id, key = ARGV[3], base .. ARGV[3]
local there = call('HGET', key, '${JOB.move}')
if there and there ~= ARGV[4] then return 2 end
if not there and call('EXISTS', key) == 1 then return 0 end
call('ZCARD', tag .. ':${KEY.arriving}')
local priority = 0
for i = 6, #ARGV, 2 do
  if ARGV[i] == 'priority' then priority = tonumber(ARGV[i + 1]) or 0 end
end
checkPlaces(priority)
call('DEL', key, tag .. ':${KEY.input}:' .. id)
for i = 6, #ARGV, 2 do call('HSET', key, ARGV[i], ARGV[i + 1]) end
call('HSET', key, '${JOB.move}', ARGV[4])
if ARGV[5] ~= '' then call('SET', tag .. ':${KEY.input}:' .. id, ARGV[5]) end
call('ZADD', tag .. ':${KEY.arriving}', now, id)
return 1
`;

/**
 * ARGV 3 id, 4 attempt, 5 target queue, 6 fingerprint the copy was made with, 7 group as `id` or `id@queue`
 * or '', 8 chunk number.
 * Output: 1 taken out, 0 no longer waiting, 2 changed since.
 */
export const MOVE_OUT = `${OPERATOR}
local id, key = ARGV[3], base .. ARGV[3]
-- Sent again after a lost connection.
local went = ARGV[5] .. ' ' .. ARGV[4]
if call('GET', tag .. ':${KEY.gone}:' .. id) == went then return 1 end
local job = call('HMGET', key, 'data', '${JOB.attemptsStarted}', '${JOB.attemptsMade}', 'priority', '${JOB.cancel}', '${JOB.movesGiven}', '${JOB.lists}', '${JOB.move}')
if not job[1] or string.find(job[6] or '', ARGV[4], 1, true) or job[8] then return 0 end
checkPlaces()
local waits = call('ZSCORE', prioritized, id) or call('ZSCORE', delayed, id) or try('LPOS', wait, id)
if not waits then return 0 end
if table.concat({job[2] or '0', job[3] or '0', job[4] or '0', job[5] or ''}, ' ') ~= ARGV[6] then return 2 end
if call('ZREM', prioritized, id) + call('ZREM', delayed, id) + (try('LREM', wait, 1, id) or 0) == 0 then return 0 end
unfile(id)
call('SET', tag .. ':${KEY.gone}:' .. id, went, 'EX', ${GONE_TTL})
call('DEL', key, tag .. ':${KEY.input}:' .. id)
dropDeadline(id)
if ARGV[7] ~= '' then
  local group, gtag = groupAt(ARGV[7])
  local gkey = gtag .. ':${KEY.group}:' .. group
  if call('EXISTS', gkey) == 1 then try('HSET', gkey, '${GROUP.moved}', 1, '${GROUP.movedTo}' .. ARGV[8], ARGV[5]) end
end
-- Waiting clients look it up again, and find it there.
local header = '{"id":' .. cjson.encode(id) .. ',"moved":' .. cjson.encode(ARGV[5]) .. '}'
local notice = struct.pack('<H', #header) .. header
local reply = specOf(job[1]).reply
if reply then tell(reply, notice) end
for list in string.gmatch(job[7] or '', '%S+') do tell(list, notice) end
return 1
`;

/**
 * ARGV 3 id, 4 `<source> <attempt>`.
 * Output: 1 it waits (or ended, because it was cancelled), 0 there is no copy of this attempt: it was brought
 * in before.
 */
export const MOVE_IN = `${PRELUDE}
local id, key = ARGV[3], base .. ARGV[3]
local job = call('HMGET', key, '${JOB.move}', '${JOB.moveAt}', 'priority')
if job[1] ~= ARGV[4] then return 0 end
checkPlaces(tonumber(job[3] or '') or 0)
call('ZREM', tag .. ':${KEY.arriving}', id)
call('HDEL', key, '${JOB.move}', '${JOB.moveAt}')
if endIfUnwanted(id) then return 1 end
local priority, due = tonumber(job[3] or '') or 0, tonumber(job[2] or '')
if due and due > now then
  call('ZADD', delayed, due * ${DELAYED_UNIT} + (try('INCR', pc) or 0) % ${DELAYED_UNIT}, id)
  local first = call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  if first[1] == id then mark(due, '1') end
else
  if priority == 0 then call('LPUSH', wait, id) else call('ZADD', prioritized, score(priority), id) end
  if not isPaused() then mark(0, '0') end
end
local deadline = specOf(call('HGET', key, 'data')).deadline
if deadline then try('ZADD', deadlines, deadline, id) end
return 1
`;

/**
 * Drops a copy whose move did not reach its commit. ARGV 3 id, 4 `<source> <attempt>`.
 * Output: 1 dropped, 0 there is no copy of this attempt.
 */
export const MOVE_DROP = `${PRELUDE}
local id, key = ARGV[3], base .. ARGV[3]
if call('HGET', key, '${JOB.move}') ~= ARGV[4] then return 0 end
call('ZREM', tag .. ':${KEY.arriving}', id)
call('DEL', key, tag .. ':${KEY.input}:' .. id)
return 1
`;

/**
 * Whether a move has committed; if not, that attempt no longer can. ARGV 3 id, 4 attempt, 5 target queue.
 * Output: 1 committed, 0 aborted.
 */
export const MOVE_FENCE = `${PRELUDE}
local id, key = ARGV[3], base .. ARGV[3]
if call('GET', tag .. ':${KEY.gone}:' .. id) == ARGV[5] .. ' ' .. ARGV[4] then return 1 end
if call('EXISTS', key) == 1 then
  local given = call('HGET', key, '${JOB.movesGiven}') or ''
  if not string.find(given, ARGV[4], 1, true) then call('HSET', key, '${JOB.movesGiven}', given .. ' ' .. ARGV[4]) end
end
return 0
`;

/** Removes the tombstone of a finished move. ARGV 3 id, 4 attempt, 5 target queue. */
export const MOVE_FORGET = `
local key = ARGV[2] .. ':${KEY.gone}:' .. ARGV[3]
if redis.call('GET', key) ~= ARGV[5] .. ' ' .. ARGV[4] then return 0 end
return redis.call('DEL', key)
`;
