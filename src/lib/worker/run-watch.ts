import { InferError } from '../core/errors.js';
import type { Runner } from '../model/runner.js';
import { deviceError } from './device-error.js';
import { timeLimit } from './limits.js';

/** A run in progress. */
interface Run {
  runner: Pick<Runner, 'kill'>;
}

/**
 * Watches the run in progress of one runner slot: its time limit, and who ended it. Ending a run means ending
 * its process, in which another run may have begun by then.
 */
export class RunWatch {
  private current: Run | undefined;
  /** The last run that was ended, and why. */
  private ended: { run: Run; cause: InferError } | undefined;
  /** Milliseconds of the last run, however it ended. */
  lastRunMs = 0;

  /**
   * Resolves with the outcome of a run that begins now.
   * @throws InferError TIME_LIMIT, RUN_ABORTED (also when its process was ended because of another run),
   *   DEVICE_ERROR, or the runner's error.
   */
  async follow<R>(
    runner: Pick<Runner, 'kill'>,
    outcome: () => Promise<R>,
    limitMs: number | undefined,
  ): Promise<R> {
    const run: Run = { runner };
    this.current = run;
    this.lastRunMs = 0;
    const timer =
      limitMs === undefined ? undefined : setTimeout(() => this.end(run, timeLimit(limitMs)), limitMs);
    const started = performance.now();
    try {
      return await outcome();
    } catch (error) {
      throw this.endOf(run) ?? deviceError(error) ?? error;
    } finally {
      this.lastRunMs = performance.now() - started;
      clearTimeout(timer);
      if (this.current === run) this.current = undefined;
    }
  }

  /** Ends the run in progress, if any. */
  abort(): void {
    if (this.current !== undefined) this.end(this.current, aborted());
  }

  /** Whether a run was ended by ending this process. */
  hasEnded(runner: Pick<Runner, 'kill'>): boolean {
    return this.ended?.run.runner === runner;
  }

  /** Whether a run is in progress in this process. */
  isIn(runner: Pick<Runner, 'kill'>): boolean {
    return this.current?.runner === runner;
  }

  /** Whether the run in progress was ended: it says why this process dies. */
  isEnding(runner: Pick<Runner, 'kill'>): boolean {
    return this.hasEnded(runner) && this.isIn(runner);
  }

  private end(run: Run, cause: InferError): void {
    if (this.hasEnded(run.runner)) return;
    this.ended = { run, cause };
    void run.runner.kill();
  }

  private endOf(run: Run): InferError | undefined {
    if (!this.hasEnded(run.runner)) return undefined;
    return this.ended?.run === run ? this.ended.cause : aborted();
  }
}

function aborted(): InferError {
  return new InferError('RUN_ABORTED', 'the run was ended because a job in it was cancelled');
}
