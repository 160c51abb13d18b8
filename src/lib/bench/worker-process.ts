import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { settledWithin } from '../core/bounded.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { packageRoot } from '../model/package-root.js';

export interface WorkerProcess {
  readonly pid: number;
  /** Rejects if it exits before it was told to. */
  readonly failed: Promise<never>;
  /** Lets it finish its run, and kills it if that takes too long. */
  stop(): Promise<void>;
  /** Kills it and its runner immediately; for the very end of this process, when nothing can wait. */
  kill(): void;
  /** Lets it outlive this process. */
  release(): void;
}

const STOP_GRACE_MS = 5000;
const LAST_LINES = 3;

/** Starts the real `infer worker` as a separate process; its output goes to `log`. */
export function startWorker(options: { args: string[]; redisUrl: string; log: string }): WorkerProcess {
  const log = openSync(options.log, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, [join(packageRoot(), 'bin', 'run.js'), 'worker', ...options.args], {
      // In its own session: Ctrl-C reaches only the demo, which then stops the worker properly.
      detached: true,
      stdio: ['ignore', log, log],
      // The URL may contain a password, which must not appear in a list of processes.
      env: { ...process.env, INFER_REDIS_URL: options.redisUrl },
    });
  } finally {
    closeSync(log);
  }
  let ended = false;
  let told = false;
  const exited = new Promise<string>((resolve) => {
    const end = (how: string) => {
      ended = true;
      resolve(how);
    };
    child.once('error', (error) => end(error.message));
    child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
  });
  const failed = exited.then((how): never => {
    if (told) return undefined as never;
    throw new InferError('DEMO_WORKER', `the worker ended (${how}): ${lastLines(options.log)}`, {
      hint: 'infer worker, to see all it says',
    });
  });
  // Waits race with it; before and after, nothing listens.
  failed.catch(() => undefined);
  const kill = () => {
    if (ended || child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has just exited.
    }
  };
  return {
    pid: child.pid ?? -1,
    failed,
    async stop() {
      told = true;
      if (ended) return;
      child.kill('SIGTERM');
      if (!(await settledWithin(STOP_GRACE_MS, exited))) kill();
      await exited;
    },
    kill,
    release() {
      told = true;
      child.unref();
    },
  };
}

function lastLines(file: string): string {
  try {
    const lines = readFileSync(file, 'utf8').trim().split('\n').slice(-LAST_LINES);
    return printable(lines.join(' / ')).slice(0, 500);
  } catch {
    return 'it said nothing';
  }
}
