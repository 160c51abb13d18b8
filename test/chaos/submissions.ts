import type { HistoryEvent, Work } from './records.js';

/** What the clients requested under one id: a job, or a chunk of a group. */
export interface Submission {
  id: string;
  work: Work;
  firstAt: number;
  /** Some client learned that it is queued. */
  accepted: boolean;
  acceptedAt: number | undefined;
  expires: boolean;
  resultTtl: number;
  cancelAsked: boolean;
  /** A sender of its group was aborted or refused: unless another has sent it, the group is undone. */
  withdrawn: boolean;
  /** A client learned that it is cancelled. */
  cancelled: boolean;
  /** The last request for it. */
  invokedAt: number;
  /** It was requested before all data was deleted, and not again: no one can know of it. */
  flushed: boolean;
  /** Its keys were damaged. */
  damaged: boolean;
}

/** The history by id; a group is represented by its chunks. */
export class Known {
  readonly submissions = new Map<string, Submission>();
  /** Acknowledged groups. */
  readonly groups = new Map<string, { id: string; chunks: Submission[] }>();
  /** When all data was last deleted. */
  flushedAt = Number.NEGATIVE_INFINITY;
  private readonly flushes: number[] = [];
  private readonly chunksOf = new Map<string, Submission[]>();

  constructor(history: readonly HistoryEvent[]) {
    for (const event of history) {
      if (event.op === 'submit') this.submit(event);
      else if (event.op === 'group') this.group(event);
      else if (event.op === 'cancel') this.cancel(event);
      else if (event.op === 'withdraw') this.withdraw(event.id);
      else if (event.op === 'flush') this.flush(event.t);
      else if (event.op === 'damage') this.damage(event.id);
    }
  }

  /** Whether a read at `t` may find nothing: all data was deleted since it was queued. */
  wasFlushed({ acceptedAt = 0, flushed }: Submission, t: number): boolean {
    return flushed || this.flushes.some((at) => acceptedAt <= at && at <= t);
  }

  private flush(t: number): void {
    this.flushedAt = t;
    this.flushes.push(t);
    for (const one of this.submissions.values()) {
      one.flushed = true;
      one.cancelled = false;
    }
  }

  private damage(id: string): void {
    const one = this.submissions.get(id);
    if (one !== undefined) one.damaged = true;
  }

  private submit(event: HistoryEvent): void {
    if (event.type === 'invoke') this.add(event.id, event.work as Work, event);
    else if (event.type === 'ok') this.accept(event.id, event.t);
  }

  private group(event: HistoryEvent): void {
    const { id } = event;
    if (event.type === 'invoke' && !this.chunksOf.has(id)) {
      const { from, count, model } = event.work as Work;
      const rows = event.chunkRows ?? count;
      const chunks: Submission[] = [];
      for (let first = 0; first < count; first += rows) {
        const work = { model, from: from + first, count: Math.min(rows, count - first) };
        chunks.push(this.add(`${id}-${chunks.length}`, work, event));
      }
      this.chunksOf.set(id, chunks);
    } else if (event.type === 'invoke') {
      for (const chunk of this.chunksOf.get(id) ?? []) chunk.invokedAt = event.t;
    } else if (event.type === 'ok') {
      const chunks = this.chunksOf.get(id) ?? [];
      for (const chunk of chunks) this.accept(chunk.id, event.t);
      this.groups.set(id, { id, chunks });
    }
  }

  private cancel(event: HistoryEvent): void {
    const one = this.submissions.get(event.id);
    // A cancelled group only records that the cancel was requested: chunks that had ended stay as they are.
    for (const chunk of one === undefined ? (this.chunksOf.get(event.id) ?? []) : [one])
      chunk.cancelAsked = true;
    if (one !== undefined && event.type === 'ok' && event.state === 'cancelled') one.cancelled = true;
  }

  private withdraw(group: string): void {
    for (const chunk of this.chunksOf.get(group) ?? []) chunk.withdrawn = true;
  }

  private add(id: string, work: Work, event: HistoryEvent): Submission {
    const there = this.submissions.get(id);
    if (there !== undefined) {
      there.invokedAt = event.t;
      return there;
    }
    const submission: Submission = {
      id,
      work,
      firstAt: event.t,
      accepted: false,
      acceptedAt: undefined,
      expires: event.expires === true,
      resultTtl: event.resultTtl ?? 3600,
      cancelAsked: false,
      withdrawn: false,
      cancelled: false,
      invokedAt: event.t,
      flushed: false,
      damaged: false,
    };
    this.submissions.set(id, submission);
    return submission;
  }

  private accept(id: string, t: number): void {
    const submission = this.submissions.get(id);
    if (submission === undefined) return;
    submission.accepted = true;
    // What was requested before may have existed and been deleted with the rest.
    if (submission.invokedAt > this.flushedAt) submission.flushed = false;
    submission.acceptedAt ??= t;
  }
}

/** What was begun without an answer that confirms it: the last request of each id. */
export function unanswered(history: readonly HistoryEvent[]): HistoryEvent[] {
  const begun = new Map<string, HistoryEvent>();
  for (const event of history) {
    if (event.op !== 'submit' && event.op !== 'group') continue;
    if (event.type === 'invoke') begun.set(event.id, event);
  }
  for (const { op, type, id } of history) {
    if ((op === 'submit' || op === 'group') && type === 'ok') begun.delete(id);
  }
  return [...begun.values()];
}
