/** A number above which something is considered wrong, with its reason. */
export interface Threshold {
  readonly value: number;
  readonly unit: 'ms' | 'share' | 'beats' | 'jobs';
  /** What it applies to. */
  readonly judges: string;
  readonly why: string;
}

/**
 * Every number by which `inspect`, `doctor`, the autoscaler, metrics and alerts judge a deployment, so that
 * they cannot disagree. docs/thresholds.md is generated from it (`test/contract/thresholds.test.ts`).
 */
export const THRESHOLDS = {
  workerSilent: {
    value: 5000,
    unit: 'ms',
    judges: 'a worker is silent: no heartbeat for longer',
    why: 'heartbeats come every second, and five missed in a row are no coincidence; its locks (10 s) have not expired yet',
  },
  workerForgotten: {
    value: 15_000,
    unit: 'ms',
    judges: 'the heartbeat of a worker expires, and with it the worker leaves every list',
    why: 'longer than a lock (10 s), so that a worker is seen as silent before its jobs are requeued',
  },
  workerHung: {
    value: 60_000,
    unit: 'ms',
    judges: 'the autoscaler ends one of its workers that stays silent',
    why: 'four times the lifetime of its heartbeat: a Redis that restarts and loads its data is no reason to end workers',
  },
  autoscalerSilent: {
    value: 10_000,
    unit: 'ms',
    judges: 'an autoscaler is silent: no decision for longer, and for longer than three of its intervals',
    why: 'it waits at most 2 s for Redis before it publishes its decision, every 5 s',
  },
  autoscalerSilentBeats: {
    value: 3,
    unit: 'beats',
    judges: 'the same, for an autoscaler with a long interval',
    why: 'one decision may be late; three in a row are missing',
  },
  loopLag: {
    value: 500,
    unit: 'ms',
    judges: 'the event loop of a worker is late: locks, heartbeats and urgent jobs are late with it',
    why: 'half of the second within which a realtime answer is due, and half of the heartbeat interval',
  },
  jobStuck: {
    value: 15_000,
    unit: 'ms',
    judges: 'a job waits although an idle worker serves it',
    why: 'an idle worker checks its queues every 5 s, so three checks have missed it',
  },
  memoryFilling: {
    value: 0.6,
    unit: 'share',
    judges: 'the memory of Redis is filling up',
    why: 'three quarters of the memory that may be used before new jobs are refused',
  },
  memoryFull: {
    value: 0.8,
    unit: 'share',
    judges: 'new jobs are refused (REDIS_FULL)',
    why: 'the results of queued jobs must still fit, and a fork for persistence',
  },
  memoryBrim: {
    value: 0.95,
    unit: 'share',
    judges: 'Redis itself soon refuses writes',
    why: 'running jobs still need memory for locks and results',
  },
  resultsFull: {
    value: 0.9,
    unit: 'share',
    judges: 'the memory of a results Redis is filling up',
    why: 'it only holds results, which expire; at the limit workers wait',
  },
  clientsCrowded: {
    value: 0.8,
    unit: 'share',
    judges: 'connections to Redis, of maxclients',
    why: 'one more worker of two queues takes three',
  },
  clientsFull: {
    value: 0.95,
    unit: 'share',
    judges: 'the same: the next worker may be refused',
    why: 'a restarting worker keeps its old connections for some seconds',
  },
  gpuMemoryFull: {
    value: 0.95,
    unit: 'share',
    judges: 'the memory of a GPU',
    why: 'the next larger micro-batch may not fit',
  },
  clockOff: {
    value: 1000,
    unit: 'ms',
    judges: "a host's clock is off Redis's clock",
    why: 'times in logs can no longer be compared; jobs are not affected',
  },
  clockWrong: {
    value: 10_000,
    unit: 'ms',
    judges: 'the same, as an error',
    why: 'certificates and single sign-on begin to fail',
  },
  redisSlow: {
    value: 10,
    unit: 'ms',
    judges: 'a round trip to Redis',
    why: 'a worker sends several requests per job: above this it waits more than it works',
  },
  limitOverrun: {
    value: 2000,
    unit: 'ms',
    judges: 'a job runs past its time limit by more than this',
    why: 'a worker ends a run right at its limit; its heartbeat is up to a second old',
  },
  failuresMany: {
    value: 10,
    unit: 'jobs',
    judges: 'jobs of a queue fail: this many within a minute, and the share below',
    why: 'fewer are single bad inputs, which their submitters see; ten in a minute point to a model, a device or a changed client',
  },
  failuresShare: {
    value: 0.2,
    unit: 'share',
    judges: 'the same: failed jobs, of those that ended; below half of it, they no longer fail',
    why: 'a broken model or device fails nearly all jobs, a bad input only its own; half of it for the end, so that one burst is one event',
  },
  lossShown: {
    value: 86_400_000,
    unit: 'ms',
    judges: 'how long lost data is shown',
    why: 'a daily check does not miss it',
  },
} as const satisfies Record<string, Threshold>;
