import { Sketch } from '../core/sketch.js';
import type { RedisClient } from '../redis/types.js';
import { ifReadable } from '../redis/wrong-type.js';
import { queueTag, STATS_BUCKET_MS, STATS_BUCKETS, workKey, workTotalsKey } from './keys.js';
import { HEARTBEAT_TTL_MS } from './registry.js';
import { STATS_TTL } from './wire.js';

/** Jobs by how a worker finished with them; `retried` ones wait again and end later. */
export interface JobCounts {
  completed: number;
  failed: number;
  expired: number;
  cancelled: number;
  retried: number;
}

const NO_JOBS: Readonly<JobCounts> = { completed: 0, failed: 0, expired: 0, cancelled: 0, retried: 0 };
const SKETCHES = ['wait', 'run', 'total', 'batchRows'] as const;

/** Models and error codes that a worker counts separately per queue; any beyond these count as other. */
const OWN_NAMES_MAX = 16;
/** The same limit for a sum over workers, which may serve different models. */
const SUM_NAMES_MAX = 200;
/** The name under which further models are counted; no model can have it. */
const OTHER_MODELS = '(other)';
const OTHER_CODES = 'OTHER';
const ERROR_CODE = /^[A-Z][A-Z0-9_]{0,39}$/;

/**
 * Work done in one queue over some time, by one worker or several: figures of several workers are added with
 * `merge`, including their sketches. Times are of jobs that completed, or failed after they had run.
 */
export class WorkFigures {
  readonly jobs: JobCounts = { ...NO_JOBS };
  /** Rows of completed jobs. */
  rows = 0;
  /** Milliseconds from submit to the start of the run. */
  readonly wait = new Sketch();
  /** Milliseconds of the micro-batches that contained a job. */
  readonly run = new Sketch();
  /** Milliseconds from submit to end. */
  readonly total = new Sketch();
  /**
   * Rows of each micro-batch; one with rows of several queues counts for the queue of its most urgent row.
   */
  readonly batchRows = new Sketch();
  /** Micro-batches by why they were closed: `full`, `idle` (no more jobs were there), `window`, `retry`. */
  readonly closed: Record<string, number> = {};
  /** Failed jobs by error code. */
  readonly codes: Record<string, number> = {};
  /** The same figures by model, if known: records of older workers have none. */
  readonly models = new Map<string, WorkFigures>();

  /** Jobs that ended in any way; `retried` ones have not ended. */
  get ended(): number {
    const { completed, failed, expired, cancelled } = this.jobs;
    return completed + failed + expired + cancelled;
  }

  get isEmpty(): boolean {
    return this.ended === 0 && this.jobs.retried === 0 && this.batchRows.count === 0;
  }

  /** Counts a micro-batch that was run. */
  addBatch(rows: number, reason: string): void {
    this.batchRows.add(rows);
    this.closed[reason] = (this.closed[reason] ?? 0) + 1;
  }

  /** Counts a job that failed permanently. */
  addFailure(code: string, most = OWN_NAMES_MAX, times = 1): void {
    const room = code in this.codes || Object.keys(this.codes).length < most;
    const kept = room && ERROR_CODE.test(code) ? code : OTHER_CODES;
    this.codes[kept] = (this.codes[kept] ?? 0) + times;
  }

  /** One model's share, to be counted in addition to the total. */
  ofModel(model: string, most = OWN_NAMES_MAX): WorkFigures {
    const kept = this.models.has(model) || this.models.size < most ? model : OTHER_MODELS;
    let figures = this.models.get(kept);
    if (figures === undefined) {
      figures = new WorkFigures();
      this.models.set(kept, figures);
    }
    return figures;
  }

  merge(other: WorkFigures): void {
    for (const [model, figures] of other.models) this.ofModel(model, SUM_NAMES_MAX).merge(figures);
    this.mergeOwn(other);
  }

  /** The same without its models. */
  mergeOwn(other: WorkFigures): void {
    this.mergeCounts(other);
    for (const name of SKETCHES) this[name].merge(other[name]);
    for (const [reason, count] of Object.entries(other.closed)) {
      this.closed[reason] = (this.closed[reason] ?? 0) + count;
    }
  }

