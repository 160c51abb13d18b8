import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { idTime, printable } from '../core/job.js';
import { formatDuration } from '../core/units.js';
import { serverTime } from '../redis/server-clock.js';

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
