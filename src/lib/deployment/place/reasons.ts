import { count, plural } from '../../core/counts.js';
import type { Priority } from '../../core/job.js';
import { formatBytes, formatDuration } from '../../core/units.js';
import type { Standing } from '../../queue/read/queue-pulse.js';
import { newerRoute, newerText, queueFix, unservedFix } from '../../queue/routes.js';
import type { StartingWorker } from '../../queue/starting.js';
import type { WorkerRecord } from '../../queue/types.js';

/** Everything that the reasons depend on. Times in ms, by Redis's clock. */
export interface Situation {
  job: Pick<Standing, 'id' | 'queue' | 'state' | 'route' | 'priority' | 'tries' | 'failure' | 'runAt'>;
  now: number;
  paused: boolean;
  /** Set if Redis refuses writes; in bytes. */
  full: { usedMemory: number; maxMemory: number } | undefined;
  /** Live workers of the queue that take jobs; of these, the ones that serve the job's route. */
  serving: readonly WorkerRecord[];
  able: readonly WorkerRecord[];
  /** Of the able ones, those without a current heartbeat. */
  silent: readonly WorkerRecord[];
  /** Workers that serve the route and are draining. */
  draining: readonly WorkerRecord[];
  /** Starting workers that are loading their models and will serve the route. */
  loading: readonly StartingWorker[];
  /** Jobs ahead with a higher priority, and with its own. */
  moreUrgent: number;
  same: number;
  /** The most urgent priority among the jobs ahead. */
  highest: Priority;
  /** Queues that its workers serve first, with their waiting jobs. */
  lanes: readonly { queue: string; jobs: number }[];
  /** Set if every worker is busy: the longest current run, and how long runs of that worker usually take. */
  busy: { worker: string; model: string; sinceMs: number; usualMs: number | undefined } | undefined;
}

interface Reason {
  /** Meaning, for docs/inspect-jobs.md. */
  readonly meaning: string;
  /** Whether no job of the queue starts while it applies, so that there is no ETA. */
  readonly blocks: boolean;
  holds(now: Situation): boolean;
  text(now: Situation): string;
  fix(now: Situation): string | null;
}

const waiting = (jobs: number) => `${plural(jobs, 'job')} ${jobs === 1 ? 'waits' : 'wait'}`;
const are = (some: readonly unknown[]) => (some.length === 1 ? 'is' : 'are');
const names = (some: readonly { name: string }[]) => some.map(({ name }) => name).join(', ');
const laneJobs = ({ lanes }: Situation) => lanes.reduce((sum, { jobs }) => sum + jobs, 0);
const until = ({ job, now }: Situation) => formatDuration(Math.max(0, (job.runAt ?? now) - now));
/** The route as users write it. */
const modelOf = ({ job }: Situation) => job.route.split('!')[0] as string;
const newerOf = ({ job }: Situation) => newerRoute(job.route)?.layout;
const workerFor = (now: Situation) => {
  const newer = newerOf(now);
  if (newer !== undefined) return queueFix([now.job.queue], newer);
  return `infer worker -Q ${now.job.queue} --model ${modelOf(now).split('@')[0]}`;
};

