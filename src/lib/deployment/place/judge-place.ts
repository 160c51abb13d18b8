import type { Standing } from '../../queue/read/queue-pulse.js';
import { refusesWrites } from '../../redis/memory-state.js';
import { etaOf } from './eta.js';
import type { JobPlace } from './job-place.js';
import { blockerOf, type Situation, whyOf } from './reasons.js';
import { type Scene, sumAbove } from './scene.js';

/** A job that has not started, and its position. */
export interface Waiting {
  job: Standing;
  /** Jobs before it in `prioritized` whose model no worker serves; and how many of them are more urgent. */
  passed: { all: number; moreUrgent: number };
}

/**
 * Position, ETA and reason of a job that has not started. They are computed only here. Pure.
 * @param at by Redis's clock; the scene is at most a second older
 */
export function judgePlace({ job, passed }: Waiting, scene: Scene, at: number): JobPlace {
  const { queue, around, able, talking, lanes, busy } = scene;
  const ahead = jobsAhead(job, passed, scene);
  const waits = job.state === 'waiting';
  const service = scene.service(waits && job.tries === 0 ? at - job.submittedAt : 0);
  const passedMs = Math.max(0, at - around.at);
  const now: Situation = {
    job,
    now: at,
    paused: queue.paused,
    full: around.memory !== undefined && refusesWrites(around.memory) ? around.memory : undefined,
    serving: scene.serving,
    able,
    silent: scene.silent,
    draining: scene.draining,
    loading: scene.loading,
    moreUrgent: ahead.moreUrgent,
    same: ahead.same,
    highest: scene.highest,
    lanes: lanes.filter(({ jobs }) => jobs > 0),
    busy: busy && { ...busy, sinceMs: busy.sinceMs + passedMs },
  };
  const jobs = ahead.moreUrgent + ahead.same;
  const blocker = blockerOf(now);
  return {
    position: waits
      ? { jobsAhead: jobs, rowsAheadEstimate: Math.round(jobs * (service?.rowsPerJob ?? job.rows)) }
      : null,
    ...(blocker === undefined
      ? etaOf({
          ahead: jobs,
          priority: job.priority,
          rows: job.rows,
          delayMs: waits ? 0 : Math.max(0, (job.runAt ?? at) - at),
          workers: talking.length,
          rest: {
            p50: Math.max(0, scene.rest.p50 - passedMs),
            p90: Math.max(0, scene.rest.p90 - passedMs),
          },
          service,
          queue,
          lanes,
        })
      : { eta: null, noEta: blocker }),
    why: whyOf(now),
  };
}

/**
 * What is ahead in its own queue: jobs before it in Redis, and jobs that workers hold but have not started.
 */
function jobsAhead(
  job: Standing,
  passed: Waiting['passed'],
  { queue, held }: Scene,
): { moreUrgent: number; same: number } {
  const above = sumAbove(queue.byPriority, job.priority);
  const before =
    job.rank === undefined
      ? // It would go behind all jobs of its priority.
        above + (queue.byPriority[job.priority] ?? 0)
      : queue.unprioritized + job.rank;
  const inRedis = Math.max(0, before - passed.all);
  // The counts by priority are up to a second older than the rank.
  const urgent = Math.min(inRedis, Math.max(0, above - passed.moreUrgent));
  return {
    moreUrgent: urgent + sumAbove(held, job.priority),
    same: inRedis - urgent + (held[job.priority] ?? 0),
  };
}
