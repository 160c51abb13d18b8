import type { WorkerFile, WorkerFiles } from './worker-files.js';
import { endingOf, endWorker, type ProcessState, stateOf } from './worker-process.js';

export interface StopOutcome {
  name: string;
  pid: number | null;
  /** `stopped`: it finished its jobs or requeued them; `killed`: it did neither. */
  outcome: 'stopped' | 'killed' | 'not running';
}

export interface WorkerStatus {
  name: string;
  /** Its name in `infer inspect` and `infer control`. */
  worker: string;
  state: ProcessState;
  pid: number | null;
  gpu: string | null;
  /** Where its models run; null until it is ready. */
  device: string | null;
  queues: readonly string[];
  /** ms since the epoch. */
  startedAt: number;
  /** Name of the autoscaler's pool; null for a worker started manually. */
  pool: string | null;
  /** Found by an autoscaler that did not start it. */
  adopted: boolean;
  /** Pid of the autoscaler that manages it; null when none is running. */
  autoscaler: number | null;
  /** Pid of the `infer up` that it belongs to; null for any other worker. */
  up: number | null;
  log: string;
  /** For a dead one: why it ended, and its last output. */
  reason: string | null;
  lines: string[];
}

/** Every detached worker of this host, including dead ones until they are stopped or started again. */
export function listDetached(files: WorkerFiles): WorkerStatus[] {
  return files.list().map((file) => {
    const state = stateOf(file);
    const ending = state === 'dead' ? endingOf(files, file) : undefined;
    return {
      name: file.name,
      worker: `${file.name}@${files.host}`,
      state,
      pid: file.process?.pid ?? null,
      gpu: file.gpu,
      device: file.device ?? null,
      queues: file.queues,
      startedAt: file.createdAt,
      pool: file.pool ?? null,
      adopted: file.adopted ?? false,
      autoscaler: file.pool === undefined ? null : (files.poolHolder(file.pool)?.pid ?? null),
      up: file.supervisor?.pid ?? null,
      log: file.log,
      reason: ending?.reason ?? null,
      lines: ending?.lines ?? [],
    };
  });
}

/**
 * Lets workers finish their jobs, for at most `timeoutMs`; then they requeue them. Removes their pid files,
 * including those of dead workers.
 */
export function stopWorkers(
  files: WorkerFiles,
  chosen: readonly WorkerFile[],
  timeoutMs: number,
  onOutcome: (outcome: StopOutcome) => void,
): Promise<StopOutcome[]> {
  return Promise.all(
    chosen.map(async (file) => {
      const alive = stateOf(file) !== 'dead';
      const killed = alive && (await endWorker(files, file, timeoutMs));
      files.remove(file.name);
      const outcome: StopOutcome = {
        name: file.name,
        pid: file.process?.pid ?? null,
        outcome: killed ? 'killed' : alive ? 'stopped' : 'not running',
      };
      onOutcome(outcome);
      return outcome;
    }),
  );
}
