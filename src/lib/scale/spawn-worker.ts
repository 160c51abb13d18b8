import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { rotateLog } from '../core/log-file.js';
import { markOf } from '../core/process-alive.js';
import { packageRoot } from '../model/package-root.js';
import type { WorkerFile, WorkerFiles } from './worker-files.js';

/** A larger log becomes `.old` at the next start, or while the worker runs. */
export const LOG_MAX_BYTES = 8 << 20;

export interface WorkerLaunch {
  /** The Redis with its jobs. It may contain a password, which must not appear in a list of processes. */
  redisUrl: string;
  prefix: string;
  /** Variables for settings that were given as flags. */
  env?: Readonly<Record<string, string>> | undefined;
}

/** How a process started by this one ended: an exit code, or a signal's name. */
export type ProcessEnd = number | NodeJS.Signals;

/**
 * Starts `infer worker` for an existing pid file: detached, its output in its log. From then on the pid file
 * names the process.
 * @throws the system's error when no process can be started.
 */
export async function spawnWorker(
  files: WorkerFiles,
  file: WorkerFile,
  launch: WorkerLaunch,
): Promise<{ pid: number; ended: Promise<ProcessEnd> }> {
  rotateLog(file.log, LOG_MAX_BYTES);
  const log = openSync(file.log, 'a', 0o600);
  let child: ChildProcess;
  try {
    const args = ['worker', ...file.argv, '--record', files.fileOf(file.name)];
    child = spawn(process.execPath, [join(packageRoot(), 'bin', 'run.js'), ...args], {
      // Its own session and process group: Ctrl-C and a closed terminal end the command, not the worker, and
      // the group contains the worker and its runners.
      detached: true,
      stdio: ['ignore', log, log],
      env: {
        ...process.env,
        ...launch.env,
        INFER_REDIS_URL: launch.redisUrl,
        INFER_PREFIX: launch.prefix,
      },
    });
  } finally {
    closeSync(log);
  }
  const ended = new Promise<ProcessEnd>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 1));
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  child.unref();
  const pid = child.pid as number;
  files.update(file.name, { process: markOf(pid) });
  return { pid, ended };
}
