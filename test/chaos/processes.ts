import { processTable } from '../support/process-table.js';
import { shiftedClock } from '../support/shifted-clock.js';

/** Ids of a process's children; none once it has exited. */
export function childrenOf(pid: number): number[] {
  return processTable()
    .filter(({ parent }) => parent === pid)
    .map((row) => row.pid);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Signals a process of ours that may have exited. */
export function signal(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, name);
  } catch {
    // It has exited already.
  }
}

/** Our own environment without the user's infer settings. */
export function cleanEnvironment(more: Record<string, string>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(INFER_|REDIS|NODE_OPTIONS|VITEST)/.test(name),
  );
  return { ...Object.fromEntries(kept), ...more };
}

/** Extra environment for a process whose host's clock is ahead by this many ms; empty when it is right. */
export function skewed(ms: number): Record<string, string> {
  return ms === 0 ? {} : shiftedClock(ms);
}
