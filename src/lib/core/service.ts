import { answerWithin } from './bounded.js';

/** A part of a program that is started once and stopped once: a connection, a lease, a process, a set of timers. */
export interface Service {
  /** One or two words, for messages. */
  readonly name: string;
  /**
   * Resolves when the part is up. A start that fails must clean up after itself.
   * @param signal fires when the start is no longer wanted; a long start then throws its reason. It never
   *   fires after the start of what this service is part of.
   */
  start(signal: AbortSignal): Promise<void>;
  /** Stops the part. Called at most once, and only after a successful start. */
  stop(): Promise<void>;
}

/** A service whose purpose is to hold one thing, such as an open connection. */
export interface Part<T> extends Service {
  /** The value that `open` returned. @throws Error before the start has ended. */
  readonly value: T;
}

/**
 * A service made of two functions. Parts that need one another read `value` in their `open`: a list of
 * services is in starting order, so earlier ones are available.
 * @param close called with the value from `open`
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
   * Longest wait for each stop, in ms; called before each of them [no limit]. A stop that takes longer runs
   * on, and the next begins.
   */
  limitMs?: (() => number) | undefined;
  /** Called when a stop reached that limit. */
  onLate?: ((name: string) => void) | undefined;
}

/**
 * Services as one: started in order, stopped in reverse. When a start fails, the earlier ones are stopped and
 * that failure is thrown. Every stop is attempted, whatever the others did.
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
   * @throws the error of a service's start; the reason of `signal`; Error when it was stopped before or
   *   meanwhile.
   */
  start(signal?: AbortSignal): Promise<void> {
    if (this.starting !== undefined) return Promise.reject(new Error(`${this.name} was started before`));
    this.starting = this.startAll(signal);
    return this.starting;
  }

  /**
   * Stops what has been started, once; further calls return the same promise. During a start, it ends that
   * first.
   * @throws the error of a stop; AggregateError for several.
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
      // Throw the failure of the start; `stop` reports those of the cleanup.
      await this.undo().catch(() => undefined);
      throw error;
    } finally {
      this.settled = true;
      signal?.removeEventListener('abort', onAbort);
    }
  }

  private async stopAll(): Promise<void> {
    // The signal only covers the start: running services are ended by `stop`.
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