/** Why a job has not started, in order of precedence: the first that applies is reported. */
export const REASONS = {
  RETRY_AT: {
    meaning: 'Its last attempt failed, and it is waiting for the next.',
    blocks: false,
    holds: ({ job }) => job.state === 'delayed' && job.tries > 0,
    text: (now) =>
      `its next attempt is in ${until(now)}${now.job.failure === undefined ? '' : `, after ${now.job.failure}`}`,
    fix: () => null,
  },
  DELAYED: {
    meaning: 'It was submitted with a delay or a time to start at, or its worker gave it back for a while.',
    blocks: false,
    holds: ({ job }) => job.state === 'delayed',
    text: (now) => `it may start in ${until(now)}`,
    fix: () => null,
  },
  REDIS_FULL: {
    meaning:
      'Redis has reached its memory limit and refuses writes, so workers can neither take nor end jobs.',
    blocks: true,
    holds: ({ full }) => full !== undefined,
    text: ({ full }) =>
      `Redis refuses writes: ${formatBytes(full?.usedMemory ?? 0)} of ${formatBytes(full?.maxMemory ?? 0)} are used`,
    fix: () => 'infer redis-tune',
  },
  PAUSED: {
    meaning: 'The queue is paused.',
    blocks: true,
    holds: ({ paused }) => paused,
    text: ({ job }) => `queue ${job.queue} is paused`,
    fix: ({ job }) => `infer control resume ${job.queue}`,
  },
  MODEL_LOADING: {
    meaning: 'A worker that will serve it is starting and loading its models.',
    blocks: true,
    holds: ({ able, loading }) => able.length === 0 && loading.length > 0,
    text: ({ loading }) => `${names(loading)} ${are(loading)} starting and loading models`,
    fix: () => null,
  },
  DRAINING: {
    meaning:
      'All workers that serve it are draining: they finish the jobs that they hold and take no new ones.',
    blocks: true,
    holds: ({ able, draining }) => able.length === 0 && draining.length > 0,
    text: ({ draining }) =>
      `${names(draining)} ${are(draining)} draining and ${draining.length === 1 ? 'takes' : 'take'} no new jobs`,
    fix: workerFor,
  },
  NO_WORKER: {
    meaning: 'No worker serves the queue.',
    blocks: true,
    holds: ({ serving }) => serving.length === 0,
    text: (now) => `no worker serves queue ${now.job.queue} now${newerText(newerOf(now), 'it needs')}`,
    fix: (now) => queueFix([now.job.queue], newerOf(now)),
  },
  MODEL_NOT_SERVED: {
    meaning: 'Workers serve the queue, but none of them serves the model or the requested version.',
    blocks: true,
    holds: ({ able }) => able.length === 0,
    text: ({ job }) => {
      const newer = newerRoute(job.route);
      if (newer === undefined) return `no worker of queue ${job.queue} serves model ${job.route} now`;
      return `it needs a worker of infer ${newer.layout.since} or newer, and queue ${job.queue} has none`;
    },
    fix: ({ job, serving }) => unservedFix(job.queue, { route: job.route, jobs: 1 }, serving),
  },
  WORKERS_SILENT: {
    meaning: 'No worker that serves it has a current heartbeat.',
    blocks: true,
    holds: ({ able, silent }) => silent.length === able.length,
    text: ({ silent, now }) =>
      `${names(silent)} ${silent.length === 1 ? 'has' : 'have'} been silent for ${formatDuration(now - Math.max(...silent.map(({ beatAt }) => beatAt)))}`,
    fix: () => 'infer doctor',
  },
  LANE_FIRST: {
    meaning: 'Its workers serve another queue first, in which more jobs wait than are ahead in its own.',
    blocks: false,
    holds: (now) => laneJobs(now) > now.moreUrgent + now.same,
    text: (now) => {
      const [first, ...more] = now.lanes;
      const queues =
        more.length === 0
          ? `queue ${first?.queue}`
          : `queues ${now.lanes.map(({ queue }) => queue).join(', ')}`;
      return `${waiting(laneJobs(now))} in ${queues}, which its workers serve first`;
    },
    fix: () => null,
  },
  AHEAD_MORE_URGENT: {
    meaning: 'Jobs of a higher priority go first.',
    blocks: false,
    holds: ({ moreUrgent }) => moreUrgent > 0,
    text: ({ moreUrgent, same, highest }) => {
      const urgent = `${plural(moreUrgent, 'more urgent job')} (priority up to ${highest})`;
      const own = same === 0 ? '' : ` and ${count(same)} of its own priority`;
      return `${urgent}${own} ${moreUrgent + same === 1 ? 'is' : 'are'} first`;
    },
    fix: () => null,
  },
  AHEAD_SAME: {
    meaning: 'Jobs of its own priority that were submitted earlier go first.',
    blocks: false,
    holds: ({ same }) => same > 0,
    text: ({ same }) => `${plural(same, 'job')} of its own priority ${same === 1 ? 'is' : 'are'} first`,
    fix: () => null,
  },
  WORKERS_BUSY: {
    meaning: 'It is next, and every worker that serves it is in a run.',
    blocks: false,
    holds: ({ busy }) => busy !== undefined,
    text: ({ busy, able }) => {
      const usual =
        busy?.usualMs === undefined ? '' : `, which usually takes ${formatDuration(busy.usualMs)}`;
      const all = able.length > 1 ? `all ${count(able.length)} workers are busy; ` : '';
      return `it is next: ${all}${busy?.worker} has been running ${busy?.model} for ${formatDuration(busy?.sinceMs ?? 0)}${usual}`;
    },
    fix: () => null,
  },
  STARTING: {
    meaning: 'Nothing blocks it: a worker is about to take it.',
    blocks: false,
    holds: () => true,
    text: () => 'a worker is about to take it',
    fix: () => null,
  },
} as const satisfies Readonly<Record<string, Reason>>;

export type WhyCode = keyof typeof REASONS;

/** Why there is no ETA although no reason blocks the queue. */
export const NO_ETA = {
  LEARNING: 'Its workers have not ended a job yet, so nothing is measured.',
  GROWING: 'More urgent jobs arrive as fast as jobs end.',
} as const;

export type NoEtaCode = WhyCode | keyof typeof NO_ETA;

/** The codes in order of precedence. */
export const WHY_CODES = Object.keys(REASONS) as WhyCode[];

/** Whether it blocks the whole queue, or all jobs of the model. */
export function isBlocking(code: NoEtaCode): boolean {
  return code in REASONS && REASONS[code as WhyCode].blocks;
}

/** The reported reason. Pure. */
export function whyOf(now: Situation): { code: WhyCode; text: string; fix: string | null } {
  const code = WHY_CODES.find((one) => REASONS[one].holds(now)) ?? 'STARTING';
  return { code, text: REASONS[code].text(now), fix: REASONS[code].fix(now) };
}

/** What blocks the whole queue, or all jobs of the model; undefined if nothing does. Pure. */
export function blockerOf(now: Situation): { code: WhyCode; text: string; fix: string | null } | undefined {
  const code = WHY_CODES.find((one) => REASONS[one].blocks && REASONS[one].holds(now));
  return code && { code, text: REASONS[code].text(now), fix: REASONS[code].fix(now) };
}
