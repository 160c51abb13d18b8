import { Sketch } from '../../core/sketch.js';
import type { PulseBucket, QueuePulse } from '../../queue/read/queue-pulse.js';
import type { WorkerRecord } from '../../queue/types.js';
import { WorkFigures } from '../../queue/work-stats.js';

/** Time between two runs in addition to the runs themselves, ms; see docs/architecture.md. */
const BESIDE_RUN_MS = 1;
/** From this share of time in runs on, the measured rate is all that workers can do. */
const SATURATED = 0.7;
/** A job that has waited this long has observed what its workers can do. */
const TELLING_MS = 15_000;
/**
 * The most recent part of the minute suffices if it is at least this long, ms, and this many jobs ended in
 * it.
 */
const RECENT_MS = 20_000;
const RECENT_JOBS = 100;
/** Standard deviations between the mean and the value that nine of ten do not exceed. */
const Z90 = 1.28;

/** How long jobs run, ms. */
export interface RunTimes {
  p50: number;
  p90: number;
  /** All run times, if there are any in the last minute. */
  sketch: Sketch | undefined;
}

/** What the workers of a queue can do, from what they did. */
export interface Service {
  /**
   * Jobs per second while the workers are busy: the likely rate, and the rate that is reached nine times of
   * ten.
   */
  rate: number;
  slowRate: number;
  /** Run times of the model in question. */
  run: RunTimes;
  /** Jobs of the model that go into one run when enough wait. */
  jobsPerRun: number;
  /** The same of the jobs ahead: those of other models do not go into one run with it. */
  aheadPerRun: number;
  /** Rows of a job, on average; undefined where none has completed. */
  rowsPerJob: number | undefined;
  /** Share of the workers' time in runs of this queue, 0..1, over the last minute. */
  load: number;
  /**
   * The rate was measured while the workers were busy, so it includes the effect of everything else that they
   * serve.
   */
  measured: boolean;
  /** `120 jobs/s over 60 s`, or another basis. */
  basis: string;
}

/** The figures of some workers for a queue over some time. */
interface Done {
  figures: WorkFigures;
  /** Ended jobs per second, each worker over the time that it has reported. */
  rate: number;
  /** Length of that time, ms. */
  ms: number;
  /** Ended jobs per second in each complete bucket. */
  perBucket: number[];
}

/**
 * What workers can do for a queue. It is measured while they were busy, or while the job itself waited;
 * otherwise derived from run times, because an idle queue ends few jobs. Undefined if no job has ended yet.
 * Pure.
 * @param able workers that serve the model and have a current heartbeat
 * @param buckets of the last minute during which the job has waited; 0 if too short to be of use
 */
export function serviceOf(
  queue: Pick<QueuePulse, 'minute'>,
  able: readonly WorkerRecord[],
  model: string,
  buckets: number,
  now: number,
): Service | undefined {
  if (able.length === 0) return undefined;
  const runners = able.reduce((sum, { concurrency }) => sum + concurrency, 0);
  const minute = doneBy(queue.minute, able, now);
  if (minute.figures.run.count === 0) return fromLifetime(able);
  // A delay half a minute ago does not matter now.
  const recent = doneBy(queue.minute.slice(0, recentBuckets(queue.minute, able)), able, now);
  const all = recent.figures.run.count > 0 ? recent : minute;
  const { figures } = all;
  const jobsTogether = togetherOf(figures);
  const load = Math.min(1, busyMs(figures) / (runners * Math.max(1, all.ms)));
  const byRuns = (figures.run.count * runners * 1000) / busyMs(figures);
  const own = figures.models.get(model);
  const times = own !== undefined && own.run.count > 0 ? own : figures;
  const rowsPerJob = times.jobs.completed === 0 ? undefined : times.rows / times.jobs.completed;
  const rows = Math.max(1, rowsPerJob ?? 1);
  const fullRun = Math.max(1, togetherOf(times), batchOf(able, model) / rows);
  const aheadPerRun = figures.models.size > 1 ? jobsTogether : fullRun;
  const common = { run: runTimes(times.run), rowsPerJob, load, jobsPerRun: fullRun, aheadPerRun };
  const late = buckets > 0 ? doneBy(queue.minute.slice(0, buckets), able, now) : all;
  const measured = late.figures.run.count > 0 ? late : all;
  if (load >= SATURATED || (late === measured && late !== all)) {
    const few = 1 - Z90 / Math.sqrt(measured.figures.ended + 1);
    const worst = Math.min(measured.rate, minute.rate, ...measured.perBucket.filter((rate) => rate > 0));
    const slowRate = Math.max(0.3 * measured.rate, Math.min(worst, measured.rate * few));
    const basis = `${rateText(measured.rate)} over ${secondsText(measured.ms)}`;
    return { ...common, rate: measured.rate, slowRate, measured: true, basis };
  }
  // More jobs a run cost less each; by how much shows only when they wait.
  const gain = Math.sqrt(Math.max(1, aheadPerRun / jobsTogether));
  const few = Math.max(0.3, 1 - Z90 / Math.sqrt(figures.run.count + 1));
  return {
    ...common,
    rate: Math.max(all.rate, byRuns * gain),
    slowRate: Math.max(all.rate, byRuns * few),
    measured: false,
    basis: `runs of ${msText(common.run.p50)} over ${secondsText(all.ms)}`,
  };
}