  /** Only jobs, rows and error codes. */
  mergeCounts(other: WorkFigures): void {
    for (const [code, count] of Object.entries(other.codes)) this.addFailure(code, SUM_NAMES_MAX, count);
    for (const kind of Object.keys(NO_JOBS) as (keyof JobCounts)[]) this.jobs[kind] += other.jobs[kind];
    this.rows += other.rows;
  }

  toJSON(): object {
    const sketches = SKETCHES.filter((name) => this[name].count > 0).map((name) => [name, this[name]]);
    const { jobs, rows, closed, codes } = this;
    const failures = Object.keys(codes).length === 0 ? {} : { codes };
    return { jobs, rows, closed, ...failures, ...Object.fromEntries(sketches), ...this.modelsJson() };
  }

  /** When one model did all the work, which is the usual case, its name replaces a copy of the figures. */
  private modelsJson(): object {
    const [first, ...more] = this.models;
    if (first === undefined) return {};
    const [name, figures] = first;
    const whole =
      figures.ended === this.ended &&
      figures.jobs.retried === this.jobs.retried &&
      figures.batchRows.count === this.batchRows.count;
    return more.length === 0 && whole ? { model: name } : { models: Object.fromEntries(this.models) };
  }

  /** @throws TypeError when it is not what `toJSON` wrote. */
  static from(json: unknown): WorkFigures {
    const given = json as Record<string, unknown> | null;
    if (typeof given !== 'object' || given === null) throw new TypeError('not figures of work');
    const figures = new WorkFigures();
    Object.assign(figures.jobs, { ...NO_JOBS, ...counts(given.jobs) });
    figures.rows = typeof given.rows === 'number' ? given.rows : 0;
    Object.assign(figures.closed, counts(given.closed));
    if (given.codes !== undefined) Object.assign(figures.codes, counts(given.codes));
    for (const name of SKETCHES) if (given[name] !== undefined) figures[name].merge(Sketch.from(given[name]));
    if (typeof given.model === 'string') {
      const whole = new WorkFigures();
      whole.merge(figures);
      figures.models.set(given.model, whole);
    }
    for (const [model, own] of Object.entries(given.models ?? {})) {
      figures.models.set(model, WorkFigures.from(own));
    }
    return figures;
  }
}

function counts(json: unknown): Record<string, number> {
  if (typeof json !== 'object' || json === null) throw new TypeError('not figures of work');
  return Object.fromEntries(Object.entries(json).filter((entry) => typeof entry[1] === 'number'));
}

/** A worker's figures since its last report. */
export interface WorkReport {
  /** Ten-second buckets with activity; each is written in full. */
  buckets: readonly { queue: string; bucket: number; figures: WorkFigures }[];
  /** By queue, since the worker started. */
  totals: ReadonlyMap<string, WorkFigures>;
}

/** The ten-second bucket of a moment, ms since the epoch. */
export function bucketAt(now: number): number {
  return Math.floor(now / STATS_BUCKET_MS);
}

/**
 * In one step, so that a worker dying between the two commands leaves no bucket without a TTL. KEYS 1 hash.
 * ARGV field, value, seconds.
 */
const SET_FIELD = `
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('EXPIRE', KEYS[1], ARGV[3])
`;

/**
 * Writes a worker's figures along with its heartbeat: all commands in one pipeline, and for an idle worker
 * just the one that keeps its totals alive.
 */
export async function writeWorkStats(
  client: RedisClient,
  prefix: string,
  workerId: string,
  report: WorkReport,
): Promise<void> {
  const key = workTotalsKey(prefix, workerId);
  const idle = report.buckets.length === 0;
  if (idle && (await client.pexpire(key, HEARTBEAT_TTL_MS)) === 1) return;
  const writes: Promise<unknown>[] = report.buckets.flatMap(({ queue, bucket, figures }) => {
    const hash = workKey(queueTag(prefix, queue), bucket);
    return [ifReadable(client.eval(SET_FIELD, 1, hash, workerId, JSON.stringify(figures), STATS_TTL), 0)];
  });
  const totals = JSON.stringify(Object.fromEntries(report.totals));
  await Promise.all([...writes, client.set(key, totals, 'PX', HEARTBEAT_TTL_MS)]);
}

