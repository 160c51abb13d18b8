import { answerWithin } from './bounded.js';

/** A part of a program that is started once and stopped once: a connection, a lease, a process, a set of timers. */
export interface Service {
  /** One or two words, for messages. */
  readonly name: string;
  /**
   * Resolves when the part is up. A start that fails leaves nothing of itself behind.
   * @param signal fires when the start is no longer wanted; a long start then throws its reason. It never fires
   *   after the start of what this service is part of.
   */
  start(signal: AbortSignal): Promise<void>;
  /** Ends the part. Called at most once, and only after a start that succeeded. */
  stop(): Promise<void>;
}

/** A service that is there to hold one thing, such as an open connection. */
export interface Part<T> extends Service {
  /** What `open` answered. @throws Error before the start has ended. */
  readonly value: T;
}

/**
 * A service made of two functions. Parts that need one another read `value` when they are opened:
 * a list of them is in the order of starting, so what stands earlier is there.
 * @param close called with what `open` answered
 */
export function part<T>(
  name: string,
  open: (signal: AbortSignal) => T | Promise<T>,
  close: (value: T) => unknown = () => undefined,
): Part<T> {
  let opened: { value: T } | undefined;
  const the = (): T => {
    if (opened === undefined) throw new Error(`${name} is not open yet`);
    return opened.value;
  };
  return {
    name,
    get value() {
      return the();
    },
    async start(signal) {
      opened = { value: await open(signal) };
    },
    async stop() {
      await close(the());
    },
  };
}

export interface StopOptions {
  /**
   * Longest wait for one stop, in ms; asked before each of them [no limit]. A stop that takes longer goes on
   * by itself, and the next begins.
   */
  limitMs?: (() => number) | undefined;
  /** A stop has reached that limit. */
  onLate?: ((name: string) => void) | undefined;
}

/**
 * Services as one: started in order, stopped in reverse. When a start fails, those before it are stopped and
 * that failure is thrown. Every stop is tried, whatever became of the others.
 */
export class Services implements Service {
  private readonly up: Service[] = [];
  private readonly unwanted = new AbortController();
  private starting: Promise<void> | undefined;
  private settled = false;
  private undoing: Promise<void> | undefined;
  private stopping: Promise<void> | undefined;

  constructor(
    readonly name: string,
    private readonly services: readonly Service[],
    private readonly options: StopOptions = {},
  ) {}

  /**
   * Starts all, once. @param signal ends the start, as `stop` does.
   * @throws what the start of a service threw; the reason of `signal`; Error when it was stopped before or meanwhile.
   */
  start(signal?: AbortSignal): Promise<void> {
    if (this.starting !== undefined) return Promise.reject(new Error(`${this.name} was started before`));
    this.starting = this.startAll(signal);
    return this.starting;
  }

  /**
   * Stops what is up, once; called again it answers the same. During a start it ends that first.
   * @throws what a stop threw; AggregateError when several did.
   */
  stop(): Promise<void> {
    this.stopping ??= this.stopAll();
    return this.stopping;
  }

  private async startAll(signal: AbortSignal | undefined): Promise<void> {
    const onAbort = (): void => this.unwanted.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    try {
      this.unwanted.signal.throwIfAborted();
      for (const service of this.services) {
        await service.start(this.unwanted.signal);
        this.up.push(service);
        this.unwanted.signal.throwIfAborted();
      }
    } catch (error) {
      // The failure of the start is the one to tell; `stop` tells those of the undoing.
      await this.undo().catch(() => undefined);
      throw error;
    } finally {
      this.settled = true;
      signal?.removeEventListener('abort', onAbort);
    }
  }

  private async stopAll(): Promise<void> {
    // The signal is of the start: what is up learns of its end by `stop`.
    if (!this.settled) this.unwanted.abort(new Error(`${this.name} was stopped`));
    await this.starting?.catch(() => undefined);
    await this.undo();
  }

  private undo(): Promise<void> {
    this.undoing ??= this.stopEach();
    return this.undoing;
  }

  private async stopEach(): Promise<void> {
    const errors: unknown[] = [];
    for (const service of this.up.splice(0).reverse()) {
      try {
        await this.stopOne(service);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1)
      throw new AggregateError(errors, `${errors.length} parts of ${this.name} failed to stop`);
  }

  private async stopOne(service: Service): Promise<void> {
    const { limitMs, onLate } = this.options;
    const stopped = service.stop();
    if (limitMs === undefined) await stopped;
    else await answerWithin(limitMs(), stopped, () => onLate?.(service.name));
  }
}
