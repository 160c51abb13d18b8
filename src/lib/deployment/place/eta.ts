import { MAX_PRIORITY, type Priority } from '../../core/job.js';
import type { Sketch } from '../../core/sketch.js';
import type { QueuePulse } from '../../queue/read/queue-pulse.js';
import type { WorkerRecord } from '../../queue/types.js';
import type { Eta, NoEta } from './job-place.js';
import { rateText, type Service } from './service.js';

/** In the pessimistic figure, work that goes first takes at most this share of the workers' time. */
const MOST_TAKEN = 0.9;

/** What an ETA is computed from. Times in ms. */
export interface EtaFacts {
  /** Jobs ahead in its own queue; for a delayed job, those that would be ahead if it were due now. */
  ahead: number;
  priority: Priority;
  rows: number;
  /** Time until a delayed job may start. */
  delayMs: number;
  /** Workers that serve it and have a current heartbeat. */
  workers: number;
  /** Time until the first of their runners is free; see `restOfRuns`. */
  rest: { p50: number; p90: number };
  service: Service | undefined;
  queue: Pick<QueuePulse, 'minute'>;
  /**
   * Queues that all of these workers serve first: their waiting jobs, and what the workers can do for them.
   */
  lanes: readonly { queue: string; jobs: number; service: Service | undefined }[];
}

/**
 * When a job starts and ends: the rest of the current runs, the jobs ahead at the rate of the workers, and
 * later arrivals that go first. Ahead are jobs of at least its priority; of later arrivals only those of a
 * higher priority. There are two figures, because rates are estimates. Pure.
 */
export function etaOf(facts: EtaFacts): { eta: Eta; noEta: null } | { eta: null; noEta: NoEta } {
  const { ahead, workers, rest, service, delayMs, lanes } = facts;
  if (service === undefined || lanes.some((lane) => lane.jobs > 0 && lane.service === undefined)) {
    return {
      eta: null,
      noEta: { code: 'LEARNING', text: 'its workers have not ended a job yet', fix: null },
    };
  }
  const urgent = urgentArrivals(facts.queue, facts.priority);
  const isIdle = ahead === 0 && rest.p50 === 0 && lanes.every(({ jobs }) => jobs === 0);
  if (!isIdle && urgent.usual >= service.rate) {
    const text = `more urgent jobs arrive (${rateText(urgent.usual)}) as fast as jobs end (${rateText(service.rate)})`;
    return { eta: null, noEta: { code: 'GROWING', text, fix: null } };
  }
  const lanesLoad = Math.min(
    MOST_TAKEN,
    lanes.reduce((sum, { service: one }) => sum + (one?.load ?? 0), 0),
  );
  const share = service.measured ? 1 : 1 - lanesLoad;
  const likely = startOf(facts, {
    rate: service.rate * share,
    rest: rest.p50,
    together: service.aheadPerRun,
    urgent: urgent.usual,
    lanes: lanesMs(lanes, 'rate'),
  });
  const late = startOf(facts, {
    rate: service.slowRate * share,
    rest: rest.p90,
    together: 1,
    urgent: urgent.most,
    lanes: lanesMs(lanes, 'slowRate'),
  });
  // Jobs ahead are usually done before the delay is over; the pessimistic figure assumes that they are not.
  const start = { p50: Math.max(delayMs, likely), p90: delayMs + Math.max(likely, late) };
  const more = Math.max(1, facts.rows / Math.max(1, service.rowsPerJob ?? facts.rows, batchRows(service)));
  return {
    eta: {
      startMs: rounded(start),
      endMs: rounded({ p50: start.p50 + more * service.run.p50, p90: start.p90 + more * service.run.p90 }),
      basis: basisOf(service, workers, urgent.usual, lanes),
    },
    noEta: null,
  };
}

interface Course {
  /** Jobs per second. */
  rate: number;
  rest: number;
  /** Jobs that may be in the same run. */
  together: number;
  /** Arrivals of more urgent jobs per second. */
  urgent: number;
  /** Time until the queues that go first are empty. */
  lanes: number;
}

/** The wait for `ahead` jobs and the current runs, extended by later arrivals that go first. */
function startOf({ ahead }: EtaFacts, { rate, rest, together, urgent, lanes }: Course): number {
  const before = Math.max(0, ahead + 1 - Math.max(1, together));
  const wait = rest + lanes + (before / rate) * 1000;
  return wait / (1 - Math.min(MOST_TAKEN, urgent / rate));
}

