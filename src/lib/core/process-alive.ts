import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { pollUntil } from './poll.js';

const EXIT_LOOK_MS = 20;

/** Whether a process with this id is running. A zombie (not yet reaped by its parent) counts as exited. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    // In containers whose pid 1 does not reap children, a server that exited stays a zombie forever.
    return statFields(pid)[STATE] !== 'Z';
  } catch {
    // No /proc (macOS), or it has just exited: the next check will tell.
    return true;
  }
}

/**
 * Waits until a process has exited; false when it still runs after `timeoutMs`.
 * @param runs whether it runs: `isAlive`, or `stillRuns` where its id may have been reused
 */
export function untilExited(runs: () => boolean, timeoutMs: number): Promise<boolean> {
  return pollUntil(
    () => (runs() ? undefined : true),
    { everyMs: EXIT_LOOK_MS, timeoutMs },
    () => false,
  );
}

/** Fields of /proc/<pid>/stat from the third on: the second, the name, may contain spaces and brackets. */
const STATE = 0;
const START_TIME = 19;

function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

let boot: string | undefined;

function bootId(): string {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
  return boot;
}

/**
 * Distinguishes a process from a later one with the same id: the boot, and the tick at which it started.
 * Undefined when no such process is running, or when it cannot be determined.
 */
export function birthOf(pid: number): string | undefined {
  try {
    const fields = statFields(pid);
    return fields[STATE] === 'Z' ? undefined : `${bootId()}-${fields[START_TIME]}`;
  } catch {
    if (process.platform === 'linux') return undefined;
  }
  try {
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
    return started.trim() || undefined;
  } catch {
    return undefined;
  }
}

/** A process as recorded: its id, and which process with that id. */
export interface ProcessMark {
  pid: number;
  /** Absent if it could not be determined: then only the id counts. */
  birth?: string | undefined;
}

/** A record of a process, for recognising it later. */
export function markOf(pid: number): ProcessMark {
  const birth = birthOf(pid);
  return birth === undefined ? { pid } : { pid, birth };
}

/** Whether exactly this process is still running, and not a later one with its id. */
export function stillRuns({ pid, birth }: ProcessMark): boolean {
  if (!isAlive(pid)) return false;
  if (birth === undefined) return true;
  const now = birthOf(pid);
  // Alive but not readable (another user's, hidden): assume that it is the same.
  return now === undefined || now === birth;
}

/**
 * The scope of this process's process ids: its host and, within it, the container. Two processes with the
 * same place can see whether the other is alive.
 */
export function processPlace(): string {
  try {
    return `${hostname()}/${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
