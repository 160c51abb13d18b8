import type { QueueFacts } from './observation.js';
import type { Fleet } from './policy.js';

/** Assumption before any measurement: four jobs per second. */
const PRIOR = 4;
/** Jobs per measurement: fewer are mostly chance. */
const SAMPLE_JOBS = 10;
const WEIGHT = 0.3;
/** With batching, an idle worker takes longer per job than a busy one, so slack times have little weight. */
const SLACK_WEIGHT = 0.03;

/** Jobs per second that one worker processes while it is busy. Plain JSON. */
export interface ServiceRate {
  readonly at: number | null;
  readonly completed: number;
  readonly busySeconds: number;
  /** Jobs ended and busy seconds since the last measurement. */
  readonly jobs: number;
  readonly seconds: number;
  /** Whether jobs waited at every look of this measurement. */
  readonly loaded: boolean;
  readonly rate: number;
  readonly measured: boolean;
}

export const NO_SERVICE: ServiceRate = {
  at: null,
  completed: 0,
  busySeconds: 0,
  jobs: 0,
  seconds: 0,
  loaded: true,
  rate: PRIOR,
  measured: false,
};

/** The rate after one more look; it survives a counter that decreased. */
export function measureService(before: ServiceRate, queue: QueueFacts, fleet: Fleet): ServiceRate {
  const seen = {
    at: queue.at,
    completed: queue.completed,
    busySeconds: queue.busySeconds ?? before.busySeconds,
  };
  const { at } = before;
  if (at !== null && queue.at <= at) return before;
  const busy =
    queue.busySeconds === null
      ? (fleet.busy * (queue.at - (at ?? queue.at))) / 1000
      : queue.busySeconds - before.busySeconds;
  if (at === null || queue.completed < before.completed || busy < 0) {
    return { ...before, ...seen, jobs: 0, seconds: 0, loaded: true };
  }
  const jobs = before.jobs + queue.completed - before.completed;
  const seconds = before.seconds + busy;
  const loaded = before.loaded && queue.waiting > 0;
  if (jobs < SAMPLE_JOBS || seconds <= 0) {
    // Long jobs: those that have not ended yet prove that the rate is at most this.
    const bound = seconds > 0 ? (jobs + Math.max(1, fleet.busy)) / seconds : before.rate;
    const rate = bound < before.rate / 2 ? bound : before.rate;
    return { ...before, ...seen, jobs, seconds, loaded, rate };
  }
  const sample = jobs / seconds;
  const weight = before.measured ? (loaded ? WEIGHT : SLACK_WEIGHT) : 1;
  const rate = before.rate + weight * (sample - before.rate);
  return { ...seen, jobs: 0, seconds: 0, loaded: true, rate, measured: true };
}
