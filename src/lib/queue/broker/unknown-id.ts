import { InferError } from '../../core/errors.js';
import { idTime, printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import { serverTime } from '../../redis/server-clock.js';
import type { RedisClient } from '../../redis/types.js';
import { jobLost } from './data-watch.js';

/** What an id was to name: the record of a job or group, or (`either`) something that has a result. */
type Wanted = 'job' | 'group' | 'either';

interface Missing {
  code: 'JOB_UNKNOWN' | 'GROUP_UNKNOWN';
  what: string;
  gone: string;
  hint: string;
}

/** Spelling suggestions make no sense for ids: what helps is where they come from and how long they last. */
const MISSING: Readonly<Record<Wanted, Missing>> = {
  job: {
    code: 'JOB_UNKNOWN',
    what: 'job',
    gone: 'record',
    hint: 'infer submit prints the id, infer inspect jobs lists those there are. The record of an ended job is kept as long as its result (--result-ttl, an hour), of a failed one a week',
  },
  group: {
    code: 'GROUP_UNKNOWN',
    what: 'group',
    gone: 'record',
    hint: 'infer submit prints the id of a group. Its record is kept as long as its results after its last row (--result-ttl, an hour)',
  },
  either: {
    code: 'JOB_UNKNOWN',
    what: 'job or group',
    gone: 'result',
    hint: 'results are kept for an hour unless --result-ttl says otherwise; infer inspect shows what is there',
  },
};

/** JOB_UNKNOWN or GROUP_UNKNOWN (66): the id names nothing any more, or never did. Ids of infer's own form tell their age. */
export function unknownId(id: string, wanted: Wanted = 'either'): InferError {
  const { code, what, gone, hint } = MISSING[wanted];
  const made = idTime(id);
  const ago = made === undefined ? undefined : formatDuration(Math.max(0, serverTime() - made));
  const age = ago === undefined ? '' : `; an id of that form was made ${ago} ago`;
  return new InferError(code, `no ${what} ${printable(id)}: unknown, or its ${gone} has expired${age}`, {
    hint,
  });
}

/** The id names something of the other kind. */
export function otherKind(id: string, wanted: 'job' | 'group'): InferError {
  const found = wanted === 'job' ? 'group' : 'job';
  return new InferError(MISSING[wanted].code, `${printable(id)} is a ${found}, not a ${wanted}`, {
    hint: `infer inspect ${found} ${printable(id)}`,
  });
}

/**
 * Why an id names nothing: JOB_LOST where Redis lost it, else `unknownId` (all 66).
 * @param known its queue, and when it is known to have been there, ms since the epoch [as its id tells]
 */
export async function missingId(
  client: RedisClient,
  prefix: string,
  id: string,
  wanted: Wanted = 'either',
  known: { queue?: string | undefined; seenAt?: number | undefined } = {},
): Promise<InferError> {
  return (await jobLost(client, prefix, id, known)) ?? unknownId(id, wanted);
}
