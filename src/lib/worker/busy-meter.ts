import { DEVICE_WAITS, type DeviceBusy, type DeviceWait } from '../queue/device-busy.js';

/** What a runner's time is spent on; `idle`: nothing was there to run. */
type Spent = 'run' | 'idle' | DeviceWait;

/** The share is one of the last minute, in pieces of five seconds. */
const PIECE_MS = 5000;
const PIECES = 12;

interface Span {
  what: Spent;
  from: number;
  to: number;
}

interface Slot {
  /** When its last run ended, or it began to serve. */
  since: number;
  /** What it has been known to wait for since then. */
  spans: Span[];
  /** When the run in progress began. */
  begun: number | undefined;
}

/**
 * How a worker's runners spend their time: in runs, without work, or waiting for something while work waits.
 * All moments are in ms of `hostClock`: runners report when their runs began and ended. `S` is a runner.
 */
export class BusyMeter<S> {
  private readonly slots = new Map<S, Slot>();
  private readonly pieces: { at: number; ms: Map<Spent, number> }[] = [];

  /** A runner begins to serve. */
  join(slot: S, now: number): void {
    this.slots.set(slot, { since: now, spans: [], begun: undefined });
  }

  leave(slot: S): void {
    this.slots.delete(slot);
  }

  /** Between two runs, a runner spent this time on something. */
  spent(slot: S, what: Exclude<Spent, 'run'>, from: number, to: number): void {
    const known = this.slots.get(slot);
    if (known !== undefined && to > from) known.spans.push({ what, from, to });
  }

  begins(slot: S, now: number): void {
    const known = this.slots.get(slot);
    if (known !== undefined) known.begun = now;
  }

  /**
   * A run is over.
   * @param sentAt when its micro-batch was sent: what else passed before that went into outcomes and plans,
   *   after it into staging
   */
  ran(slot: S, { sentAt, begun, ended }: { sentAt: number; begun: number; ended: number }): void {
    const known = this.slots.get(slot);
    if (known === undefined) return;
    const { since, spans } = known;
    this.divide(since, begun, spans, sentAt);
    this.add('run', Math.max(since, begun), ended);
    known.since = Math.max(since, ended);
    known.spans = [];
    known.begun = undefined;
  }

  /** The last minute up to now; undefined when there was nothing to run. */
  share(now: number): DeviceBusy | undefined {
    const oldest = now - PIECE_MS * PIECES;
    const sums = new Map<Spent, number>();
    const sum = (what: Spent, ms: number) => sums.set(what, (sums.get(what) ?? 0) + ms);
    for (const { at, ms } of this.pieces)
      if (at + PIECE_MS > oldest) for (const [what, amount] of ms) sum(what, amount);
    for (const { begun, since } of this.slots.values())
      if (begun !== undefined) sum('run', Math.max(0, now - Math.max(begun, since, oldest)));
    const run = sums.get('run') ?? 0;
    const waits = DEVICE_WAITS.map((what) => [what, sums.get(what) ?? 0] as const);
    const workMs = run + waits.reduce((all, [, ms]) => all + ms, 0);
    if (workMs <= 0) return undefined;
    const why: DeviceBusy['why'] = {};
    for (const [what, ms] of waits) {
      const share = rounded(ms / workMs);
      if (share > 0) why[what] = share;
    }
    return { share: rounded(run / workMs), workMs: Math.round(workMs), why };
  }

  /** Attributes the time between two runs. Of spans that overlap, the first counts. */
  private divide(from: number, to: number, spans: readonly Span[], sentAt: number): void {
    let at = from;
    const rest = (until: number) => {
      const end = Math.min(until, to);
      const sent = Math.min(Math.max(sentAt, at), end);
      if (end <= at) return;
      this.add('settle', at, sent);
      this.add('stage', sent, end);
      at = end;
    };
    for (const span of [...spans].sort((a, b) => a.from - b.from)) {
      rest(span.from);
      const end = Math.min(span.to, to);
      if (end <= at) continue;
      this.add(span.what, at, end);
      at = end;
    }
    rest(to);
  }

  private add(what: Spent, from: number, to: number): void {
    const oldest = to - PIECE_MS * PIECES;
    for (let at = Math.max(from, oldest); at < to; ) {
      const piece = this.pieceAt(at);
      const end = Math.min(to, piece.at + PIECE_MS);
      piece.ms.set(what, (piece.ms.get(what) ?? 0) + end - at);
      at = end;
    }
  }

  private pieceAt(time: number): { at: number; ms: Map<Spent, number> } {
    const at = Math.floor(time / PIECE_MS) * PIECE_MS;
    let piece = this.pieces.find((one) => one.at === at);
    if (piece === undefined) {
      piece = { at, ms: new Map() };
      this.pieces.push(piece);
      this.pieces.sort((a, b) => a.at - b.at);
      // One more than the minute has: the first is only partly in it.
      while (this.pieces.length > PIECES + 1) this.pieces.shift();
    }
    return piece;
  }
}

function rounded(share: number): number {
  return Math.round(share * 1000) / 1000;
}
