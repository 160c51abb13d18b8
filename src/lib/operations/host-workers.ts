import { type AuditSummary, failureSummary } from '../queue/audit-summary.js';
import type { RedisClient } from '../redis/types.js';
import type { Actor } from './operation.js';

/** What became of one background worker of a host. */
export interface HostWorker {
  name: string;
  outcome: 'stopped' | 'killed' | 'not running' | 'started' | 'running' | 'failed';
}

/** Ending or restarting background workers of a host, also those of `infer up`. Done through their processes: ending them needs no Redis. */
export interface HostAction<Worker extends HostWorker> {
  action: 'workers stop' | 'workers restart' | 'down';
  /** The names as typed. */
  target: string;
  /** @param onWorker called for each worker as soon as its outcome is known */
  run: (onWorker: (worker: Worker) => void) => Promise<Worker[]>;
}

export interface HostCaller {
  prefix: string;
  actor: Actor;
  signal: AbortSignal;
  /** Connects to the Redis of the audit log, in bounded time. */
  withAuditLog: (write: (client: RedisClient) => Promise<void>) => Promise<void>;
  /** Called when the entry could not be written: the action stays done. */
  onUnaudited: (error: unknown) => void;
}

/**
 * Performs the action, then writes its audit entry, for any outcome; none if no worker was running.
 * @throws the error of the action.
 */
export async function performOnHost<Worker extends HostWorker>(
  { action, target, run }: HostAction<Worker>,
  { prefix, actor, signal, withAuditLog, onUnaudited }: HostCaller,
): Promise<Worker[]> {
  const note = async ({ code, ...said }: AuditSummary): Promise<void> => {
    const entry = { ...actor, action, target, detail: '', code: code ?? null, ...said };
    try {
      // The client of Redis is loaded only if there is something to write.
      const { writeAudit } = await import('../queue/audit.js');
      const { worded } = await import('../redis/worded.js');
      await withAuditLog((client) => worded(client, writeAudit(client, prefix, entry)));
    } catch (error) {
      onUnaudited(error);
    }
  };
  const done: Worker[] = [];
  let workers: Worker[];
  try {
    workers = await run((worker) => void done.push(worker));
  } catch (error) {
    const said = failureSummary(error, signal, summaryOf(done)?.count ?? 0);
    if (said !== undefined) await note(said);
    else onUnaudited(error);
    throw error;
  }
  const summary = summaryOf(workers);
  if (summary === undefined) return workers;
  // An interrupted restart returns after the current worker.
  const said = signal.aborted ? failureSummary(signal.reason, signal, summary.count) : summary;
  if (said !== undefined) await note(said);
  return workers;
}

/** Undefined when no worker was running: then nothing was changed. */
function summaryOf(workers: readonly HostWorker[]): AuditSummary | undefined {
  const changed = workers.filter(({ outcome }) => outcome !== 'not running');
  if (changed.length === 0) return undefined;
  const well = changed.filter(({ outcome }) => outcome !== 'failed').length;
  return {
    count: well,
    outcome: well === changed.length ? 'ok' : well === 0 ? 'failed' : 'partial',
    result: changed.map(({ name, outcome }) => `${name} ${outcome}`).join(', '),
  };
}
