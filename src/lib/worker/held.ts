import type { MutableUnit } from '../batch/batcher.js';
import type { FailureRecord } from '../core/errors.js';
import { encodeEnvelope } from '../model/envelope.js';
import { concatRows, type Payload, sliceRows } from '../model/tensor.js';
import type { PartialMeta, TakenJob } from '../queue/broker.js';

/** Rows that fail one by one before a job without any success is given up. */
const HOPELESS_ROWS = 8;

/** Job rows that ran: their place and outputs. */
interface DoneRows {
  from: number;
  outputs: Payload;
}

/** A job this worker holds, from take to settle; also the batcher's unit of its rows. */
export class HeldJob implements MutableUnit {
  readonly rows: number;
  remaining: number;
  private readonly done: DoneRows[] = [];
  private rowsDone = 0;
  /** Milliseconds of all micro-batches it was in, and when the first began. */
  runMs = 0;
  startedAt: number | undefined;
  device = '';
  private readonly errors = new Map<number, FailureRecord>();
  private readonly deaths = new Set<number>();
  /** Set once: nothing more may run or be stored for it. */
  over = false;
  /** Its submitter wants it stopped; ends it after the rows in a run. */
  cancelled = false;

  constructor(
    readonly job: TakenJob,
    readonly payload: Payload,
    readonly lane: number,
    readonly order: number,
    readonly key: string,
    /** The loaded model it was checked against and runs on. */
    readonly session: string,
    /** Most rows in one run now; a learned size changes while the job waits. */
    private readonly capNow: () => number,
    /** Milliseconds of run time; undefined = no limit. */
    readonly limits: { hardMs?: number | undefined; softMs?: number | undefined } = {},
  ) {
    this.rows = payload.rows;
    this.remaining = payload.rows;
  }

  get cap(): number {
    return this.capNow();
  }

  get priority(): number {
    return this.job.spec.priority;
  }

  get enqueuedAt(): number {
    return this.job.submittedAt;
  }

  get id(): string {
    return this.job.spec.id;
  }

  get started(): boolean {
    return this.startedAt !== undefined;
  }

  rowsAt(from: number, rows: number): Payload {
    return sliceRows(this.payload, from, from + rows);
  }

  /** Stores the outputs of rows that ran. */
  finish(from: number, outputs: Payload): void {
    this.done.push({ from, outputs });
    this.rowsDone += outputs.rows;
  }

  /** Notes why one row has no output. */
  failRow(row: number, failure: FailureRecord): void {
    this.errors.set(row, failure);
  }

  /** True the first time it is asked of a row: a crash may have been chance, twice is the row's doing. */
  mayTryAgain(row: number): boolean {
    if (this.deaths.has(row)) return false;
    this.deaths.add(row);
    return true;
  }

  /** Every row has an output or an error. */
  get isOver(): boolean {
    return this.rowsDone + this.errors.size === this.rows;
  }

  get doneCount(): number {
    return this.rowsDone;
  }

  /** Several rows failed one by one and none succeeded: it is the job, or the model, not the rows. */
  get isHopeless(): boolean {
    return this.rowsDone === 0 && this.errors.size >= HOPELESS_ROWS;
  }

  /** The first row without an output, and why; undefined when all rows have one. */
  get firstError(): { row: number; failure: FailureRecord; count: number } | undefined {
    const row = Math.min(...this.errors.keys());
    const failure = this.errors.get(row);
    return failure === undefined ? undefined : { row, failure, count: this.errors.size };
  }

  /** All outputs in row order. Several runners may have ended them in another. */
  outputs(): Payload {
    this.done.sort((a, b) => a.from - b.from);
    return concatRows(this.done.map((rows) => rows.outputs));
  }

  /** What is stored of a job that failed half way: the rows done, which they are, and the others' errors. */
  partial(): Uint8Array | undefined {
    if (this.done.length === 0) return undefined;
    let outputs: Payload;
    try {
      outputs = this.outputs();
    } catch {
      // Rows of different shapes cannot be kept together; the failure says so.
      return undefined;
    }
    const meta: PartialMeta = {
      of: this.rows,
      done: this.done.map(({ from, outputs: { rows } }) => [from, from + rows]),
      errors: Object.fromEntries(this.errors),
    };
    return encodeEnvelope(outputs, { ...meta });
  }
}

/** The jobs in a worker's hands; knows for how long there were any, which is what its speed is measured by. */
export class HeldJobs extends Map<TakenJob, HeldJob> {
  private total = 0;
  private since: number | undefined;

  /** Milliseconds up to now. */
  get busyMs(): number {
    return Math.round(this.total + (this.since === undefined ? 0 : performance.now() - this.since));
  }

  override set(job: TakenJob, held: HeldJob): this {
    this.since ??= performance.now();
    return super.set(job, held);
  }

  override delete(job: TakenJob): boolean {
    const was = super.delete(job);
    if (this.size === 0 && this.since !== undefined) {
      this.total += performance.now() - this.since;
      this.since = undefined;
    }
    return was;
  }
}
