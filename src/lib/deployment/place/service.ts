import { Sketch } from '../../core/sketch.js';
import type { PulseBucket, QueuePulse } from '../../queue/read/queue-pulse.js';
import type { WorkerRecord } from '../../queue/types.js';
import { WorkFigures } from '../../queue/work-stats.js';

/** What passes between two runs beside the run itself, ms; see docs/architecture.md. */
const BESIDE_RUN_MS = 1;
/** From this share of the time in runs on, what workers did is all that they can do. */
const SATURATED = 0.7;
/** A job that has waited for so long has seen what its workers can do. */
const TELLING_MS = 15_000;
/** The newest part of the minute is enough when it is at least so long, ms, and so many jobs ended in it. */
const RECENT_MS = 20_000;
const RECENT_JOBS = 100;
/** Standard deviations between the mean and what nine of ten stay within. */
const Z90 = 1.28;

/** How long jobs run, ms. */
export interface RunTimes {
  p50: number;
  p90: number;
  /** All of them, where the last minute has some. */
  sketch: Sketch | undefined;
}

/** What the workers of a queue can do, from what they did. */
export interface Service {
  /** Jobs a second when they are busy: what is likely, and what nine of ten times is reached. */
  rate: number;
  slowRate: number;
  /** Of jobs of the model in question. */
  run: RunTimes;
  /** Jobs of the model that go into one run when enough wait. */
  jobsPerRun: number;
  /** The same of the jobs ahead: those of other models do not go into one run with it. */
  aheadPerRun: number;
  /** Rows of a job, on average; undefined where none has completed. */
  rowsPerJob: number | undefined;
  /** Share of the workers' time in runs of this queue, 0..1, over the last minute. */
  load: number;
  /** The rate was measured while they were busy, so that it has had all else that they serve beside it. */
  measured: boolean;
  /** `120 jobs/s over 60 s`, or from what. */
  basis: string;
}

/** The figures of some workers over some time of a queue. */
interface Done {
  figures: WorkFigures;
  /** Jobs that ended a second, each worker over the time that it told of. */
  rate: number;
  /** Time that is covered, ms. */
  ms: number;
  /** Jobs that ended a second in each whole bucket. */
  perBucket: number[];
}

/**
 * What workers can do for a queue. Measured where they were busy, or where the job itself has waited; else from the time of
 * runs, since a queue with little to do ends few jobs. Undefined when no job has ended that they could tell of. Pure.
 * @param able workers that serve the model, and whose heartbeat lives
 * @param buckets of the minute through which the job has waited; 0 where that tells nothing
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
  // What held things up half a minute ago does not hold them up now.
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

/** From what the heartbeats say of the time since the workers started: it is of all queues and models together. */
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

/** The newest buckets that tell enough of what workers do now; all where none do. */
function recentBuckets(minute: readonly PulseBucket[], able: readonly WorkerRecord[]): number {
  let [ms, jobs] = [0, 0];
  for (const [back, bucket] of minute.entries()) {
    ms += bucket.ms;
    jobs += able.reduce((sum, { id }) => sum + (bucket.work.get(id)?.run.count ?? 0), 0);
    if (ms >= RECENT_MS && jobs >= RECENT_JOBS) return back + 1;
  }
  return minute.length;
}

/** The buckets through which a job has waited that has waited so long; 0 where it is too short to tell anything. */
export function tellingBuckets(minute: readonly PulseBucket[], waitedMs: number): number {
  if (waitedMs < TELLING_MS) return 0;
  let [left, buckets] = [waitedMs, 0];
  // Whole ones: what is in one cannot be told apart.
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
    // What it did after its last heartbeat is not there yet, and before its start there was nothing.
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

/** Jobs that go through a run together; 1 also where a job takes several. */
function togetherOf({ run, batchRows }: WorkFigures): number {
  return batchRows.count === 0 ? 1 : Math.max(1, run.count / batchRows.count);
}

/** Time of runners in runs: a job counts the whole of each run that it was in. */
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
