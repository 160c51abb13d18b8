import { processTable } from '../support/process-table.js';
import { shiftedClock } from '../support/shifted-clock.js';

/** Ids of a process's children; none once it is gone. */
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

/** A signal to a process of ours that may be gone by now. */
export function signal(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}

/** Our own environment without settings of infer's that the user may have. */
export function cleanEnvironment(more: Record<string, string>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(INFER_|REDIS|NODE_OPTIONS|VITEST)/.test(name),
  );
  return { ...Object.fromEntries(kept), ...more };
}

/** More environment for a process whose host's clock is ahead by so many ms; none where it is right. */
export function skewed(ms: number): Record<string, string> {
  return ms === 0 ? {} : shiftedClock(ms);
}