function lanesMs(lanes: EtaFacts['lanes'], of: 'rate' | 'slowRate'): number {
  return lanes.reduce(
    (sum, { jobs, service }) => sum + (jobs === 0 ? 0 : (jobs * 1000) / (service?.[of] ?? 1)),
    0,
  );
}

function batchRows({ jobsPerRun, rowsPerJob = 1 }: Service): number {
  return jobsPerRun * rowsPerJob;
}

/**
 * Arrivals of more urgent jobs per second: the median of the ten-second buckets of the last minute, which a
 * burst does not change, and the mean.
 */
function urgentArrivals(
  { minute }: Pick<QueuePulse, 'minute'>,
  priority: Priority,
): { usual: number; most: number } {
  const of = (added: readonly number[]) =>
    added.slice(priority + 1, MAX_PRIORITY + 1).reduce((sum, n) => sum + n, 0);
  const ms = minute.reduce((sum, bucket) => sum + bucket.ms, 0);
  const mean = (minute.reduce((sum, { added }) => sum + of(added), 0) * 1000) / Math.max(1, ms);
  const whole = minute.slice(1).map(({ added, ms: length }) => (of(added) * 1000) / Math.max(1, length));
  const median = whole.sort((a, b) => a - b)[Math.floor((whole.length - 1) / 2)] ?? 0;
  return { usual: Math.min(mean, median), most: Math.max(mean, median) };
}

/**
 * Until the first runner of some workers is free: 0 where one is.
 * @param runsOf how long runs of a model take
 */
export function restOfRuns(
  able: readonly WorkerRecord[],
  now: number,
  runsOf: (model: string) => Sketch | undefined,
): { p50: number; p90: number } {
  let [p50, p90] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const worker of able) {
    const runs = runsInTheWay(worker);
    if (runs.length === 0) return { p50: 0, p90: 0 };
    const staleMs = Math.max(0, now - worker.beatAt);
    for (const { model, sinceMs } of runs) {
      const known = runsOf(model);
      p50 = Math.min(p50, restOf(known, sinceMs, staleMs, 0.5));
      p90 = Math.min(p90, restOf(known, sinceMs, staleMs, 0.9));
    }
  }
  return { p50, p90 };
}

/** A worker's run that began first; undefined when it has a runner that is free. */
export function longestRun(
  worker: WorkerRecord,
  now: number,
): { model: string; sinceMs: number } | undefined {
  const [longest] = [...runsInTheWay(worker)].sort((a, b) => b.sinceMs - a.sinceMs);
  if (longest === undefined) return undefined;
  return { model: longest.model, sinceMs: longest.sinceMs + Math.max(0, now - worker.beatAt) };
}

/** The runs of a worker whose runners are all in one; none where one is free. */
function runsInTheWay({
  runs,
  active,
  concurrency,
}: WorkerRecord): readonly { model: string; sinceMs: number }[] {
  // A worker of an older version tells of its jobs alone, which is the same only where each run has one.
  const known = runs ?? active;
  return known.length < concurrency ? [] : known;
}

/**
 * What is left of a run at a share `q` of those that took as long.
 * @param sinceMs its age at the heartbeat, which is `staleMs` old
 */
function restOf(runs: Sketch | undefined, sinceMs: number, staleMs: number, q: number): number {
  const ms = sinceMs + staleMs;
  // Of a model whose runs are not known, and of a run that is longer than any: it may take as long again.
  if (runs === undefined || runs.count === 0 || sinceMs >= (runs.max ?? 0)) return ms * q;
  const over = runs.countUpTo(ms) / runs.count;
  // It has ended since the heartbeat: another is on, and anywhere in its time.
  if (over >= 1) return (runs.quantile(q) ?? 0) * q;
  return Math.max(0, (runs.quantile(over + q * (1 - over)) ?? ms) - ms);
}

function basisOf(service: Service, workers: number, urgent: number, lanes: EtaFacts['lanes']): string {
  const first = lanes.map(({ queue }) => queue);
  return [
    `${service.basis}, ${workers} ${workers === 1 ? 'worker' : 'workers'}`,
    ...(urgent > 0 ? [`${rateText(urgent)} arrive that are more urgent`] : []),
    ...(first.length === 0
      ? []
      : [
          `${first.length === 1 ? 'queue' : 'queues'} ${first.join(', ')} ${first.length === 1 ? 'goes' : 'go'} first`,
        ]),
  ].join('; ');
}

function rounded({ p50, p90 }: { p50: number; p90: number }): { p50: number; p90: number } {
  const least = Math.round(p50);
  return { p50: least, p90: Math.max(least, Math.round(p90)) };
}
