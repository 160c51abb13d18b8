import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { InferError } from '../core/errors.js';
import { lastLogLines, rotateLog } from '../core/log-file.js';
import { isTold } from '../core/told.js';
import { packageRoot } from '../model/package-root.js';
import { LOG_MAX_BYTES, type ProcessEnd } from '../scale/spawn-worker.js';
import { type Ending, StartFailure } from './kept-part.js';

const LINES = 3;

export interface InferProcess {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly ended: Promise<Ending>;
}

/**
 * Starts `infer` as a process of its own session: Ctrl-C and a closed terminal do not reach it. Its output
 * goes to `log`, and it reports over a channel (`untilTold`).
 * @param env variables in addition to those of this process
 * @throws the system's error when no process can be started.
 */
export async function spawnInfer(
  args: readonly string[],
  log: string,
  env: Readonly<Record<string, string>>,
): Promise<InferProcess> {
  rotateLog(log, LOG_MAX_BYTES);
  const fd = openSync(log, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, [join(packageRoot(), 'bin', 'run.js'), ...args], {
      detached: true,
      stdio: ['ignore', fd, fd, 'ipc'],
      env: { ...process.env, ...env },
    });
  } finally {
    closeSync(fd);
  }
  const ended = new Promise<Ending>((resolve) => {
    child.once('exit', (code, signal) => resolve(endingOf(signal ?? code ?? 1, log)));
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  return { pid: child.pid as number, child, ended };
}

function endingOf(end: ProcessEnd, log: string): Ending {
  const reason = typeof end === 'number' ? `exit code ${end}` : `killed by ${end}`;
  return { reason, lines: wasKilled(end) ? [] : lastLogLines(log, LINES) };
}

/** Whether its log cannot say why: SIGKILL leaves no time for a message. */
export function wasKilled(end: ProcessEnd): boolean {
  return end === 'SIGKILL';
}

/**
 * Waits for its report that it is ready.
 * @returns what it reported
 * @throws the InferError it reported; StartFailure when it ended without one; the reason of `signal`
 */
export async function untilTold<T>({ child, ended }: InferProcess, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let stopListening = (): void => undefined;
  const told = new Promise<T>((resolve, reject) => {
    const onMessage = (message: unknown): void => {
      if (!isTold(message)) return;
      if (message.state === 'ready') resolve(message.ready as T);
      else reject(InferError.of(message.error));
    };
    const onAbort = (): void => reject(signal.reason as Error);
    child.on('message', onMessage);
    signal.addEventListener('abort', onAbort, { once: true });
    stopListening = () => {
      child.off('message', onMessage);
      signal.removeEventListener('abort', onAbort);
    };
    // Its report may still be on the way when its exit is seen.
    void ended.then((ending) => setImmediate(() => reject(new StartFailure(ending))));
  });
  try {
    return await told;
  } finally {
    stopListening();
  }
}
