import type { Tick } from './simulate.js';
import type { Trace } from './traces.js';

const PIECES = 120;

/** What happened over time, in intervals of equal length. */
export interface TimelineJson {
  readonly pieceMs: number;
  /** Jobs that arrived per second. */
  readonly arrivals: number[];
  /** Highest number of waiting jobs. */
  readonly backlog: number[];
  /** Workers that could take jobs, and workers that were starting, on average. */
  readonly ready: number[];
  readonly starting: number[];
  /** The policy's actions in its own words; `atMs` from the start. */
  readonly decisions: { readonly atMs: number; readonly reason: string }[];
}

/** Collects the ticks of one simulation. */
export class Timeline {
  private readonly pieceMs: number;
  private readonly pieces: { ticks: number; backlog: number; ready: number; starting: number }[] = [];
  private readonly decisions: { atMs: number; reason: string }[] = [];

  constructor(private readonly trace: Trace) {
    this.pieceMs = Math.max(1000, Math.ceil(trace.durationMs / PIECES));
  }

  add(tick: Tick): void {
    const at = Math.floor(tick.at / this.pieceMs);
    while (this.pieces.length <= at) this.pieces.push({ ticks: 0, backlog: 0, ready: 0, starting: 0 });
    const piece = this.pieces[at] as (typeof this.pieces)[number];
    piece.ticks += 1;
    piece.backlog = Math.max(piece.backlog, tick.waiting);
    piece.ready += tick.ready;
    piece.starting += tick.starting;
    if (tick.acted) this.decisions.push({ atMs: tick.at, reason: tick.reason });
  }

  json(): TimelineJson {
    const arrivals: number[] = new Array(this.pieces.length).fill(0);
    for (const at of this.trace.arrivals) {
      const piece = Math.floor(at / this.pieceMs);
      if (piece < arrivals.length) arrivals[piece] = (arrivals[piece] as number) + 1;
    }
    const mean = (of: 'ready' | 'starting') =>
      this.pieces.map((piece) => round(piece[of] / Math.max(1, piece.ticks)));
    return {
      pieceMs: this.pieceMs,
      arrivals: arrivals.map((jobs) => round((jobs * 1000) / this.pieceMs)),
      backlog: this.pieces.map((piece) => piece.backlog),
      ready: mean('ready'),
      starting: mean('starting'),
      decisions: this.decisions,
    };
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
