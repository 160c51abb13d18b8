import { bounded, type WaitLimits } from '../core/bounded.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/printable.js';
import { formatDuration } from '../core/units.js';

/** What a call is waiting for, over all of its requests. Determines the error of a timeout. */
export class HttpCall {
  /** A job or group that the gateway may have received. */
  private sent: string | undefined;
  /** A job or group that the gateway has. */
  private accepted: string | undefined;
  /** Why the last attempt failed. */
  private failure: InferError | undefined;
  /** Waiting for the caller's own source of rows. */
  private rows = false;

  /**
   * @param signal fires when the caller aborts or the time is up
   * @param deadline in the time of `performance.now()`; infinite without a limit
   */
  constructor(
    readonly signal: AbortSignal,
    private readonly deadline: number,
  ) {}

  /** Remaining milliseconds, at least 0. */
  get leftMs(): number {
    return Math.max(0, this.deadline - performance.now());
  }

  sends(id: string): void {
    this.sent = id;
  }

  /** Records that the gateway has this job or group, which the call then waits for. */
  waitsFor(id: string): void {
    this.accepted = id;
  }

  failed(error: InferError): void {
    this.failure = error;
  }

  waitsForRows(waits: boolean): void {
    this.rows = waits;
  }

  /** Whether the gateway has the job of the call. */
  get waits(): boolean {
    return this.accepted !== undefined;
  }

  /** The error of a wait that timed out. */
  stillRuns(id: string): InferError {
    return new InferError('WAIT_TIMEOUT', `${printable(id)} did not end within the timeout; it continues`, {
      hint: `wait for it again: wait('${printable(id)}')`,
    });
  }

  late(timeoutMs: number): InferError {
    const given = `(given up after ${formatDuration(timeoutMs)})`;
    if (this.rows) {
      return new InferError('ROWS_TIMEOUT', `the next row did not arrive in time ${given}`, {
        hint: 'use a longer timeoutMs, or none: it applies to all rows together',
      });
    }
    if (this.accepted !== undefined) return this.stillRuns(this.accepted);
    const text = this.failure?.message ?? 'the gateway did not answer in time';
    const [code, cause] = [this.failure?.code ?? 'HTTP_TIMEOUT', this.failure] as const;
    if (this.sent === undefined)
      return new InferError(code, `${text} ${given}`, { hint: this.failure?.hint, cause });
    const id = printable(this.sent);
    return new InferError(code, `${text} ${given}; whether ${id} was queued is not known`, {
      hint: `send it again with the id ${id}: that cannot queue it twice`,
      cause,
    });
  }
}

/**
 * Runs a call within the caller's limits, even if something in it hangs.
 * @param graceMs extra time after the limit, for the last response of a wait
 * @throws InferError HTTP_TIMEOUT or HTTP_UNREACHABLE; WAIT_TIMEOUT for a job that the gateway has;
 *   ROWS_TIMEOUT if the caller's rows were late; the signal's reason.
 */
export async function limitedCall<T>(
  { timeoutMs, signal }: WaitLimits,
  work: (call: HttpCall) => Promise<T>,
  graceMs = 0,
): Promise<T> {
  const ms = timeoutMs === undefined ? undefined : Math.max(0, timeoutMs);
  const deadline = ms === undefined ? Number.POSITIVE_INFINITY : performance.now() + ms;
  let call: HttpCall | undefined;
  const begin = (over: AbortSignal) => {
    call = new HttpCall(over, deadline);
    return work(call);
  };
  const limits = { timeoutMs: ms === undefined ? undefined : ms + graceMs, signal };
  return bounded(begin, limits, () => call?.late(ms ?? 0));
}
