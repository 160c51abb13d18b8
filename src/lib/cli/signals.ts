import { ExitCode } from '../core/exit-codes.js';

export type StopSignal = 'SIGINT' | 'SIGTERM';

const STOP_SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM'];

/** The part of `process` that is needed; tests hand in an emitter. */
export interface SignalSource {
  on(signal: StopSignal, listener: () => void): unknown;
  off(signal: StopSignal, listener: () => void): unknown;
}

function signalExitCode(signal: StopSignal): ExitCode {
  return signal === 'SIGINT' ? ExitCode.Interrupted : ExitCode.Terminated;
}

export interface ShutdownHandlers {
  /** First signal: stop taking work, finish what is held. */
  drain(signal: StopSignal): void;
  /** Second signal: go now. Called once; later signals do nothing. */
  leave(signal: StopSignal): void;
}

export interface ShutdownListener {
  /** The first signal that came, if one has. */
  readonly signal: StopSignal | undefined;
  /** Removes the listeners; Ctrl-C then ends the process as usual. */
  dispose(): void;
}

/** A repeat of this soon is one key press seen twice: npm and some shells pass Ctrl-C on again. */
const SAME_PRESS_MS = 250;

/** Two-step shutdown: the first SIGINT or SIGTERM drains, the second leaves. */
export function onShutdown(
  handlers: ShutdownHandlers,
  source: SignalSource = process,
  now: () => number = Date.now,
): ShutdownListener {
  let first: StopSignal | undefined;
  let firstAt = 0;
  let left = false;
  const listeners = STOP_SIGNALS.map((signal) => {
    const listener = (): void => {
      if (first === undefined) {
        first = signal;
        firstAt = now();
        handlers.drain(signal);
      } else if (!left && now() - firstAt >= SAME_PRESS_MS) {
        left = true;
        handlers.leave(signal);
      }
    };
    source.on(signal, listener);
    return { signal, listener };
  });
  return {
    get signal() {
      return first;
    },
    dispose: () => {
      for (const { signal, listener } of listeners) source.off(signal, listener);
    },
  };
}

/** Thrown by a command that a signal stopped: ends with 130 or 143 and says nothing. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly exitCode: ExitCode;

  constructor(signal: StopSignal) {
    super(`stopped by ${signal}`);
    this.exitCode = signalExitCode(signal);
  }
}

/**
 * Runs work that a signal may stop: the first aborts `signal` (the work closes what it holds, and
 * this rejects with Interrupted), the second ends the process at once.
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  source: SignalSource = process,
  exit: (code: number) => void = (code) => process.exit(code),
): Promise<T> {
  const controller = new AbortController();
  const shutdown = onShutdown(
    {
      drain: (signal) => controller.abort(new Interrupted(signal)),
      leave: (signal) => exit(signalExitCode(signal)),
    },
    source,
  );
  try {
    const result = await work(controller.signal);
    if (shutdown.signal !== undefined) throw new Interrupted(shutdown.signal);
    return result;
  } catch (error) {
    if (shutdown.signal !== undefined) throw new Interrupted(shutdown.signal);
    throw error;
  } finally {
    shutdown.dispose();
  }
}

/** Time for what was written to reach a slow reader. */
const LAST_WORDS_MS = 2000;

/**
 * Ends the process although something that cannot be called off, such as a look at a network disk
 * that is gone, would hold it for ever. It takes effect only then: the timer itself holds nothing.
 */
export function leaveEvenIfHeld(): void {
  setTimeout(() => process.exit(), LAST_WORDS_MS).unref();
}
