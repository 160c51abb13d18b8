import { JOB } from '../wire.js';

/** Entries kept, and characters kept of a message. */
const ENTRIES = 20;
const MESSAGE_MAX = 120;

/**
 * Lua for the scripts that end a hold without ending its job: how it ended, in the field `tl` of the job's
 * hash. The hold that ends the job is in the hash already, and so is its start: jobs that run once and end,
 * which is almost all, never have this field and pay nothing for it.
 *
 * One line of JSON per entry: [number, what, start of the hold (0 = it had none), worker, attempt, now, error
 * code, its message, delay ms]; `what` is one of `TIMELINE_WORDS` in timeline.ts. The last 20 are kept; the
 * number of the first then tells how many were dropped.
 */
export const TIMELINE = `
local function note(id, what, code, message, delay)
  local key = base .. id
  local j = call('HMGET', key, '${JOB.timeline}', 'processedOn', '${JOB.worker}', '${JOB.attemptsStarted}')
  local old = j[1] or ''
  local n = tonumber(string.match('\\n' .. old, '.*\\n%[(%d+)')) or 0
  if n >= ${ENTRIES} then old = string.match(old, '^[^\\n]*\\n(.*)$') or '' end
  local entry = cjson.encode({n + 1, what, tonumber(j[2]) or 0, j[3] or '', tonumber(j[4]) or 0, now,
    code or '', string.sub(message or '', 1, ${MESSAGE_MAX}), tonumber(delay) or 0})
  call('HSET', key, '${JOB.timeline}', old == '' and entry or old .. '\\n' .. entry)
end

-- Extracts the code from a failure's JSON.
local function codeOf(failure)
  local ok, record = pcall(cjson.decode, failure)
  return ok and type(record) == 'table' and type(record.code) == 'string' and record.code or ''
end
`;
