import { availableParallelism } from 'node:os';
import { InferError } from '../core/errors.js';
import { concatRows, type RowTensor, splitRows } from '../model/tensor.js';
import { idRows } from '../model/token-rows.js';
import type { PreparePlan } from '../task/prepare-plan.js';
import type { PreparedRows } from './prepare-rows.js';
import { Preparer, PreparerDied } from './preparer.js';

/** One decodes while a runner runs; more than four would only compete with the runner for the machine. */
const MOST_PROCESSES = 4;
/** Rows of one request: few enough that a job's rows are prepared by all processes at once. A text takes far less time than an image. */
const ROWS_AT_ONCE = { image: 4, text: 64 } as const;
/**
 * How long a request may take before its process is killed, ms. 64 million pixels took 4 s to decode and 15 s to resize on
 * two CPUs that 21 processes competed for.
 */
const LIMIT_MS = 60_000;

/** Raw rows waiting for a process. */
interface Piece {
  plan: PreparePlan;
  tensor: RowTensor;
  rows: number;
  job: PrepareJob;
  /** A process ended before it had prepared it: once may be chance. */
  died: boolean;
  resolve(rows: PreparedRows): void;
  reject(error: unknown): void;
}

/** The job that rows are prepared for, as far as it matters in what order. */
export interface PrepareJob {
  /** Its rows are not wanted any more. */
  readonly over: boolean;
}

/** Negative when the rows of `a` go first. */
export type PrepareOrder = (a: PrepareJob, b: PrepareJob) => number;

export interface PrepareOptions {
  /** Maximum number of processes [half of the CPUs, at most 4]. */
  processes?: number | undefined;
  limitMs?: number | undefined;
}

/**
 * Processes that prepare rows next to the runners. They start when rows arrive, or with `warm`. A row that ends its process
 * fails, after a second try; the process is replaced, and the rows next to it are prepared again.
 */
export class PreparePool {
  /** Maximum number of processes. */
  readonly size: number;
  private readonly limitMs: number;
  private readonly waiting: Piece[] = [];
  private readonly idle: Preparer[] = [];
  private readonly all = new Set<Preparer>();
  private stopped = false;

  constructor(
    private readonly order: PrepareOrder,
    { processes, limitMs = LIMIT_MS }: PrepareOptions = {},
  ) {
    this.size = processes ?? Math.min(MOST_PROCESSES, Math.max(1, Math.floor(availableParallelism() / 2)));
    this.limitMs = limitMs;
  }

  /** Starts a process now, so that the first row does not wait for it. */
  warm(): void {
    if (this.all.size === 0 && !this.stopped) this.idle.push(this.start());
  }

  /**
   * Prepares all rows of a raw tensor; rows that cannot be prepared are named, with the reason. Rejects only when none
   * can be. @throws InferError PREPARE_UNAVAILABLE.
   */
  async prepare(plan: PreparePlan, raw: RowTensor, rows: number, job: PrepareJob): Promise<PreparedRows> {
    const whole = { rows, tensors: [raw] };
    const atOnce = ROWS_AT_ONCE[plan.kind];
    const starts = Array.from({ length: Math.ceil(rows / atOnce) }, (_, i) => i * atOnce);
    const counts = starts.map((from) => Math.min(atOnce, rows - from));
    // Cut in one pass: texts have no fixed place, and a slice looks for its own from the first.
    const pieces = splitRows(whole, counts).map(({ rows: count, tensors }) => {
      return new Promise<PreparedRows>((resolve, reject) => {
        this.add({ plan, tensor: tensors[0] as RowTensor, rows: count, job, died: false, resolve, reject });
      });
    });
    this.work();
    const done = await Promise.all(pieces);
    const failed = done.flatMap(({ failed: some }, i) =>
      some.map(({ row, error }) => ({ row: row + (starts[i] as number), error })),
    );
    const joined = concatRows(
      done.map(({ tensor }, i) => ({
        rows: Math.min(atOnce, rows - (starts[i] as number)),
        tensors: [tensor],
      })),
    );
    return { tensor: joined.tensors[0] as RowTensor, failed };
  }

