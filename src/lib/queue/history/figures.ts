import { CompactSketch } from '../../core/compact-sketch.js';
import type { JobCounts, WorkFigures } from '../work-stats.js';
import type { HistoryPoint, Level, Times, WorkerLoad } from './types.js';

/** Error codes and reasons kept of one point; the most frequent ones, the others count as `OTHER`. */
const NAMES_MAX = 6;
const OTHER = 'OTHER';
/** What is recorded of most steps, and left out. */
const WHOLE_MINUTE_MS = 60_000;
const SKETCHES = ['wait', 'run', 'total'] as const;
type SketchName = (typeof SKETCHES)[number];
const JOBS = [
  'completed',
  'failed',
  'expired',
  'cancelled',
  'retried',
] as const satisfies (keyof JobCounts)[];

/** Values that were looked at several times. */
class Looked {
  constructor(
    public times = 0,
    public sum = 0,
    public most = 0,
  ) {}

  merge(other: Looked): void {
    this.times += other.times;
    this.sum += other.sum;
    this.most = Math.max(this.most, other.most);
  }

  get level(): Level {
    return { mean: this.times === 0 ? 0 : rounded(this.sum / this.times), max: this.most };
  }
}

const LOOKS = [
  'waiting',
  'delayed',
  'active',
  'oldest',
  'workers',
  'busyMs',
  'busyOf',
  'rss',
  'gpuUsed',
  'gpuTotal',
  'gpuUse',
] as const;
type LookName = (typeof LOOKS)[number];

/**
 * What is kept of one step of one series. Steps are added with `merge`; packed, one takes about 250 bytes and
 * 1.3 KB at most. Memory is kept to a tenth of a megabyte.
 */
export class HistoryFigures {
  /** Milliseconds that are recorded. */
  ms = 0;
  readonly jobs: JobCounts = { completed: 0, failed: 0, expired: 0, cancelled: 0, retried: 0 };
  added: number | undefined;
  rows = 0;
  batches = 0;
  batchRows = 0;
  readonly closed: Record<string, number> = {};
  readonly codes: Record<string, number> = {};
  readonly times: Partial<Record<SketchName, CompactSketch>> = {};
  private readonly looks: Partial<Record<LookName, Looked>> = {};

  /** Takes over figures of work. @param sketches the times that are kept of them */
  static of(work: WorkFigures, sketches: readonly SketchName[] = SKETCHES): HistoryFigures {
    const made = new HistoryFigures();
    Object.assign(made.jobs, work.jobs);
    made.rows = work.rows;
    made.batches = work.batchRows.count;
    made.batchRows = work.batchRows.sum;
    addCounts(made.closed, work.closed);
    addCounts(made.codes, work.codes);
    for (const name of sketches) if (work[name].count > 0) made.times[name] = CompactSketch.of(work[name]);
    return made;
  }

  look(name: LookName, value: number): void {
    this.looked(name).merge(new Looked(1, value, value));
  }

  /** Counts an empty backlog as often as that of `whole` was looked at. */
  lookIdle(whole: HistoryFigures): void {
    const times = whole.looks.waiting?.times ?? 0;
    if (times === 0) return;
    for (const name of ['waiting', 'delayed', 'active', 'oldest'] as const) {
      this.looked(name).merge(new Looked(times, 0, 0));
    }
  }

  merge(other: HistoryFigures): void {
    this.ms += other.ms;
    for (const kind of JOBS) this.jobs[kind] += other.jobs[kind];
    if (other.added !== undefined) this.added = (this.added ?? 0) + other.added;
    this.rows += other.rows;
    this.batches += other.batches;
    this.batchRows += other.batchRows;
    addCounts(this.closed, other.closed);
    addCounts(this.codes, other.codes);
    for (const name of SKETCHES) {
      const theirs = other.times[name];
      if (theirs === undefined) continue;
      this.times[name] ??= new CompactSketch();
      this.times[name].merge(theirs);
    }
    for (const name of LOOKS) {
      const theirs = other.looks[name];
      if (theirs !== undefined) this.looked(name).merge(theirs);
    }
  }

