import { settledWithin } from '../core/bounded.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/printable.js';
import { markOf, stillRuns } from '../core/process-alive.js';
import type { ProcessEnd, WorkerLaunch } from '../scale/spawn-worker.js';
import { startWorkers } from '../scale/start-workers.js';
import { stopWorkers } from '../scale/stop-workers.js';
import type { WorkerFile, WorkerFiles } from '../scale/worker-files.js';
import { endingOf as endingOfWorker, endWorker, handBackNow } from '../scale/worker-process.js';
import type { WorkerWish } from '../scale/worker-wishes.js';
import { endingOf, KeptPart, type RunningPart, StartFailure } from './kept-part.js';
import { wasKilled } from './spawn-infer.js';
import type { Missing, Tell, UpWorker } from './types.js';

/** Loading a large model from a slow disk takes minutes. */
const START_TIMEOUT_MS = 600_000;
/** After its drain time a worker requeues its jobs itself; this is a little later. */
const AFTER_DRAIN_MS = 5000;

export interface CrewOptions {
  files: WorkerFiles;
  wishes: readonly WorkerWish[];
  launch: WorkerLaunch;
  drainTimeoutMs: number;
  tell: Tell;
}

interface WorkerProcess extends RunningPart {
  readonly facts: UpWorker;
  readonly fallback: string | undefined;
}

/** The workers of `infer up`: processes with pid files, as those of `infer workers start`. */
export class WorkerCrew {
  private readonly parts: KeptPart<WorkerProcess>[];

  constructor(private readonly options: CrewOptions) {
    this.parts = options.wishes.map(
      (wish) =>
        new KeptPart<WorkerProcess>({
          name: `worker ${wish.name}`,
          tell: options.tell,
          open: (signal) => openWorker(wish, options, signal),
        }),
    );
  }

  /**
   * Starts all, and waits until each is ready or has failed; those that failed are tried again.
   * @throws InferError UP_WORKERS (69) when none has started; the reason of `signal`.
   */
  async start(signal: AbortSignal): Promise<void> {
    await endLeftovers(this.options);
    const starts = await Promise.allSettled(this.parts.map((part) => part.open(signal)));
    const failures = starts.map((start) => (start.status === 'rejected' ? start.reason : undefined));
    if (signal.aborted || failures.every((failure) => failure !== undefined)) {
      await this.stop(AbortSignal.abort());
      signal.throwIfAborted();
      throw this.noneStarted(failures[0]);
    }
    this.parts.forEach((part, at) => {
      part.keep(failures[at]);
    });
  }

  /** Lets all finish their jobs; when `hurry` fires, they requeue them. */
  async stop(hurry: AbortSignal): Promise<void> {
    await Promise.all(this.parts.map((part) => part.stop(hurry)));
  }

  /** Those that run at the moment. */
  get workers(): UpWorker[] {
    return this.parts.flatMap((part) => part.current?.facts ?? []);
  }

  /** Workers that do not run on their GPU. */
  get missing(): Missing[] {
    return this.parts.flatMap(({ name, current }) =>
      current?.fallback === undefined
        ? []
        : [
            {
              code: 'GPU_NOT_USED',
              message: `${name} runs on ${current.facts.device ?? 'the CPU'}, not on its GPU: ${current.fallback}`,
              fix: 'infer doctor',
            },
          ],
    );
  }

  private noneStarted(failure: unknown): InferError {
    const { reason, lines } = endingOf(failure);
    const said = lines.length === 0 ? '' : `: ${lines.join(' / ')}`;
    const [first] = this.options.wishes;
    return new InferError('UP_WORKERS', `no worker has started, the first with ${reason}${said}`, {
      hint: `infer workers logs ${first?.name ?? ''}`.trim(),
    });
  }
}

async function openWorker(
  wish: WorkerWish,
  { files, launch, drainTimeoutMs }: CrewOptions,
  signal: AbortSignal,
): Promise<WorkerProcess> {
  signal.throwIfAborted();
  let process: Promise<ProcessEnd> | undefined;
  const [outcome] = await startWorkers([wish], {
    files,
    launch,
    timeoutMs: START_TIMEOUT_MS,
    signal,
    onOutcome: () => undefined,
    supervisor: markOf(globalThis.process.pid),
    onProcess: (_name, ended) => {
      process = ended;
    },
  });
  const file = files.read(wish.name);
  signal.throwIfAborted();
  if (outcome?.outcome !== 'started' || file === undefined || process === undefined) {
    if (outcome?.outcome === 'running') throw alreadyThere(wish.name, outcome.pid);
    throw new StartFailure({ reason: outcome?.reason ?? 'unknown reason', lines: outcome?.lines ?? [] });
  }
  const { name, pid, gpu, queues, device, fallback } = outcome;
  return {
    pid: pid as number,
    detail: device ?? 'no model loaded',
    facts: { name, pid: pid as number, gpu, queues, device: device ?? null },
    fallback,
    ended: process.then((end) => {
      const { reason, lines } = endingOfWorker(files, file, end);
      return { reason, lines: wasKilled(end) ? [] : lines };
    }),
    stop: (hurry) => stopWorker(files, file, drainTimeoutMs + AFTER_DRAIN_MS, hurry),
  };
}

function alreadyThere(name: string, pid: number | null): StartFailure {
  const who = pid === null ? '' : ` (pid ${pid})`;
  return new StartFailure({
    reason: `another worker of that name runs already${who}: infer workers stop ${printable(name)}`,
    lines: [],
  });
}

/** @returns whether it had to be killed */
async function stopWorker(
  files: WorkerFiles,
  file: WorkerFile,
  limitMs: number,
  hurry: AbortSignal,
): Promise<boolean> {
  const ended = endWorker(files, file, hurry.aborted ? 0 : limitMs);
  await settledWithin(Number.POSITIVE_INFINITY, ended, hurry);
  if (hurry.aborted && file.process !== undefined) await handBackNow(file.process);
  const killed = await ended;
  files.remove(file.name);
  return killed;
}

/** Workers of an `infer up` that was killed are ending; their names, and GPUs, must be free for others. */
async function endLeftovers({ files, drainTimeoutMs, tell }: CrewOptions): Promise<void> {
  const left = files.list().filter(({ supervisor }) => supervisor !== undefined && !stillRuns(supervisor));
  await stopWorkers(files, left, drainTimeoutMs + AFTER_DRAIN_MS, ({ name, outcome }) => {
    if (outcome === 'not running') return;
    tell({ event: 'stopped', part: `worker ${name} of an earlier infer up`, killed: outcome === 'killed' });
  });
}
