import { settledWithin } from '../core/bounded.js';
import { type ProcessMark, stillRuns, untilExited } from '../core/process-alive.js';
import { type StopOutcome, stopWorkers } from '../scale/stop-workers.js';
import { WorkerFiles } from '../scale/worker-files.js';
import { stateOf } from '../scale/worker-process.js';
import { UpFiles } from './up-files.js';

/** What `infer down` stopped. */
export interface TakenDown {
  /** Of the `infer up`; null if none was running. */
  pid: number | null;
  /** `killed`: it did not end in time. */
  outcome: 'stopped' | 'killed' | 'not running';
  /** Its workers. */
  workers: StopOutcome[];
}

/** A second signal counts from 250 ms after the first. */
const SECOND_SIGNAL_MS = 300;
/** Time for its parts to hand their jobs back and end; a worker is killed after 5 s of that itself. */
const LEAVE_MS = 15_000;

/**
 * Stops the `infer up` of this host, and waits until everything has ended that it started, apart from Redis.
 * Workers that an `infer up` left behind when it was killed are stopped too.
 * @param timeoutMs how long open requests and jobs may take; then jobs are requeued
 * @throws InferError STATE_DIR (77)
 */
export async function takeDown(stateDir: string, timeoutMs: number, signal: AbortSignal): Promise<TakenDown> {
  const files = new UpFiles(stateDir);
  const workerFiles = new WorkerFiles(stateDir);
  const own = () => workerFiles.list().filter(({ supervisor }) => supervisor !== undefined);
  const ran = own().filter((file) => stateOf(file) !== 'dead');
  const running = files.running();
  let killed = false;
  if (running !== undefined) {
    killed = await end(running.process, timeoutMs, signal);
    signal.throwIfAborted();
  }
  const left = own();
  const ended = await stopWorkers(workerFiles, left, running === undefined ? timeoutMs : 0, () => undefined);
  files.remove();
  const workers = ran.map(
    ({ name, process }): StopOutcome =>
      ended.find((outcome) => outcome.name === name && outcome.outcome !== 'not running') ?? {
        name,
        pid: process?.pid ?? null,
        outcome: 'stopped',
      },
  );
  const outcome = running === undefined ? 'not running' : killed ? 'killed' : 'stopped';
  return { pid: running?.process.pid ?? null, outcome, workers };
}

/** @returns whether it had to be killed; false also when `signal` fired, and it is still ending */
async function end(process: ProcessMark, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const isRunning = () => stillRuns(process);
  const within = async (ms: number): Promise<boolean> => {
    const exited = untilExited(isRunning, ms);
    return (await settledWithin(Number.POSITIVE_INFINITY, exited, signal)) ? exited : true;
  };
  send(process, 'SIGTERM');
  if (await within(Math.max(timeoutMs, SECOND_SIGNAL_MS))) return false;
  send(process, 'SIGTERM');
  if (await within(LEAVE_MS)) return false;
  send(process, 'SIGKILL');
  await within(LEAVE_MS);
  return true;
}

function send({ pid }: ProcessMark, name: NodeJS.Signals): void {
  try {
    globalThis.process.kill(pid, name);
  } catch {
    // It has just ended.
  }
}