  /** Only what is not empty, by short names. */
  pack(): string {
    const { jobs } = this;
    const counts = JOBS.map((kind) => jobs[kind]);
    const packed: Packed = this.ms === WHOLE_MINUTE_MS ? {} : { t: this.ms };
    if (counts.some((count) => count > 0)) packed.j = counts;
    if (this.added !== undefined) packed.a = this.added;
    if (this.rows > 0) packed.r = this.rows;
    if (this.batches > 0) packed.b = [this.batches, this.batchRows];
    if (Object.keys(this.closed).length > 0) packed.c = topOf(this.closed);
    if (Object.keys(this.codes).length > 0) packed.e = topOf(this.codes);
    const sketches = SKETCHES.map((name) => this.times[name]?.encode() ?? 0);
    if (sketches.some((text) => text !== 0)) packed.q = sketches;
    const { waiting, delayed, active, oldest, workers, rss, busyMs, busyOf, gpuUsed, gpuTotal, gpuUse } =
      this.looks;
    if (waiting !== undefined) {
      const jobs = [waiting, delayed, active].flatMap((look) => [look?.sum ?? 0, look?.most ?? 0]);
      packed.k = [waiting.times, ...jobs, Math.round(oldest?.most ?? 0)];
    }
    if (workers !== undefined) packed.n = [workers.times, workers.sum, workers.most];
    if (rss !== undefined) {
      packed.u = [inMegabytes(rss.most), Math.round(busyMs?.sum ?? 0), Math.round(busyOf?.sum ?? 0)];
    } else if (busyOf !== undefined) {
      packed.d = [Math.round(busyMs?.sum ?? 0), Math.round(busyOf.sum)];
    }
    if (gpuUsed !== undefined) {
      const use = [gpuUse?.times ?? 0, rounded(gpuUse?.sum ?? 0)];
      packed.g = [inMegabytes(gpuUsed.most), inMegabytes(gpuTotal?.most ?? 0), ...use];
    }
    return JSON.stringify(packed);
  }

  /** Undefined for a text that `pack` has not written. */
  static unpack(text: string): HistoryFigures | undefined {
    try {
      const packed = JSON.parse(text) as Packed;
      const made = new HistoryFigures();
      made.ms = packed.t === undefined ? WHOLE_MINUTE_MS : number(packed.t);
      for (const [i, kind] of JOBS.entries()) made.jobs[kind] = number(packed.j?.[i]);
      if (packed.a !== undefined) made.added = number(packed.a);
      made.rows = number(packed.r);
      made.batches = number(packed.b?.[0]);
      made.batchRows = number(packed.b?.[1]);
      addCounts(made.closed, packed.c ?? {});
      addCounts(made.codes, packed.e ?? {});
      for (const [i, name] of SKETCHES.entries()) {
        const sketch = packed.q?.[i];
        if (sketch) made.times[name] = CompactSketch.decode(sketch);
      }
      made.unpackLooks(packed);
      return made;
    } catch {
      return undefined;
    }
  }

  private unpackLooks({ k, n, u, d, g }: Packed): void {
    const times = number(k?.[0]);
    const put = (name: LookName, ...[looked, sum, most]: [unknown, unknown, unknown]): void => {
      this.looks[name] = new Looked(number(looked), number(sum), number(most));
    };
    if (k !== undefined) {
      for (const [i, name] of (['waiting', 'delayed', 'active'] as const).entries()) {
        put(name, times, k[2 * i + 1], k[2 * i + 2]);
      }
      put('oldest', times, 0, k[7]);
    }
    if (n !== undefined) put('workers', n[0], n[1], n[2]);
    if (u !== undefined) put('rss', 1, 0, number(u[0]) * MEGABYTE);
    const [busyMs, busyOf] = u === undefined ? (d ?? []) : u.slice(1);
    if (number(busyOf) > 0) {
      put('busyMs', 1, busyMs, 0);
      put('busyOf', 1, busyOf, 0);
    }
    if (g === undefined) return;
    put('gpuUsed', 1, 0, number(g[0]) * MEGABYTE);
    put('gpuTotal', 1, 0, number(g[1]) * MEGABYTE);
    if (number(g[2]) > 0) put('gpuUse', g[2], g[3], 0);
  }

