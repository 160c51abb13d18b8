import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { idTime, printable } from '../core/job.js';
import { formatDuration } from '../core/units.js';
import { jobLost } from '../queue/broker/data-watch.js';
import { listQueues, locate } from '../queue/read/reader.js';
import { serverTime } from '../redis/server-clock.js';
import type { RedisClient } from '../redis/types.js';

/** The queue an id lies in. @throws InferError JOB_UNKNOWN, GROUP_UNKNOWN, JOB_LOST (66). */
export async function findId(
  client: RedisClient,
  prefix: string,
  id: string,
  kind: 'job' | 'group',
): Promise<string> {
  const place = await locate(client, prefix, id, await listQueues(client, prefix));
  if (place?.kind === kind) return place.queue;
  if (place !== undefined) {
    throw new InferError(
      `${kind.toUpperCase()}_UNKNOWN`,
      `${printable(id)} is a ${place.kind}, not a ${kind}`,
      {
        hint: `infer inspect ${place.kind} ${printable(id)}`,
        exitCode: ExitCode.NoInput,
      },
    );
  }
  throw (await jobLost(client, prefix, id)) ?? unknownId(id, kind);
}

/** Ids are no words that one could have misspelt: what helps is where they come from and how long they last. */
export function unknownId(id: string, kind: 'job' | 'group'): InferError {
  const made = idTime(id);
  const age =
    made === undefined
      ? ''
      : `; an id of that form was made ${formatDuration(Math.max(0, serverTime() - made))} ago`;
  return new InferError(
    `${kind.toUpperCase()}_UNKNOWN`,
    `no ${kind} ${printable(id)}: unknown, or its record has expired${age}`,
    {
      hint:
        kind === 'job'
          ? 'infer submit prints the id, infer inspect jobs lists those there are. The record of an ended job is kept as long as its result (--result-ttl, an hour), of a failed one a week'
          : 'infer submit prints the id of a group. Its record is kept as long as its results after its last row (--result-ttl, an hour)',
      exitCode: ExitCode.NoInput,
    },
  );
}
