import { isatty } from 'node:tty';
import { type ErrorCode, errorFacts } from '../core/error-table.js';
import type { ExitCode } from '../core/exit-codes.js';

export type StopSignal = 'SIGHUP' | 'SIGINT' | 'SIGTERM';

const CODES = {
  SIGHUP: 'HUNG_UP',
  SIGINT: 'INTERRUPTED',
  SIGTERM: 'TERMINATED',
} as const satisfies Record<StopSignal, ErrorCode>;

/** Standard streams that nohup takes off the terminal: on BSD and macOS it leaves standard input there. */
const NOHUP_FDS = process.platform === 'linux' ? [0, 1, 2] : [1, 2];

/**
 * Whether this process was started on a terminal. SIGHUP says that the terminal was closed; a process
 * without one ignores it. nohup asks for exactly that, and cannot be told in another way: Node resets
 * the signals that it was started with, those to be ignored too. Asked once, since a terminal that is
 * gone is none.
 */
const ON_TERMINAL = NOHUP_FDS.some((fd) => isatty(fd));

/** With SIGHUP also where there is no terminal: for what makes sense only as long as a person looks. */
export const EVERY_STOP_SIGNAL: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

const STOP_SIGNALS: readonly StopSignal[] = ON_TERMINAL ? EVERY_STOP_SIGNAL : ['SIGINT', 'SIGTERM'];

/** Called first of all in a process: from here on SIGHUP ends only a process that has a terminal. */
export function ignoreHangupWithoutTerminal(): void {
  if (!ON_TERMINAL) process.on('SIGHUP', () => undefined);
}

/** The part of `process` that is needed; tests hand in an emitter. */
export interface SignalSource {
  on(signal: StopSignal, listener: () => void): unknown;
  off(signal: StopSignal, listener: () => void): unknown;
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

/**
 * Two-step shutdown: the first SIGINT, SIGTERM or (on a terminal) SIGHUP drains, the second leaves. A
 * SIGHUP is never the second: a closed terminal sends several, the kernel's and each shell's.
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

/** Thrown by a command that a signal stopped: ends with 129, 130 or 143 and says nothing. */
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
 * Runs work that a signal may stop: the first aborts `signal` (the work closes what it holds, and
 * this rejects with Interrupted), the second ends the process at once.
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

/** Time for what was written to reach a slow reader. */
const LAST_WORDS_MS = 2000;

/**
 * Ends the process although something that cannot be called off, such as a look at a network disk
 * that is gone, would hold it forever. It takes effect only then: the timer itself holds nothing.
 */
export function leaveEvenIfHeld(): void {
  setTimeout(() => process.exit(), LAST_WORDS_MS).unref();
}

/** Resolves at the first SIGINT or SIGTERM: nothing is under way that would need a second. */
export function firstSignal(): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      shutdown.dispose();
      resolve();
    };
    const shutdown = onShutdown({ drain: end, leave: end });
  });
}
