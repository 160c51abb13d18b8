import type { RedisClient } from '../../redis/types.js';
import { bullBase } from '../keys.js';
import { QueueScripts } from '../lua/script-client.js';
import type { OwnedGroup } from '../types.js';
import { JOB } from '../wire.js';
import type { ResultSource } from './result-store.js';
import { groupArgs } from './steer-jobs.js';

/**
 * Deletes ended jobs of a queue: record, input and result. Jobs that have not ended stay.
 * @param ids 200 at most
 * @param group of which they must be chunks; other jobs of these ids stay
 * @returns how many were there and are gone
 */
export async function forgetJobs(
  client: RedisClient,
  prefix: string,
  queue: string,
  ids: readonly string[],
  results: ResultSource,
  group?: OwnedGroup,
): Promise<number> {
  const base = bullBase(prefix, queue);
  const tokens = await Promise.all(ids.map((id) => client.hget(base + id, JOB.endedBy).catch(() => null)));
  const scripts = new QueueScripts(client, prefix, queue);
  const done = (await scripts.run('inferForget', ...groupArgs(group), ...ids)) as number[];
  await Promise.all(
    ids.map((id, i) => (done[i] === 1 ? results.remove(queue, id, tokens[i] ?? '') : undefined)),
  );
  return done.filter((one) => one === 1).length;
}

/** Deletes the record of an ended group; false if it has not ended. */
export async function forgetGroup(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
): Promise<boolean> {
  return (await new QueueScripts(client, prefix, queue).run('inferForgetRecord', id)) !== 0;
}