  toPoint(at: number): HistoryPoint {
    const { batches, batchRows, looks } = this;
    const { waiting, delayed, active, oldest, workers } = looks;
    const seen = waiting !== undefined && delayed !== undefined && active !== undefined;
    return {
      at,
      ms: this.ms,
      jobs: { ...this.jobs },
      failures: { ...this.codes },
      added: this.added ?? null,
      rows: this.rows,
      waitMs: timesOf(this.times.wait),
      runMs: timesOf(this.times.run),
      totalMs: timesOf(this.times.total),
      batches: {
        count: batches,
        rows: batches === 0 ? null : rounded(batchRows / batches),
        closed: { ...this.closed },
      },
      backlog: seen
        ? {
            waiting: waiting.level,
            delayed: delayed.level,
            active: active.level,
            oldestMs: oldest?.most ?? 0,
          }
        : null,
      workers: workers?.level ?? null,
      busy: this.busy,
      load: this.load,
    };
  }

  private looked(name: LookName): Looked {
    this.looks[name] ??= new Looked();
    return this.looks[name];
  }

  private get busy(): number | null {
    const { busyMs, busyOf } = this.looks;
    const of = busyOf?.sum ?? 0;
    return of === 0 ? null : Math.min(1, rounded((busyMs?.sum ?? 0) / of));
  }

  private get load(): WorkerLoad | null {
    const { rss, gpuUsed, gpuTotal, gpuUse } = this.looks;
    if (rss === undefined) return null;
    return {
      busy: this.busy,
      rssBytes: rss.most,
      gpu:
        gpuUsed === undefined || gpuTotal === undefined
          ? null
          : {
              usedBytes: gpuUsed.most,
              totalBytes: gpuTotal.most,
              utilisation: gpuUse === undefined ? null : gpuUse.level.mean,
            },
    };
  }
}

interface Packed {
  /**
   * Recorded ms unless it is a minute; jobs in the order of `JOBS`; added; rows; batches and their rows;
   * closed; codes.
   */
  t?: number;
  j?: number[];
  a?: number;
  r?: number;
  b?: number[];
  c?: Record<string, number>;
  e?: Record<string, number>;
  /** Sketches in the order of `SKETCHES`. */
  q?: (string | 0)[];
  /** Looks at the backlog: times; sum and maximum of waiting, delayed and active jobs; age of the oldest. */
  k?: number[];
  /** Live workers: times, sum, maximum. */
  n?: number[];
  /**
   * A worker's memory, and ms in which it held jobs of how many; its GPU: used and total, times and sum of
   * its use.
   */
  u?: number[];
  g?: number[];
  /** Of all workers together: ms in which they held jobs, of how many. */
  d?: number[];
}

const MEGABYTE = 1_000_000;

/** Four digits and more. */
function inMegabytes(bytes: number): number {
  return Math.round((bytes / MEGABYTE) * 10) / 10;
}

function timesOf(sketch: CompactSketch | undefined): Times | null {
  if (sketch === undefined || sketch.count === 0) return null;
  const at = (q: number) => rounded(sketch.quantile(q) as number);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: rounded(sketch.max as number) };
}

function addCounts(to: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(from)) to[name] = (to[name] ?? 0) + number(count);
}

function topOf(counts: Readonly<Record<string, number>>): Record<string, number> {
  const sorted = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  const kept = Object.fromEntries(sorted.slice(0, NAMES_MAX));
  const others = sorted.slice(NAMES_MAX).reduce((sum, [, count]) => sum + count, 0);
  if (others > 0) kept[OTHER] = (kept[OTHER] ?? 0) + others;
  return kept;
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/** Three decimals: a microsecond, or a thousandth of a job. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
