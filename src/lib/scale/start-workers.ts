import { messageOf } from '../core/errors.js';
import { pollUntil } from '../core/poll.js';
import type { ProcessMark } from '../core/process-alive.js';
import { formatDuration } from '../core/units.js';
import { type ProcessEnd, spawnWorker, type WorkerLaunch } from './spawn-worker.js';
import type { WorkerFile, WorkerFiles } from './worker-files.js';
import { endingOf, endWorker, stateOf } from './worker-process.js';
import type { WorkerWish } from './worker-wishes.js';

export interface StartContext {
  files: WorkerFiles;
  launch: WorkerLaunch;
  /** Time within which each must be ready, ms. */
  timeoutMs: number;
  /** Ends those that are not ready yet. */
  signal: AbortSignal;
  /** Called for each as soon as its outcome is known. */
  onOutcome: (outcome: StartOutcome) => void;
  /** Who starts them again when they end, and ends with them. */
  supervisor?: ProcessMark | undefined;
  /** Called with the end of a worker's process, which this one sees as its parent. */
  onProcess?: ((name: string, ended: Promise<ProcessEnd>) => void) | undefined;
}

export interface StartOutcome {
  name: string;
  outcome: 'started' | 'running' | 'failed';
  pid: number | null;
  gpu: string | null;
  queues: readonly string[];
  log: string;
  /** Where its models run and, if not on its GPU, why. */
  device?: string;
  fallback?: string;
  /** Why it failed, and the last lines of its log. */
  reason?: string;
  lines?: string[];
}

const POLL_MS = 50;

/**
 * Starts detached workers concurrently and waits until each is ready. One that is already running is left
 * alone; one that fails, or is not ready in time, is ended and its pid file removed.
 */
export function startWorkers(wishes: readonly WorkerWish[], context: StartContext): Promise<StartOutcome[]> {
  return Promise.all(
    wishes.map(async (wish) => {
      const outcome = await startOne(wish, context);
      context.onOutcome(outcome);
      return outcome;
    }),
  );
}

async function startOne(wish: WorkerWish, context: StartContext): Promise<StartOutcome> {
  const { files, signal } = context;
  const { name, gpu, queues } = wish;
  const log = files.logOf(name);
  const { supervisor } = context;
  const whose = supervisor === undefined ? {} : { supervisor };
  const file: WorkerFile = { name, createdAt: Date.now(), argv: wish.argv, queues, gpu, log, ...whose };
  const facts = { name, gpu, queues, log };
  while (!files.create(file)) {
    const there = files.read(name);
    if (there !== undefined && stateOf(there) !== 'dead') {
      return {
        ...facts,
        gpu: there.gpu,
        queues: there.queues,
        outcome: 'running',
        pid: there.process?.pid ?? null,
      };
    }
    files.remove(name);
  }
  const failed = (reason: string, lines: string[]): StartOutcome => {
    // One that ran before keeps its flags for the next start.
    if (wish.again !== true) files.remove(name);
    return { ...facts, outcome: 'failed', pid: null, reason, lines };
  };
  let started: Awaited<ReturnType<typeof spawnWorker>>;
  try {
    started = await spawnWorker(files, file, context.launch);
  } catch (error) {
    return failed(`it cannot be started: ${messageOf(error)}`, []);
  }
  const { pid } = started;
  context.onProcess?.(name, started.ended);
  const how = await Promise.race([started.ended, untilReady(name, started.ended, context)]);
  if (how === 'ready') {
    const { device, fallback } = files.read(name) ?? file;
    const where = { ...(device && { device }), ...(gpu !== null && fallback && { fallback }) };
    return { ...facts, outcome: 'started', pid, ...where };
  }
  const current = files.read(name) ?? file;
  if (how === 'late') {
    await endWorker(files, current, 0);
    const { lines } = endingOf(files, current);
    const reason = signal.aborted
      ? 'it was stopped'
      : `it was not ready within ${formatDuration(context.timeoutMs)}`;
    return failed(reason, lines);
  }
  const ending = endingOf(files, current, how);
  return failed(ending.reason, ending.lines);
}

async function untilReady(
  name: string,
  ended: Promise<ProcessEnd>,
  { files, timeoutMs, signal }: StartContext,
): Promise<'ready' | 'late'> {
  let over = false;
  void ended.then(() => {
    over = true;
  });
  const look = (): 'ready' | 'late' | undefined => {
    if (over || signal.aborted) return 'late';
    // The worker records it there itself.
    return files.read(name)?.readyAt === undefined ? undefined : 'ready';
  };
  return pollUntil(look, { everyMs: POLL_MS, timeoutMs }, () => 'late' as const);
}
