import type { MutableUnit } from '../batch/batcher.js';
import { concatRows, type Payload, sliceRows } from '../model/tensor.js';
import type { TakenJob } from '../queue/broker.js';

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
  /** Set once: nothing more may run or be stored for it. */
  over = false;
  /** Its submitter wants it stopped; ends it after the rows in a run. */
  cancelled = false;
  /** Another worker has it now, so its outcome would be refused. */
  lost = false;

  constructor(
    readonly job: TakenJob,
    readonly payload: Payload,
    readonly lane: number,
    readonly order: number,
    readonly key: string,
    readonly cap: number,
  ) {
    this.rows = payload.rows;
    this.remaining = payload.rows;
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

  /** Stores the outputs of rows that ran; answers whether the job is complete. */
  finish(from: number, outputs: Payload): boolean {
    this.done.push({ from, outputs });
    this.rowsDone += outputs.rows;
    return this.rowsDone === this.rows;
  }

  /** All outputs in row order. Several runners may have ended them in another. */
  outputs(): Payload {
    this.done.sort((a, b) => a.from - b.from);
    return concatRows(this.done.map((rows) => rows.outputs));
  }
}
