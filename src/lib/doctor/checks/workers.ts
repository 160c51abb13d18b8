import { formatDuration } from '../../core/units.js';
import { clockState, isLate, isSilent } from '../../deployment/judgements.js';
import { CLOCK_FIX, clockText } from '../../queue/clocks.js';
import type { WorkerRecord } from '../../queue/types.js';
import { type Check, fail, type Judgement, ok, several, skip, warn } from '../check.js';
import type { Machine, Sample } from '../context.js';

export const workerBeats: Check = {
  id: 'worker-beats',
  topic: 'workers',
  title: 'workers are alive',
  run: async (context) => {
    const { second } = await context.samples();
    return judgeBeats(second);
  },
};

type WorkersSample = Pick<Sample, 'at' | 'workers'>;

export function judgeBeats({ workers, at }: WorkersSample): Judgement {
  if (workers.length === 0) return skip('no worker is running', { fix: 'infer worker' });
  const silent = workers.filter((worker) => isSilent(worker, at));
  if (silent.length > 0) {
    const { found, details } = several(
      silent.map(
        (worker) =>
          `worker ${worker.name} (pid ${worker.pid} on ${worker.host}) has been silent for ${formatDuration(at - worker.beatAt)}: stopped, hung or dead`,
      ),
    );
    const [one] = silent as [WorkerRecord];
    return fail(found, `on ${one.host}: kill -9 ${one.pid}, and start it again`, { details });
  }
  const blocked = workers.filter(isLate);
  if (blocked.length > 0) {
    const { found, details } = several(
      blocked.map(
        (worker) =>
          `worker ${worker.name} was held up for ${formatDuration(worker.loopLagMs)}: its machine is overloaded or out of memory`,
      ),
    );
    return warn(found, 'infer doctor system on that machine; fewer --threads or --concurrency', { details });
  }
  const lines = workers.map(
    (worker) => `${worker.name}: ${worker.queues.join(',')} on ${worker.device}, ${worker.state}`,
  );
  return workers.length === 1 ? ok(lines[0] as string) : ok(`${workers.length} workers`, lines);
}

export const workerVersions: Check = {
  id: 'worker-versions',
  topic: 'workers',
  title: 'versions of workers',
  run: async (context) => judgeVersions((await context.samples()).second.workers, context.version),
};

/** @param own version of this infer. */
export function judgeVersions(workers: readonly WorkerRecord[], own: string): Judgement {
  if (workers.length === 0) return skip('no worker is running');
  const versions = [...new Set(workers.map((worker) => worker.version))].sort();
  if (versions.length === 1 && versions[0] === own) return ok(`all ${own}, same as this infer`);
  const of = (version: string): string =>
    workers
      .filter((worker) => worker.version === version)
      .map((worker) => worker.name)
      .join(', ');
  const lines = versions.map((version) => `${version}: ${of(version)}`);
  const found =
    versions.length > 1
      ? `workers are of ${versions.length} versions (${lines.join('; ')}), this infer is ${own}`
      : `workers are ${versions[0]}, this infer is ${own}`;
  return warn(found, 'install one version everywhere and restart the workers one after another');
}

export const workerClocks: Check = {
  id: 'worker-clocks',
  topic: 'workers',
  title: 'clocks of workers',
  run: async (context) => {
    const { first, second } = await context.samples();
    return judgeWorkerClocks(first, second);
  },
};

/** Every worker compares its host's clock with Redis's, and reports the difference in its heartbeat. */
export function judgeWorkerClocks(first: WorkersSample, second: WorkersSample): Judgement {
  const living = second.workers.filter((worker) => {
    const before = first.workers.find((one) => one.id === worker.id);
    return before !== undefined && before.beatAt !== worker.beatAt && worker.clockAheadMs !== undefined;
  });
  if (living.length === 0) return skip('no worker has sent a heartbeat between the two samples');
  const skewed = living
    .map((worker) => ({ worker, ahead: worker.clockAheadMs ?? 0 }))
    .filter(({ ahead }) => clockState(ahead) !== 'right');
  if (skewed.length === 0) {
    return ok(
      living.length === 1 ? "agrees with Redis's clock" : `all ${living.length} agree with Redis's clock`,
    );
  }
  const { found, details } = several(
    skewed.map(({ worker, ahead }) => clockText(`worker ${worker.name} (${worker.host})`, ahead)),
  );
  const isWrong = skewed.some(({ ahead }) => clockState(ahead) === 'wrong');
  return isWrong ? fail(found, CLOCK_FIX, { details }) : warn(found, CLOCK_FIX, { details });
}

export const workerCores: Check = {
  id: 'worker-cores',
  topic: 'workers',
  title: 'CPU cores for the workers here',
  run: async (context) => judgeCores((await context.samples()).second.workers, context.machine),
};

/** Threads of all concurrent runs of this machine's workers, compared with its cores. */
export function judgeCores(
  workers: readonly WorkerRecord[],
  { host, cores }: Pick<Machine, 'host' | 'cores'>,
): Judgement {
  const here = workers.filter((worker) => worker.host === host && worker.threads !== undefined);
  if (here.length === 0) return skip('no worker runs on this machine');
  const threads = here.reduce((sum, worker) => sum + (worker.threads ?? 0) * runnersOf(worker), 0);
  const found = `${here.length === 1 ? '1 worker' : `${here.length} workers`} may keep ${threads === 1 ? '1 thread' : `${threads} threads`} busy, this machine has ${cores} ${cores === 1 ? 'core' : 'cores'}`;
  const lines = here.map((worker) => `${worker.name}: ${runnersOf(worker)} × ${worker.threads}`);
  if (threads <= cores) return ok(found, lines);
  return warn(found, 'start them with fewer --threads or --concurrency, or run fewer workers', {
    details: lines,
  });
}

/** The maximum: one with --autoscale reaches it under load. */
function runnersOf({ autoscale, concurrency }: WorkerRecord): number {
  return autoscale?.max ?? concurrency;
}
