import { type DataLayout, LAYOUTS, marksOf } from '../queue/layout.js';
import { routesTo } from '../queue/routes.js';
import type { TakeRoom } from '../queue/types.js';
import type { BatchSizes } from './batch-sizes.js';
import type { ServedModels } from './served-models.js';

/**
 * Prefetched work of at most this many ms is held for each busy runner. It must cover a take, for which a
 * free runner would otherwise wait; longer work waits in Redis, where another worker may be free sooner.
 */
const AHEAD_MS = 100;
/**
 * With a distant Redis: this multiple of the time of a take, so that runners are idle at most 5 % of the
 * time.
 */
const TAKES = 20;
/** Weight of a new take in the mean. */
const NEWEST = 0.1;

export interface RoomParts {
  models: ServedModels;
  sizes: BatchSizes;
  layouts?: readonly DataLayout[] | undefined;
  /** The number of runners, and how many of them have a run. */
  runners(): { all: number; running: number };
  /** Full runs held for lanes as urgent as this one. */
  runsUpTo(lane: number): number;
}

/** How much a worker may hold, by the expected run time of its models. */
export class Room {
  private takeMs = 0;

  constructor(private readonly parts: RoomParts) {}

  /** A take took this long, ms. */
  took(ms: number): void {
    this.takeMs = this.takeMs === 0 ? ms : this.takeMs + NEWEST * (ms - this.takeMs);
  }

  /**
   * One run for each idle runner, and one prefetched for each of the others, counting only lanes as urgent as
   * this one.
   * @param jobs maximum number to take.
   */
  of(lane: number, jobs: number): TakeRoom | undefined {
    const { all, running } = this.parts.runners();
    const held = this.parts.runsUpTo(lane);
    const free = Math.max(0, all - running);
    const idle = Math.max(0, free - held);
    const ahead = this.mayHold ? Math.max(0, all - free - Math.max(0, held - free)) : 0;
    if (jobs <= 0 || (idle <= 0 && ahead <= 0)) return undefined;
    return { ...this.forRun(idle, jobs), ahead };
  }

  /**
   * What may be held at any time, whatever runs by then: one run of jobs that are short enough to prefetch. Undefined
   * if there are none.
   */
  asleep(jobs: number): TakeRoom | undefined {
    return jobs > 0 && this.mayHold ? { ...this.forRun(0, jobs), ahead: 1 } : undefined;
  }

  /** Room for this many runs that begin now. */
  forRun(idle: number, jobs = Number.MAX_SAFE_INTEGER): TakeRoom {
    const runs = new Map<string, { rows: number; ms: number | undefined }>();
    const marks = marksOf(this.parts.layouts ?? LAYOUTS);
    for (const { session, loaded } of this.parts.models.all) {
      const run = { rows: this.parts.sizes.of(session), ms: this.parts.sizes.runMs(session) };
      const { name, version } = loaded.signature;
      for (const route of routesTo(name, version, marks)) runs.set(route, run);
    }
    return { idle, ahead: 0, horizonMs: this.horizonMs, jobs, runs };
  }

  private get horizonMs(): number {
    return Math.max(AHEAD_MS, TAKES * this.takeMs);
  }

  /** Whether some model has jobs short enough to prefetch; unknown before a model's first run. */
  private get mayHold(): boolean {
    const { models, sizes } = this.parts;
    return models.all.some(({ session }) => {
      const ms = sizes.runMs(session);
      return ms !== undefined && ms / sizes.of(session) <= this.horizonMs;
    });
  }
}
