import { lastLogLines } from '../core/log-file.js';
import { type ProcessMark, stillRuns, untilExited } from '../core/process-alive.js';
import type { ProcessEnd } from './spawn-worker.js';
import type { WorkerFile, WorkerFiles } from './worker-files.js';

/** A process is started right after its pid file is created; after this time it never will be. */
const SPAWN_GRACE_MS = 15_000;
/** A second SIGTERM of a worker counts from 250 ms after the first. */
const SECOND_SIGNAL_MS = 300;
/** Time for a worker to requeue its jobs when told to; then SIGKILL. */
const HAND_BACK_MS = 5000;

export type ProcessState = 'starting' | 'running' | 'draining' | 'dead';

/** Whether the worker of a pid file is running; `starting` until it is ready. */
export function stateOf(file: WorkerFile, now = Date.now()): ProcessState {
  if (file.process === undefined) return now - file.createdAt < SPAWN_GRACE_MS ? 'starting' : 'dead';
  if (!stillRuns(file.process)) return 'dead';
  if (file.drainingSince !== undefined) return 'draining';
  return file.readyAt === undefined ? 'starting' : 'running';
}

const LINES = 3;

/** Why a dead worker ended, and its last output. */
export interface Ending {
  /** `exit code 69`, `killed by SIGKILL`. */
  reason: string;
  lines: string[];
}

/** `end` if this process observed its end. */
export function endingOf(files: WorkerFiles, file: WorkerFile, end?: ProcessEnd): Ending {
  const lines = lastLogLines(file.log, LINES);
  const code = end ?? files.exitOf(file)?.code;
  if (file.process === undefined) return { reason: 'it was never started', lines };
  if (code === undefined) {
    return { reason: 'it ended without a message: killed, or out of memory', lines };
  }
  return { reason: typeof code === 'number' ? `exit code ${code}` : `killed by ${code}`, lines };
}

/** Asks a worker to finish its jobs and exit. */
export function askToDrain(files: WorkerFiles, file: WorkerFile): void {
  try {
    if (file.drainingSince === undefined) files.update(file.name, { drainingSince: Date.now() });
  } catch {
    // A full disk must not keep a worker from being stopped.
  }
  if (file.process !== undefined && stillRuns(file.process)) signal(file.process.pid, 'SIGTERM');
}

/**
 * Ends a worker: asks it to finish its jobs and, after `timeoutMs`, to requeue them, which costs them
 * nothing; kills it with its runners if it does not do that within seconds.
 * @returns whether it had to be killed.
 */
export async function endWorker(files: WorkerFiles, file: WorkerFile, timeoutMs: number): Promise<boolean> {
  const { process } = file;
  if (process === undefined) return false;
  askToDrain(files, file);
  if (await untilExited(() => stillRuns(process), Math.max(timeoutMs, SECOND_SIGNAL_MS))) return false;
  return handBackNow(process);
}

/** The last part of that, for a worker that was told to drain earlier. */
export async function handBackNow(process: ProcessMark): Promise<boolean> {
  const isRunning = () => stillRuns(process);
  if (isRunning()) signal(process.pid, 'SIGTERM');
  if (await untilExited(isRunning, HAND_BACK_MS)) return false;
  if (isRunning()) signal(-process.pid, 'SIGKILL');
  await untilExited(isRunning, HAND_BACK_MS);
  return true;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has just ended.
  }
}
