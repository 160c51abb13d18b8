import type { QueueScripts } from './script-client.js';

/** Due jobs ended in one script: about 5 ms of Redis time. */
const EXPIRE_AT_ONCE = 200;
/** Seconds the record of an expired job is kept, for who asks what became of it. */
const EXPIRED_TTL = 3600;

/**
 * Ends the waiting jobs of a queue whose deadline has passed; answers their ids. Workers do this
 * every second and waiting clients when they look, so that it happens with either of them alone.
 */
export async function expireDue(scripts: QueueScripts, now: number): Promise<string[]> {
  const message = 'it was not started before its deadline';
  const failure = JSON.stringify({ code: 'EXPIRED', message });
  return (await scripts.run(
    'inferExpireDue',
    now,
    EXPIRE_AT_ONCE,
    failure,
    message,
    EXPIRED_TTL,
  )) as string[];
}
