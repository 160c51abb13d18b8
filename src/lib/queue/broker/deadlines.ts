import { setTimeout as delay } from 'node:timers/promises';
import type { OwnFailure } from '../../core/errors.js';
import type { QueueScripts } from '../lua/script-client.js';

/** Due jobs ended in one script: about 5 ms of Redis time. */
const EXPIRE_AT_ONCE = 200;
/** Milliseconds between two such scripts while more are due, whatever the number of workers: a third of Redis's time. */
const PACE_MS = 10;
/** Seconds the record of an expired job is kept, for who asks what became of it. */
const EXPIRED_TTL = 3600;

/**
 * Ends waiting jobs of a queue whose deadline has passed, 200 at most; answers their ids. Clients that
 * look at a job call it, so that deadlines hold without a worker.
 * @param id the job that is looked at: it does not wait for others that are due
 */
export async function expireDue(scripts: QueueScripts, id = ''): Promise<string[]> {
  return (await once(scripts, id, '')).ids;
}

/**
 * Ends all waiting jobs of a queue whose deadline has passed; answers their ids. Workers do this every
 * second. However many there are, other users of that Redis come between any two scripts.
 * @param stopped asked between two scripts
 */
export async function expireAllDue(scripts: QueueScripts, stopped: () => boolean): Promise<string[]> {
  const expired: string[] = [];
  for (;;) {
    const { more, ids } = await once(scripts, '', PACE_MS);
    for (const id of ids) expired.push(id);
    if (!more || stopped()) return expired;
    await delay(PACE_MS);
  }
}

async function once(
  scripts: QueueScripts,
  id: string,
  paceMs: number | '',
): Promise<{ more: boolean; ids: string[] }> {
  const message = 'it was not started before its deadline';
  const failure = JSON.stringify({ code: 'EXPIRED', message } satisfies OwnFailure);
  const args = [EXPIRE_AT_ONCE, failure, message, EXPIRED_TTL, id, paceMs];
  const [more, ...ids] = (await scripts.run('inferExpireDue', ...args)) as [number, ...string[]];
  return { more: more === 1, ids };
}
