import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { idTime, printable } from '../core/job.js';
import { formatDuration } from '../core/units.js';
import { jobLost } from '../queue/broker/data-watch.js';
import { serverTime } from '../redis/server-clock.js';
import type { RedisClient } from '../redis/types.js';

/**
 * Why an id names nothing: JOB_LOST where Redis lost it, else JOB_UNKNOWN (both 66).
 * @param known its queue, and when it is known to have been there, ms since the epoch [as its id tells]
 */
export async function missing(
  client: RedisClient,
  prefix: string,
  id: string,
  known: { queue?: string | undefined; seenAt?: number | undefined } = {},
): Promise<InferError> {
  return (await jobLost(client, prefix, id, known)) ?? unknownId(id);
}

/** An id that names nothing any more, or never did; our own ids tell when they were made. */
export function unknownId(id: string): InferError {
  const made = idTime(id);
  const age =
    made === undefined ? '' : `; it was submitted ${formatDuration(Math.max(0, serverTime() - made))} ago`;
  return new InferError(
    'JOB_UNKNOWN',
    `no job or group ${printable(id)}: unknown, or its result has expired${age}`,
    {
      hint: 'results are kept for an hour unless --result-ttl says otherwise; infer inspect shows what is there',
      exitCode: ExitCode.NoInput,
    },
  );
}
