import { statSync } from 'node:fs';
import { InferError } from '../core/errors.js';
import { boundOpenLog } from '../core/log-file.js';
import { pollUntil } from '../core/poll.js';
import { printable } from '../core/printable.js';
import { markOf, type ProcessMark, stillRuns } from '../core/process-alive.js';
import { LOG_MAX_BYTES } from './spawn-worker.js';
import { isManaged, readWorkerFile, updateWorkerFile, type WorkerFile, writeExit } from './worker-files.js';

const CLAIM_MS = 3000;
const POLL_MS = 20;
const BOUND_MS = 30_000;
const LISTED_MS = 3000;
const READY_AGAIN_MS = 1000;

/** Where a worker's models run and, if that differs from its setting, why. */
type DeviceFacts = Pick<WorkerFile, 'device' | 'fallback'>;

/**
 * What a detached worker does with its pid file: checks that it is the process named there, limits the size
 * of its log, and records how it ended. A worker whose pid file has been removed was abandoned while
 * starting: nothing would know of it, so it does not run.
 * @returns a function to be called when the worker is ready.
 * @throws InferError START_WITHDRAWN (exit 69).
 */
export async function keepRecord(path: string): Promise<(device: DeviceFacts) => void> {
  const file = await claim(path);
  const timer = setInterval(() => {
    try {
      boundOpenLog(file.log, LOG_MAX_BYTES);
    } catch {
      // A full disk: the log hardly matters.
    }
  }, BOUND_MS);
  timer.unref();
  if (isManaged(file)) endUnlisted(path);
  if (file.supervisor !== undefined) endWith(file.supervisor);
  process.once('exit', (code) => {
    try {
      if (readWorkerFile(path)?.process?.pid === process.pid) writeExit(path, code);
    } catch {
      // Without the record, the list says that the worker was killed.
    }
  });
  return (device) => tellReady(path, device);
}

/** Repeats until it is saved: no other process can record it, and a full disk may have room later. */
function tellReady(path: string, device: DeviceFacts, readyAt = Date.now()): void {
  try {
    updateWorkerFile(path, { ...device, readyAt });
  } catch {
    setTimeout(() => tellReady(path, device, readyAt), READY_AGAIN_MS).unref();
  }
}

/**
 * Ends a managed worker whose pid file was removed (manually, or by a manager that considered it dead): it
 * could never be found or stopped, and another is started in its place. It finishes its jobs first.
 */
function endUnlisted(path: string): void {
  let missed = false;
  const timer = setInterval(() => {
    const missing = isMissing(path);
    if (missing && missed) {
      clearInterval(timer);
      process.stderr.write(
        `the pid file ${printable(path)} is gone: this worker finishes its jobs and ends\n`,
      );
      process.kill(process.pid, 'SIGTERM');
    }
    missed = missing;
  }, LISTED_MS);
  timer.unref();
}

/** Ends the worker of an `infer up` that was killed: nothing would start the worker again, or end it. */
function endWith(supervisor: ProcessMark): void {
  const timer = setInterval(() => {
    if (stillRuns(supervisor)) return;
    clearInterval(timer);
    process.stderr.write(
      `infer up (pid ${supervisor.pid}) has ended: this worker finishes its jobs and ends\n`,
    );
    process.kill(process.pid, 'SIGTERM');
  }, LISTED_MS);
  timer.unref();
}

function isMissing(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) === undefined;
  } catch {
    // An unreachable file server says nothing about the file.
    return false;
  }
}

async function claim(path: string): Promise<WorkerFile> {
  const look = () => {
    const file = readWorkerFile(path);
    if (file === undefined || (file.process !== undefined && file.process.pid !== process.pid)) {
      throw new InferError('START_WITHDRAWN', 'this worker was stopped before it had started', {
        hint: 'infer workers list shows what runs',
      });
    }
    return file.process === undefined ? undefined : file;
  };
  return pollUntil(look, { everyMs: POLL_MS, timeoutMs: CLAIM_MS }, () => {
    // The starter was about to record it, unless it has just died.
    updateWorkerFile(path, { process: markOf(process.pid) });
    return claim(path);
  });
}