  /** Ends its processes; rows that they have not prepared never are. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.waiting.length = 0;
    await Promise.all([...this.all].map((preparer) => preparer.kill()));
  }

  private add(piece: Piece): void {
    let at = this.waiting.length;
    while (at > 0 && this.order(piece.job, (this.waiting[at - 1] as Piece).job) < 0) at -= 1;
    this.waiting.splice(at, 0, piece);
  }

  private start(): Preparer {
    const preparer = new Preparer();
    this.all.add(preparer);
    void preparer.exited.then(() => {
      this.all.delete(preparer);
      // There is room for another one.
      this.work();
    });
    return preparer;
  }

  /** Gives waiting rows to idle processes, the most urgent first. */
  private work(): void {
    while (!this.stopped && this.waiting.length > 0) {
      // Cancelled, expired or handed back: its rows are not wanted any more.
      if ((this.waiting[0] as Piece).job.over) {
        this.waiting.shift();
        continue;
      }
      const idle = this.idle.pop();
      if (idle?.isAlive === false) continue;
      if (idle === undefined && this.all.size >= this.size) return;
      void this.run(idle ?? this.start(), this.waiting.shift() as Piece);
    }
  }

  private async run(preparer: Preparer, piece: Piece): Promise<void> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      void preparer.kill();
    }, this.limitMs);
    try {
      piece.resolve(await preparer.prepare(piece.plan, piece.tensor, piece.rows));
    } catch (error) {
      if (error instanceof PreparerDied && !this.stopped) this.afterDeath(piece, error, late);
      else piece.reject(error);
    } finally {
      clearTimeout(timer);
      if (preparer.isAlive) this.idle.push(preparer);
      this.work();
    }
  }

  /** Rows that shared a request are tried alone, and one that was alone a second time. */
  private afterDeath(piece: Piece, { message, unstarted }: PreparerDied, late: boolean): void {
    if (unstarted && !late) {
      if (!piece.died) {
        this.add({ ...piece, died: true });
        return;
      }
      piece.reject(
        new InferError('PREPARE_UNAVAILABLE', `the process that prepares rows does not start: ${message}`, {
          hint: 'see the log of the worker; infer doctor checks the host',
        }),
      );
      return;
    }
    if (piece.rows > 1) {
      this.split(piece);
      return;
    }
    if (!piece.died && !late) {
      this.add({ ...piece, died: true });
      return;
    }
    const seconds = this.limitMs / 1000;
    const why = late
      ? `it took more than ${seconds} s to prepare`
      : `preparing it ended the process (${message})`;
    const error = new InferError('PREPARE_FAILED', why, {
      hint:
        piece.plan.kind === 'image'
          ? 'decode the row yourself and save it again; if it is an ordinary file, please report it'
          : 'shorten the text; if it is an ordinary one, please report it',
    });
    piece.resolve({ tensor: emptyRow(piece.plan), failed: [{ row: 0, error }] });
  }

  private split(piece: Piece): void {
    const whole = { rows: piece.rows, tensors: [piece.tensor] };
    const ones = new Array<number>(piece.rows).fill(1);
    const rows = splitRows(whole, ones).map(({ tensors }) => {
      return new Promise<PreparedRows>((resolve, reject) => {
        this.add({ ...piece, tensor: tensors[0] as RowTensor, rows: 1, died: false, resolve, reject });
      });
    });
    Promise.all(rows).then((done) => {
      const joined = concatRows(done.map(({ tensor }) => ({ rows: 1, tensors: [tensor] })));
      const failed = done.flatMap(({ failed: [one] }, row) => (one === undefined ? [] : [{ ...one, row }]));
      piece.resolve({ tensor: joined.tensors[0] as RowTensor, failed });
    }, piece.reject);
  }
}

/** In the place of a row that failed. */
function emptyRow(plan: PreparePlan): RowTensor {
  if (plan.kind === 'text') return idRows([[]]);
  const { input: name, type, shape } = plan;
  const bytes = { float32: 4, float16: 2, uint8: 1 }[type];
  return { name, type, shape: [...shape], data: new Uint8Array(shape.reduce((n, dim) => n * dim, bytes)) };
}
