import { readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import type { Started } from './cli.js';

export interface WorkerOptions {
  /** Do not wait for this line; a worker that fails to start is awaited with `exited`. */
  readyLine?: RegExp;
}

export interface TestWorker {
  readonly pid: number;
  /** Its standard error so far. */
  readonly stderr: string;
  /** Resolves with its exit code. */
  readonly exited: Promise<number | undefined>;
  signal(name: NodeJS.Signals): void;
  /** Resolves when a line of standard error matches. */
  said(line: RegExp): Promise<void>;
  /** SIGTERM, then SIGKILL when that takes too long; returns the exit code. */
  stop(): Promise<number | undefined>;
}

const READY = /^ready\b/m;
const START_MS = 100_000;
const STOP_MS = 30_000;

/** Waits for the ready line of a worker process; ends it if that does not come. */
export async function startWorker(child: Started, options: WorkerOptions = {}): Promise<TestWorker> {
  let stderr = '';
  let over = false;
  const changed = new Set<() => void>();
  const notify = (): void => {
    for (const look of [...changed]) look();
  };
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += stripVTControlCharacters(chunk.toString());
    notify();
  });
  const exited = child.then(({ exitCode }) => {
    over = true;
    notify();
    return exitCode;
  });
  const said = (line: RegExp, timeoutMs = START_MS): Promise<void> =>
    new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        changed.delete(look);
        settle();
      };
      const look = (): void => {
        if (line.test(stderr)) end(resolve);
        else if (over) end(() => reject(new Error(`the worker ended before it said ${line}: ${stderr}`)));
      };
      const timer = setTimeout(
        () => end(() => reject(new Error(`the worker never said ${line}: ${stderr}`))),
        timeoutMs,
      );
      changed.add(look);
      look();
    });

  try {
    await said(options.readyLine ?? READY);
  } catch (error) {
    child.kill('SIGKILL');
    await exited;
    throw error;
  }
  return {
    pid: child.pid as number,
    get stderr() {
      return stderr;
    },
    exited,
    signal: (name) => void child.kill(name),
    said,
    stop: async () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      return exited.finally(() => clearTimeout(timer));
    },
  };
}

/** Child processes of a process; of a worker, its runners. Empty where there is no /proc. */
export function childrenOf(pid: number): number[] {
  try {
    const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return pids.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Whether a process exists; one that is dead but not reaped does not count. */
export function lives(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