/** From the totals in heartbeats since the workers started, over all queues and models together. */
function fromLifetime(able: readonly WorkerRecord[]): Service | undefined {
  let [rate, jobs, rows, busy, batches] = [0, 0, 0, 0, 0];
  for (const worker of able) {
    const { busyMs: ms = 0, jobsDone, jobsFailed } = worker;
    if (ms <= 0 || jobsDone + jobsFailed === 0) continue;
    rate += ((jobsDone + jobsFailed) * 1000) / ms;
    jobs += jobsDone + jobsFailed;
    rows += worker.rowsDone;
    busy += ms;
    batches += worker.batches;
  }
  if (jobs === 0) return undefined;
  const run = busy / Math.max(1, batches);
  return {
    rate,
    slowRate: rate / 3,
    run: { p50: run, p90: 3 * run, sketch: undefined },
    jobsPerRun: 1,
    aheadPerRun: 1,
    rowsPerJob: rows > 0 ? rows / jobs : undefined,
    load: 0,
    measured: true,
    basis: `${rateText(rate)} while busy since they started`,
  };
}

/** The most recent buckets with enough information; all buckets if there is not enough. */
function recentBuckets(minute: readonly PulseBucket[], able: readonly WorkerRecord[]): number {
  let [ms, jobs] = [0, 0];
  for (const [back, bucket] of minute.entries()) {
    ms += bucket.ms;
    jobs += able.reduce((sum, { id }) => sum + (bucket.work.get(id)?.run.count ?? 0), 0);
    if (ms >= RECENT_MS && jobs >= RECENT_JOBS) return back + 1;
  }
  return minute.length;
}

/** The complete buckets during which a job has waited; 0 if it has not waited long enough. */
export function tellingBuckets(minute: readonly PulseBucket[], waitedMs: number): number {
  if (waitedMs < TELLING_MS) return 0;
  let [left, buckets] = [waitedMs, 0];
  // Complete buckets only: their contents cannot be split.
  for (const { ms } of minute) {
    left -= ms;
    if (left < 0) break;
    buckets += 1;
  }
  return buckets;
}

/** What some workers did. */
function doneBy(minute: readonly PulseBucket[], able: readonly WorkerRecord[], now: number): Done {
  const first = minute.findLastIndex((bucket) =>
    able.some(({ id }) => bucket.work.get(id)?.isEmpty === false),
  );
  const looked = minute.slice(0, first + 1);
  const figures = new WorkFigures();
  let rate = 0;
  const span = looked.reduce((sum, bucket) => sum + bucket.ms, 0);
  for (const worker of able) {
    const own = new WorkFigures();
    for (const bucket of looked) {
      const some = bucket.work.get(worker.id);
      if (some !== undefined) own.merge(some);
    }
    figures.merge(own);
    // Work after its last heartbeat is not yet known, and before its start there was none.
    const told = Math.min(span - Math.max(0, now - worker.beatAt), worker.beatAt - worker.startedAt);
    rate += own.ended / Math.max(1, told / 1000);
  }
  const perBucket = looked
    .filter((_, back) => back > 0 && back < looked.length - 1)
    .map(
      (bucket) =>
        able.reduce((sum, { id }) => sum + (bucket.work.get(id)?.ended ?? 0), 0) / (bucket.ms / 1000),
    );
  return { figures, rate, ms: span, perBucket };
}

/** Mean jobs per run; 1 also if a job takes several runs. */
function togetherOf({ run, batchRows }: WorkFigures): number {
  return batchRows.count === 0 ? 1 : Math.max(1, run.count / batchRows.count);
}

/** Time that runners spent in runs: each job of a run counts all of it. */
function busyMs(figures: WorkFigures): number {
  const { run, batchRows } = figures;
  return run.sum / togetherOf(figures) + Math.max(1, batchRows.count) * BESIDE_RUN_MS;
}

function batchOf(able: readonly WorkerRecord[], model: string): number {
  const sizes = able.flatMap(({ models }) =>
    models.filter(({ name }) => name === model).map(({ batch }) => batch),
  );
  return sizes.length === 0 ? 1 : sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
}

function runTimes(run: Sketch): RunTimes {
  const sketch = new Sketch();
  sketch.merge(run);
  return { p50: run.quantile(0.5) ?? 0, p90: run.quantile(0.9) ?? 0, sketch };
}

export function rateText(perSecond: number): string {
  const digits = perSecond >= 10 ? 0 : perSecond >= 1 ? 1 : 2;
  return `${Number(perSecond.toFixed(digits)).toLocaleString('en-US')} jobs/s`;
}

function secondsText(ms: number): string {
  return `${Math.max(1, Math.round(ms / 1000))} s`;
}

function msText(ms: number): string {
  return ms >= 1000 ? `${Number((ms / 1000).toFixed(1))} s` : `${Number(ms.toFixed(ms < 10 ? 1 : 0))} ms`;
}
