import { emptyHistogram, type Histogram, observe } from '../../core/histogram.js';
import type { Eta } from './job-place.js';

/** Maximum number of ETAs remembered until their job ends; beyond it, the oldest are dropped. */
const MOST_OPEN = 10_000;
/** Maximum number of queues counted separately; the others are counted together. */
const MOST_QUEUES = 200;
const OTHER_QUEUES = '(other)';

/** Upper bounds in seconds, as of the waits of jobs. */
export const ETA_ERROR_BOUNDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600,
] as const;

/** An ETA as it was told. Times in ms since the epoch, by Redis's clock. */
export interface ToldEta {
  queue: string;
  eta: Eta;
  at: number;
  submittedAt: number;
}

/** How a job ended, as far as its ETA can be compared with it. */
export interface EndedJob {
  id: string;
  attempts: number;
  /** Null if it never ran. */
  timing: { queueMs: number; runMs: number | null; totalMs: number } | null;
}

/** Errors of one queue's ETAs in seconds: the actual time compared with p50. */
export interface EtaErrorFigures {
  queue: string;
  /** By what was predicted, and whether it came later or earlier than that; a hit counts as later by 0. */
  seconds: Readonly<Record<'start' | 'end', Readonly<Record<'late' | 'early', Histogram>>>>;
  /** Jobs by how their start came: within the first figure, within the second, or after it. */
  within: Readonly<Record<'p50' | 'p90' | 'later', number>>;
}

type Figures = EtaErrorFigures & { within: Record<'p50' | 'p90' | 'later', number> };

/**
 * Compares ETAs with what happened. The first ETA that was reported for a job is remembered, and compared
 * when the end of the job becomes known. The times come from its result, so it does not matter when that is.
 * Retried jobs are left out, because their start is that of another attempt.
 */
export class EtaErrors {
  private readonly open = new Map<string, ToldEta>();
  private readonly queues = new Map<string, Figures>();

  told(id: string, told: ToldEta): void {
    if (this.open.has(id)) return;
    this.open.set(id, told);
    if (this.open.size > MOST_OPEN) this.open.delete(this.open.keys().next().value as string);
  }

  ended({ id, attempts, timing }: EndedJob): void {
    const told = this.open.get(id);
    if (told === undefined) return;
    this.open.delete(id);
    if (timing === null || timing.runMs === null || attempts !== 1) return;
    const { eta, at, submittedAt, queue } = told;
    const figures = this.figuresOf(queue);
    const startMs = submittedAt + timing.queueMs - at;
    const late = startMs - eta.startMs.p50;
    note(figures.seconds.start, late);
    note(figures.seconds.end, submittedAt + timing.totalMs - at - eta.endMs.p50);
    figures.within[late <= 0 ? 'p50' : startMs <= eta.startMs.p90 ? 'p90' : 'later'] += 1;
  }

  /** The errors so far, by queue. */
  get figures(): readonly EtaErrorFigures[] {
    return [...this.queues.values()];
  }

  private figuresOf(queue: string): Figures {
    const name = this.queues.has(queue) || this.queues.size < MOST_QUEUES ? queue : OTHER_QUEUES;
    let figures = this.queues.get(name);
    if (figures === undefined) {
      const none = () => emptyHistogram(ETA_ERROR_BOUNDS);
      const sides = () => ({ late: none(), early: none() });
      figures = {
        queue: name,
        seconds: { start: sides(), end: sides() },
        within: { p50: 0, p90: 0, later: 0 },
      };
      this.queues.set(name, figures);
    }
    return figures;
  }
}

function note(sides: Readonly<Record<'late' | 'early', Histogram>>, lateMs: number): void {
  observe(sides[lateMs >= 0 ? 'late' : 'early'], ETA_ERROR_BOUNDS, Math.abs(lateMs) / 1000);
}
