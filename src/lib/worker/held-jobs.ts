import type { MutableUnit } from '../batch/batcher.js';
import type { OwnFailure } from '../core/errors.js';
import { encodeEnvelope } from '../model/envelope.js';
import { concatRows, type Payload, sliceRows } from '../model/tensor.js';
import type { PartialMeta, RunnableJob, TakenJob } from '../queue/types.js';

/**
 * When at least one row in six is bad, one run per row costs less than halving failed runs: eight rows with
 * two bad ones take 9 to 11 runs that way. Applied once this many rows have been judged.
 */
const JUDGED_ROWS = 8;
const BAD_SHARE = 1 / 6;
/**
 * Each crash costs a new process with its models loaded, and blocks all other jobs meanwhile. Isolating eight
 * adjacent crashing rows takes about twenty crashes; if no row has completed after that, the job or the model
 * is at fault.
 */
const CRASHES_WITHOUT_SUCCESS = 24;
const CRASHES = 64;
/** Rows of a job that get a second try after a crash: a third crashing row is no longer chance. */
const SECOND_TRIES = 3;

/** Rows of a job that ran: their place and outputs. */
interface DoneRows {
  from: number;
  outputs: Payload;
}

/** A job held by this worker, from take to settle; for the batcher, the unit its rows belong to. */
export class HeldJob implements MutableUnit {
  readonly rows: number;
  remaining: number;
  private readonly done: DoneRows[] = [];
  private rowsDone = 0;
  /** Milliseconds of all micro-batches that contained it, and when the first began. */
  runMs = 0;
  startedAt: number | undefined;
  /** It was in a run that ended, or has one of its own: until then its deadline can still end it. */
  ran = false;
  device = '';
  /** Version of the model that it runs on. */
  version: number | undefined;
  private readonly errors = new Map<number, OwnFailure>();
  /** Rows that failed in runs of their own. */
  private isolated = 0;
  private readonly deaths = new Set<number>();
  /** Runs of this job alone that killed the runner or lost its device. */
  private crashes = 0;
  /** Micro-batches with rows of it that a runner has: its input must stay where it is. */
  atRunner = 0;
  /** Once set, nothing more may be run or stored for it. */
  over = false;
  /** Its cancellation was requested; it ends after the rows in a run. */
  cancelled = false;

  constructor(
    readonly job: RunnableJob,
    /** Its input: as submitted, and once its raw rows are prepared as the model takes it. */
    public payload: Payload,
    readonly lane: number,
    readonly order: number,
    public key: string,
    /** The loaded model that its input was checked against and that it runs on. */
    readonly session: string,
    /** Current maximum rows in one run; a learned size changes while the job waits. */
    private capNow: () => number,
    /** Milliseconds of run time; undefined = no limit. */
    readonly limits: { hardMs?: number | undefined; softMs?: number | undefined } = {},
  ) {
    this.rows = payload.rows;
    this.remaining = payload.rows;
  }

  get cap(): number {
    return this.isMostlyBad ? 1 : this.capNow();
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

  /** Its raw rows were prepared; `shape` is that of the new payload. It must not be in the batcher yet. */
  prepared(payload: Payload, shape: string, capNow: () => number): void {
    this.payload = payload;
    this.key += shape;
    this.capNow = capNow;
  }

  rowsAt(from: number, rows: number): Payload {
    return sliceRows(this.payload, from, from + rows);
  }

  /** Stores the outputs of rows that ran. */
  finish(from: number, outputs: Payload): void {
    this.done.push({ from, outputs });
    this.rowsDone += outputs.rows;
  }

  /** Records why a row has no output; `isolated` when finding that out took a run of its own. */
  failRow(row: number, failure: OwnFailure, isolated = false): void {
    this.errors.set(row, failure);
    if (isolated) this.isolated += 1;
  }

  /** Records one failure for all rows that have neither output nor error. */
  failRest(failure: OwnFailure): void {
    const done = new Set(this.done.flatMap(({ from, outputs: { rows } }) => range(from, from + rows)));
    for (const row of range(0, this.rows)) {
      if (!done.has(row) && !this.errors.has(row)) this.errors.set(row, failure);
    }
  }

  /** True the first time it is called for a row: one crash may be chance, a second is due to the row. */
  mayTryAgain(row: number): boolean {
    if (this.deaths.has(row) || this.deaths.size >= SECOND_TRIES) return false;
    this.deaths.add(row);
    return true;
  }

  /** A run of this job alone killed the runner; true when the search for the failing rows should stop. */
  crashed(): boolean {
    this.crashes += 1;
    return this.crashes >= (this.rowsDone === 0 ? CRASHES_WITHOUT_SUCCESS : CRASHES);
  }

  /** Whether so many of the rows judged so far are bad that running row by row is better. */
  get isMostlyBad(): boolean {
    const judged = this.rowsDone + this.isolated;
    return judged >= JUDGED_ROWS && this.isolated >= judged * BAD_SHARE;
  }

  /** Every row has an output or an error. */
  get isOver(): boolean {
    return this.rowsDone + this.errors.size === this.rows;
  }

  get doneCount(): number {
    return this.rowsDone;
  }

  /** The first row without an output, why, how many there are, and their codes; undefined when all rows have one. */
  get firstError():
    | { row: number; failure: OwnFailure; count: number; codes: ReadonlySet<string> }
    | undefined {
    const [first] = [...this.errors].sort(([a], [b]) => a - b);
    if (first === undefined) return undefined;
    const codes = new Set([...this.errors.values()].map(({ code }) => code));
    return { row: first[0], failure: first[1], count: this.errors.size, codes };
  }

  /** Its outputs in row order. Several runners may have finished them in a different order. */
  outputs(): Payload {
    this.done.sort((a, b) => a.from - b.from);
    return concatRows(this.done.map((rows) => rows.outputs));
  }

  /**
   * What is stored of a job that failed half way: the completed rows, which ones they are, and the errors of
   * the others.
   */
  partial(): Uint8Array | undefined {
    if (this.done.length === 0 && this.errors.size === 0) return undefined;
    let outputs: Payload;
    try {
      outputs = this.done.length === 0 ? { rows: 0, tensors: [] } : this.outputs();
    } catch {
      // The rows cannot be stored together; the failure says so.
      return undefined;
    }
    const causes: OwnFailure[] = [];
    const places = new Map<string, number>();
    const errors: PartialMeta['errors'] = {};
    for (const [row, failure] of this.errors) {
      const key = JSON.stringify(failure);
      const place = places.get(key) ?? causes.push(failure) - 1;
      places.set(key, place);
      errors[row] = place;
    }
    const done = this.done.map(({ from, outputs: { rows } }): [number, number] => [from, from + rows]);
    const meta: PartialMeta = { of: this.rows, done, errors, causes };
    return encodeEnvelope(outputs, { ...meta });
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}

/** The jobs that a worker holds; also measures how long it held any, from which its speed is computed. */
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
