import { type Priority, toBullPriority } from '../../core/job.js';
import type { RedisClient } from '../../redis/types.js';
import { QueueScripts } from '../lua/script-client.js';

/** Jobs per script: about 2 ms of Redis time. */
const CHUNK = 100;

/**
 * The outcome for a job: only waiting and delayed jobs can be given another priority; `newer`: this release
 * cannot read it.
 */
export type PriorityOutcome = 'changed' | 'same' | 'not waiting' | 'unknown' | 'newer';

const OUTCOMES: Record<number, PriorityOutcome> = {
  1: 'changed',
  2: 'same',
  0: 'not waiting',
  [-1]: 'unknown',
  [-2]: 'newer',
};

/**
 * Gives jobs of a queue another priority, behind the jobs already waiting at it; returns outcomes in the
 * order of the ids.
 */
export async function setPriority(
  client: RedisClient,
  prefix: string,
  queue: string,
  ids: readonly string[],
  priority: Priority,
): Promise<PriorityOutcome[]> {
  const scripts = new QueueScripts(client, prefix, queue);
  const bull = toBullPriority(priority);
  const outcomes: PriorityOutcome[] = [];
  for (let from = 0; from < ids.length; from += CHUNK) {
    const chunk = ids.slice(from, from + CHUNK);
    const reply = (await scripts.run('inferSetPriority', priority, bull, ...chunk)) as number[];
    outcomes.push(...reply.map((one) => OUTCOMES[one] ?? 'unknown'));
  }
  return outcomes;
}

/** Sets the priority that a group displays; its chunks are jobs with their own. */
export async function setGroupPriority(
  client: RedisClient,
  prefix: string,
  group: { id: string; queue: string },
  priority: Priority,
): Promise<void> {
  const scripts = new QueueScripts(client, prefix, group.queue);
  await scripts.run('inferSetGroupPriority', group.id, priority);
}
