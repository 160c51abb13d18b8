import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Whether a process of this id runs. A zombie (its parent has not collected it) counts as gone. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    // In containers whose pid 1 collects no one, a server that ended stays a zombie forever.
    return statFields(pid)[STATE] !== 'Z';
  } catch {
    // No /proc (macOS), or it ended just now: the next look tells.
    return true;
  }
}

/** Fields of /proc/<pid>/stat from the third on: the second, the name, may hold spaces and brackets. */
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
 * What tells a process from a later one that got its id: the boot and the tick in which it started.
 * Undefined when no such process runs, or when nothing here can tell.
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

/** A process as it is written down: its id, and which process of that id. */
export interface ProcessMark {
  pid: number;
  /** Absent where it could not be told: then the id alone counts. */
  birth?: string | undefined;
}

/** This process or another, so that it can be known again. */
export function markOf(pid: number): ProcessMark {
  const birth = birthOf(pid);
  return birth === undefined ? { pid } : { pid, birth };
}

/** Whether that very process still runs, and not a later one that was given its id. */
export function stillRuns({ pid, birth }: ProcessMark): boolean {
  if (!isAlive(pid)) return false;
  if (birth === undefined) return true;
  const now = birthOf(pid);
  // Alive and not readable (another user's, hidden): it gets the benefit of the doubt.
  return now === undefined || now === birth;
}

/**
 * Where process ids of this process mean something: its host, and in it the container. Two with the
 * same place can see whether the other lives.
 */
export function processPlace(): string {
  try {
    return `${hostname()}/${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
