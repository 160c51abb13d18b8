import { printable } from '../core/job.js';
import { followLog, tailLog } from '../core/log-tail.js';
import { chooseWorkers, plainName, unknownWorker } from './choose-workers.js';
import { isWorkerName, type WorkerFiles } from './worker-files.js';

/** The log of one background worker, whether running, dead or stopped. */
export interface WorkerLog {
  name: string;
  log: string;
  lines: string[];
  /** Where following it begins. */
  end: number;
}

/**
 * The last lines of the logs that a name matches; includes that of a stopped worker, whose log is kept.
 * @throws InferError WORKER_UNKNOWN (exit 66).
 */
export function readWorkerLogs(files: WorkerFiles, name: string, count: number): WorkerLog[] {
  const all = files.list();
  const meant = chooseWorkers(all, [name], files.host).map((file) => file.name);
  const plain = plainName(name, files.host);
  const names = meant.length > 0 ? meant : isWorkerName(plain) ? [plain] : [];
  const logs = names.flatMap((one) => {
    const log = files.logOf(one);
    const tail = tailLog(log, count);
    return tail === null ? [] : [{ name: one, log, ...tail }];
  });
  if (logs.length === 0) throw unknownWorker(name, all);
  return logs;
}

/**
 * Passes on what is written to the logs, as it arrives, until `signal` fires.
 * @param write is awaited: a slow consumer slows down the reading.
 */
export async function followWorkerLogs(
  logs: readonly WorkerLog[],
  signal: AbortSignal,
  write: (name: string, line: string) => Promise<void>,
): Promise<void> {
  await Promise.all(
    logs.map(async ({ name, log, end }) => {
      for await (const line of followLog(log, end, signal)) await write(name, line);
    }),
  );
}

/** Prefixed with the worker's name if there are several; made safe for a terminal, otherwise unchanged. */
export function logLine(name: string, line: string, several: boolean, tty: boolean): string {
  const shown = tty ? printable(line) : line;
  return several ? `${name} | ${shown}` : shown;
}
