import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../core/errors.js';
import { RestartPauses } from './restart-pauses.js';
import type { Tell } from './types.js';

/** Why a process ended or did not start: `exit code 69`, and the last lines of its log. */
export interface Ending {
  reason: string;
  lines: readonly string[];
}

/** A process that runs. */
export interface RunningPart {
  readonly pid: number;
  /** For messages: its address or device. */
  readonly detail: string;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<Ending>;
  /**
   * Lets it finish what it has begun, within its own time limit; when `hurry` fires, it ends at once.
   * @returns whether it had to be killed
   */
  stop(hurry: AbortSignal): Promise<boolean>;
}

/** A start that failed in a way that may pass. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';

  constructor(readonly ending: Ending) {
    super(ending.reason);
  }
}

export interface KeptPartOptions<R extends RunningPart> {
  name: string;
  /** Starts it and waits until it is ready; ends it again when `signal` fires. */
  open: (signal: AbortSignal) => Promise<R>;
  tell: Tell;
}

/** A process that is started again whenever it ends, after a pause that grows while it keeps failing. */
export class KeptPart<R extends RunningPart> {
  private readonly pauses = new RestartPauses();
  private readonly over = new AbortController();
  private running: R | undefined;
  private keeping: Promise<void> = Promise.resolve();

  constructor(private readonly options: KeptPartOptions<R>) {}

  get name(): string {
    return this.options.name;
  }

  /** The running process; undefined between two. */
  get current(): R | undefined {
    return this.running;
  }

  /**
   * The first start.
   * @throws StartFailure, and what `open` throws; `keep` may then still be called, and tries again.
   */
  async open(signal: AbortSignal): Promise<R> {
    const started = await this.options.open(AbortSignal.any([signal, this.over.signal]));
    this.running = started;
    this.say(started);
    return started;
  }

  /** From now on starts it again whenever it ends. @param failure of the first start, if it failed */
  keep(failure?: unknown): void {
    this.keeping = this.watch(failure);
  }

  /** Stops it, or its restart. */
  async stop(hurry: AbortSignal): Promise<void> {
    this.over.abort();
    const { running } = this;
    const killed = (await running?.stop(hurry)) ?? false;
    await this.keeping;
    // A start that was under way when it was to stop.
    const late = this.running;
    if (late !== undefined && late !== running) await late.stop(hurry);
    if (running !== undefined) this.options.tell({ event: 'stopped', part: this.name, killed });
  }

  private async watch(failure: unknown): Promise<void> {
    let ending = failure === undefined ? undefined : endingOf(failure);
    for (;;) {
      const since = performance.now();
      ending ??= await this.running?.ended;
      this.running = undefined;
      if (this.over.signal.aborted) return;
      const retryMs = this.pauses.next(performance.now() - since);
      this.options.tell({
        event: 'ended',
        part: this.name,
        reason: ending?.reason ?? 'unknown reason',
        lines: ending?.lines ?? [],
        retryMs,
      });
      await delay(retryMs, undefined, { signal: this.over.signal }).catch(() => undefined);
      if (this.over.signal.aborted) return;
      ending = await this.again();
      if (this.over.signal.aborted) return;
    }
  }

  /** @returns why it did not start, if so */
  private async again(): Promise<Ending | undefined> {
    try {
      this.running = await this.options.open(this.over.signal);
      if (!this.over.signal.aborted) this.say(this.running);
      return undefined;
    } catch (error) {
      return endingOf(error);
    }
  }

  private say({ pid, detail }: R): void {
    this.options.tell({ event: 'started', part: this.name, pid, detail });
  }
}

export function endingOf(error: unknown): Ending {
  return error instanceof StartFailure ? error.ending : { reason: messageOf(error), lines: [] };
}