/** A queue's last minute, as reported by its workers. */
export interface QueueStats {
  /**
   * Milliseconds that the figures cover, for computing rates: a minute, or less if work began within it. A
   * minute when nothing was done.
   */
  windowMs: number;
  total: WorkFigures;
  /** By worker id; includes workers that have left since. */
  byWorker: ReadonlyMap<string, WorkFigures>;
}

/**
 * What each worker did of a queue in each ten seconds of the last minute, by worker id, the newest first;
 * read-only commands. Figures that make no sense are skipped.
 */
export async function readWorkBuckets(
  client: RedisClient,
  prefix: string,
  queue: string,
  now: number,
): Promise<Map<string, WorkFigures>[]> {
  const newest = bucketAt(now);
  const hashes = await Promise.all(
    Array.from({ length: STATS_BUCKETS }, (_, back) => readWorkReports(client, prefix, queue, newest - back)),
  );
  return hashes.map((hash) => {
    const figures = Object.entries(hash).map(([id, json]) => [id, parseWork(json)] as const);
    return new Map(figures.filter((entry): entry is [string, WorkFigures] => entry[1] !== undefined));
  });
}

/** The reports of one bucket as they were written, by worker id: a tenth of what they take when parsed. */
export function readWorkReports(
  client: RedisClient,
  prefix: string,
  queue: string,
  bucket: number,
): Promise<Record<string, string>> {
  return ifReadable(client.hgetall(workKey(queueTag(prefix, queue), bucket)), {});
}

/** A report; undefined for one that makes no sense. */
export function parseWork(json: string): WorkFigures | undefined {
  return parsed(json, WorkFigures.from);
}

/** Reads the last minute of one queue, with read-only commands. Figures that make no sense are left out. */
export async function readQueueStats(
  client: RedisClient,
  prefix: string,
  queue: string,
  now: number,
): Promise<QueueStats> {
  const buckets = await readWorkBuckets(client, prefix, queue, now);
  const total = new WorkFigures();
  const byWorker = new Map<string, WorkFigures>();
  let oldest = STATS_BUCKETS - 1;
  for (const [back, bucket] of buckets.entries()) {
    for (const [id, figures] of bucket) {
      if (total.isEmpty || back > oldest) oldest = back;
      total.merge(figures);
      const own = byWorker.get(id) ?? new WorkFigures();
      own.merge(figures);
      byWorker.set(id, own);
    }
  }
  const windowMs = Math.max(1000, oldest * STATS_BUCKET_MS + (now % STATS_BUCKET_MS));
  return { windowMs, total, byWorker };
}

/** What each worker did since it started, by queue; excludes workers that have left. */
export async function readWorkerTotals(
  client: RedisClient,
  prefix: string,
  workerIds: readonly string[],
): Promise<Map<string, ReadonlyMap<string, WorkFigures>>> {
  const jsons = await Promise.all(
    workerIds.map((id) => ifReadable(client.get(workTotalsKey(prefix, id)), null)),
  );
  const known = workerIds.map((id, i) => [id, parsed(jsons[i] ?? '', totalsFrom)] as const);
  return new Map(
    known.filter((entry): entry is [string, Map<string, WorkFigures>] => entry[1] !== undefined),
  );
}

function totalsFrom(json: unknown): Map<string, WorkFigures> {
  const queues = Object.entries(json as object);
  return new Map(queues.map(([queue, figures]) => [queue, WorkFigures.from(figures)]));
}

/** A worker of another version may write something this one cannot read. */
function parsed<T>(json: string, from: (value: unknown) => T): T | undefined {
  try {
    return from(JSON.parse(json));
  } catch {
    return undefined;
  }
}
