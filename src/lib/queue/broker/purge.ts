import type { OwnFailure } from '../../core/errors.js';
import type { JobState } from '../../core/job.js';
import type { RedisClient } from '../../redis/types.js';
import { QueueScripts } from '../lua/script-client.js';
import { UNHELD_TTL } from '../wire.js';

/**
 * Jobs per script, which keeps Redis busy for 1.6 ms, and for 7 ms at most (76,000 jobs, two idle cores); 100 took 7 ms,
 * and up to 58 where other processes wanted the cores.
 */
const CHUNK = 25;
/** Deleting takes a quarter of the time, unless results are large. */
const ENDED_CHUNK = 100;

/** States that can be purged: all except active. */
export type PurgeState = Exclude<JobState, 'active'>;

export interface PurgeOptions {
  states: readonly PurgeState[];
  /** Stops it between two chunks. */
  signal?: AbortSignal | undefined;
  /** Jobs done so far. */
  onProgress?: ((done: number) => void) | undefined;
  /** Milliseconds since the epoch: jobs that were added (or ended) later are kept. */
  now: number;
}

export interface Purged {
  jobs: Partial<Record<PurgeState, number>>;
  /** Waiting and delayed jobs of a newer layout, which were left alone. */
  newer: number;
}

/**
 * Empties states of a queue, in chunks between which Redis serves others. Waiting jobs are cancelled: their
 * submitters are notified, their groups count them, their input is deleted. Ended jobs are deleted together
 * with their results. Returns how many by state; jobs submitted in the meantime are kept.
 */
export async function purge(
  client: RedisClient,
  prefix: string,
  queue: string,
  options: PurgeOptions,
): Promise<Purged> {
  const scripts = new QueueScripts(client, prefix, queue);
  const done: Partial<Record<PurgeState, number>> = {};
  let [total, newer] = [0, 0];
  for (const state of options.states) {
    const count = (jobs: number) => {
      done[state] = (done[state] ?? 0) + jobs;
      total += jobs;
      options.onProgress?.(total);
    };
    count(0);
    if (state === 'waiting') {
      newer += await cancelAll(scripts, 'wait', options, count);
      newer += await cancelAll(scripts, 'prioritized', options, count);
    } else if (state === 'delayed') newer += await cancelAll(scripts, 'delayed', options, count);
    else await forgetAll(scripts, state, options, count);
  }
  return { jobs: done, newer };
}

/** @returns number of jobs of a newer layout that were left alone. */
async function cancelAll(
  scripts: QueueScripts,
  part: 'wait' | 'prioritized' | 'delayed',
  { now, signal }: PurgeOptions,
  count: (jobs: number) => void,
): Promise<number> {
  const message = 'cancelled: its queue was purged';
  const failure = JSON.stringify({ code: 'CANCELLED', message } satisfies OwnFailure);
  let [from, newer] = [0, 0];
  for (;;) {
    signal?.throwIfAborted();
    const args = [part, from, CHUNK, now, failure, message, UNHELD_TTL];
    const reply = (await scripts.run('inferPurgeWaiting', ...args)) as [number, number, number];
    const [done, left, leftNewer] = reply;
    if (done + left === 0) return newer;
    count(done);
    newer += leftNewer;
    // Skipped jobs stay ahead of those that are read next.
    from += left;
  }
}

async function forgetAll(
  scripts: QueueScripts,
  state: PurgeState,
  { now, signal }: PurgeOptions,
  count: (jobs: number) => void,
): Promise<void> {
  for (;;) {
    signal?.throwIfAborted();
    const reply = await scripts.run('inferPurgeEnded', state, ENDED_CHUNK, now);
    const [looked, done] = reply as [number, number];
    if (looked === 0) return;
    count(done);
  }
}
