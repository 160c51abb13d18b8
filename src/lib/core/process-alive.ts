import { readFileSync } from 'node:fs';

/** Whether a process of this id runs. A zombie (its parent has not collected it) counts as gone. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    // In containers whose pid 1 collects nobody, a server that ended stays a zombie for ever.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    // No /proc (macOS), or it ended just now: the next look tells.
    return true;
  }
}
