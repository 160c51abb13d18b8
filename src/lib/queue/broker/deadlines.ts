import { setTimeout as delay } from 'node:timers/promises';
import type { OwnFailure } from '../../core/errors.js';
import type { QueueScripts } from '../lua/script-client.js';
import { UNHELD_TTL } from '../wire.js';

/** Due jobs ended in one script: about 5 ms of Redis time. */
const EXPIRE_AT_ONCE = 200;
/**
 * Milliseconds between two such scripts while more jobs are due, for any number of workers: a third of
 * Redis's time.
 */
const PACE_MS = 10;

/**
 * Expires waiting jobs of a queue whose deadline has passed, 200 at most; returns their ids. Clients call it
 * when they look at a job, so that deadlines apply even without a worker.
 * @param id the job being looked at: it is expired first, however many others are due
 */
export async function expireDue(scripts: QueueScripts, id = ''): Promise<string[]> {
  return (await once(scripts, id, '')).ids;
}

/**
 * Expires all waiting jobs of a queue whose deadline has passed; returns their ids. Workers do this every
 * second. However many there are, Redis serves its other users between any two scripts.
 * @param stopped checked between two scripts
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
  const args = [EXPIRE_AT_ONCE, failure, message, UNHELD_TTL, id, paceMs];
  const [more, ...ids] = (await scripts.run('inferExpireDue', ...args)) as [number, ...string[]];
  return { more: more === 1, ids };
}
