import { isatty } from 'node:tty';
import { type ErrorCode, errorFacts } from '../core/error-table.js';
import type { ExitCode } from '../core/exit-codes.js';

export type StopSignal = 'SIGHUP' | 'SIGINT' | 'SIGTERM';

const CODES = {
  SIGHUP: 'HUNG_UP',
  SIGINT: 'INTERRUPTED',
  SIGTERM: 'TERMINATED',
} as const satisfies Record<StopSignal, ErrorCode>;

/**
 * Standard streams that nohup detaches from the terminal: on BSD and macOS it leaves standard input attached.
 */
const NOHUP_FDS = process.platform === 'linux' ? [0, 1, 2] : [1, 2];

/**
 * Whether this process was started on a terminal. SIGHUP means that the terminal was closed; a process
 * without one ignores it. nohup asks for exactly that, and cannot be detected otherwise: Node resets the
 * signal dispositions it was started with, ignored ones included. Checked once, since a closed terminal no
 * longer counts as one.
 */
const ON_TERMINAL = NOHUP_FDS.some((fd) => isatty(fd));

/** Includes SIGHUP even without a terminal: for commands that make sense only while a user is watching. */
export const EVERY_STOP_SIGNAL: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

const STOP_SIGNALS: readonly StopSignal[] = ON_TERMINAL ? EVERY_STOP_SIGNAL : ['SIGINT', 'SIGTERM'];

/** Called first in a process: from here on, SIGHUP ends only a process that has a terminal. */
export function ignoreHangupWithoutTerminal(): void {
  if (!ON_TERMINAL) process.on('SIGHUP', () => undefined);
}

/** The used part of `process`; tests pass in an emitter. */
export interface SignalSource {
  on(signal: StopSignal, listener: () => void): unknown;
  off(signal: StopSignal, listener: () => void): unknown;
}

export interface ShutdownHandlers {
  /** First signal: stop taking work, finish the held jobs. */
  drain(signal: StopSignal): void;
  /** Second signal: leave now. Called once; later signals do nothing. */
  leave(signal: StopSignal): void;
}

export interface ShutdownListener {
  /** The first signal received, if any. */
  readonly signal: StopSignal | undefined;
  /** Removes the listeners; Ctrl-C then ends the process as usual. */
  dispose(): void;
}

/** A repeat within this time is the same key press: npm and some shells forward Ctrl-C. */
const SAME_PRESS_MS = 250;

/**
 * Two-step shutdown: the first SIGINT, SIGTERM or (on a terminal) SIGHUP drains, the second leaves. A SIGHUP
 * is never the second: closing a terminal sends several, from the kernel and from each shell.
 */
export function onShutdown(
  handlers: ShutdownHandlers,
  source: SignalSource = process,
  now: () => number = Date.now,
  signals: readonly StopSignal[] = STOP_SIGNALS,
): ShutdownListener {
  let first: StopSignal | undefined;
  let firstAt = 0;
  let left = false;
  const listeners = signals.map((signal) => {
    const listener = (): void => {
      if (first === undefined) {
        first = signal;
        firstAt = now();
        handlers.drain(signal);
      } else if (signal !== 'SIGHUP' && !left && now() - firstAt >= SAME_PRESS_MS) {
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

/** Thrown by a command that was stopped by a signal: ends with 129, 130 or 143 and prints nothing. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly code: ErrorCode;
  readonly exitCode: ExitCode;

  constructor(signal: StopSignal) {
    super(`stopped by ${signal}`);
    this.code = CODES[signal];
    this.exitCode = errorFacts(this.code).exitCode;
  }
}

/**
 * Runs work that a signal may stop: the first aborts `signal` (the work closes its resources, and this
 * rejects with Interrupted), the second ends the process immediately.
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  source: SignalSource = process,
  exit: (code: number) => void = (code) => process.exit(code),
  signals: readonly StopSignal[] = STOP_SIGNALS,
): Promise<T> {
  const controller = new AbortController();
  const shutdown = onShutdown(
    {
      drain: (signal) => controller.abort(new Interrupted(signal)),
      leave: (signal) => exit(errorFacts(CODES[signal]).exitCode),
    },
    source,
    Date.now,
    signals,
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

/** Time for written output to reach a slow reader. */
const LAST_WORDS_MS = 2000;

/**
 * Ends the process even if something that cannot be cancelled, such as a request to a network disk that no
 * longer exists, would keep it alive forever. It has an effect only then: the timer itself does not keep the
 * process alive.
 */
export function leaveEvenIfHeld(): void {
  setTimeout(() => process.exit(), LAST_WORDS_MS).unref();
}

/** Resolves at the first SIGINT or SIGTERM: nothing in progress would need a second one. */
export function firstSignal(): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      shutdown.dispose();
      resolve();
    };
    const shutdown = onShutdown({ drain: end, leave: end });
  });
}
