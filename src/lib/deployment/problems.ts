import { jobsWait, percent, plural } from '../core/counts.js';
import { THRESHOLDS } from '../core/thresholds.js';
import { formatDuration } from '../core/units.js';
import { CLOCK_FIX, clockText } from '../queue/clocks.js';
import { type DataLoss, lossFix, lossText } from '../queue/data-mark.js';
import type { QueueSnapshot } from '../queue/read/inspector.js';
import {
  newerText,
  newestNeeded,
  queueFix,
  type UnservedJobs,
  unservedFix,
  unservedJobs,
  unservedText,
} from '../queue/routes.js';
import { servingWorkers } from '../queue/serving.js';
import type { StartingWorker } from '../queue/starting.js';
import type { WorkerRecord } from '../queue/types.js';
import { evictionRisk } from '../redis/eviction.js';
import { memoryState } from '../redis/memory-state.js';
import { autoscalerProblems } from './autoscaler-problems.js';
import { damageProblems } from './damage-problems.js';
import { clockState, isLate, isSilent, isUnserved, standsStill } from './judgements.js';
import { modelProblems } from './model-problems.js';
import type { Overview, RedisOverview } from './overview.js';
import type { Problem } from './problem.js';

/** All problems at one moment, most urgent first. Pure. */
export function findProblems(overview: Overview): Problem[] {
  const { redis, queues, workers, starting = [], at } = overview;
  const backlog = queues.filter((queue) => queue.waiting > 0);
  const silent = workers.filter((worker) => isSilent(worker, at));
  const talking = workers.filter((worker) => !silent.includes(worker));
  return [
    ...(workers.length + starting.length === 0
      ? [noWorkers(backlog)]
      : backlog.flatMap((queue) => queueProblems(queue, { workers, talking, starting }))),
    ...silent.map((worker) => silentWorker(worker, at)),
    ...modelProblems(talking),
    ...autoscalerProblems(overview),
    ...(overview.losses ?? []).map((loss) => lostData(loss, at)),
    ...damageProblems(overview.damage ?? []),
    ...queues.filter((one) => one.paused).map(pausedQueue),
    ...redisProblems(redis),
    ...clockProblems(overview),
    ...talking.flatMap(mixedRows),
    ...talking.filter(isLate).map(lateWorker),
  ];
}

function lostData(loss: DataLoss, at: number): Problem {
  return { code: 'DATA_LOST', message: lossText(loss, at), fix: lossFix(loss) };
}

function noWorkers(backlog: readonly QueueSnapshot[]): Problem {
  const names = backlog.map((queue) => queue.name);
  const none = names.length === 0;
  const newer = newestNeeded(backlog.map((queue) => queue.newer));
  return {
    code: 'NO_WORKERS',
    message: none
      ? 'no worker is running'
      : `no worker is running and jobs wait in ${names.join(', ')}${newerText(newer)}`,
    fix: queueFix(none ? ['default'] : names, newer),
  };
}

interface QueueWorkers {
  workers: readonly WorkerRecord[];
  /** Those that are not silent: only of these it is known whether they are idle. */
  talking: readonly WorkerRecord[];
  starting: readonly StartingWorker[];
}

/** Jobs wait, but no worker serves them, or the ones that do take none. */
function queueProblems(queue: QueueSnapshot, { workers, talking, starting }: QueueWorkers): Problem[] {
  if (isUnserved(queue.name, workers, starting)) {
    return [
      {
        code: 'QUEUE_UNSERVED',
        message: `queue ${queue.name}: ${jobsWait(queue.waiting)} and no worker serves it${newerText(queue.newer)}`,
        fix: queueFix([queue.name], queue.newer),
      },
    ];
  }
  const unserved = unservedJobs(queue, workers, starting);
  // Other jobs may have just arrived, and their age is unknown. A silent worker would not answer the fix.
  if (unserved.length > 0) return unserved.map((jobs) => unservedModel(queue, jobs, talking));
  if (!standsStill(queue, { queues: [queue], workers: talking })) return [];
  const serving = servingWorkers(talking, queue.name);
  const names = serving.map((worker) => worker.name).join(', ');
  return [
    {
      code: 'WORKERS_IDLE',
      message: `queue ${queue.name}: ${jobsWait(queue.waiting)} (the oldest for ${formatDuration(queue.oldestMs ?? 0)}) and ${names} ${serving.length === 1 ? 'is alive and takes' : 'are alive and take'} none`,
      fix: `infer control restart ${serving[0]?.name}`,
    },
  ];
}

function unservedModel(queue: QueueSnapshot, jobs: UnservedJobs, workers: readonly WorkerRecord[]): Problem {
  return {
    code: 'MODEL_NO_WORKER',
    message: unservedText(queue.name, jobs),
    fix: unservedFix(queue.name, jobs, workers),
  };
}

function silentWorker(worker: WorkerRecord, at: number): Problem {
  return {
    code: 'WORKER_SILENT',
    message: `worker ${worker.name} has been silent for ${formatDuration(at - worker.beatAt)}: it hangs, died or cannot reach Redis`,
    fix: `look at process ${worker.pid} on ${worker.host}; its jobs run elsewhere when their locks expire`,
  };
}

/**
 * Hosts whose clocks are off, each once, by its newest record that has the figure; this machine by its own
 * measurement. If that finds nothing wrong, a record may still be right: machines often share a name.
 */
function clockProblems({ workers, autoscalers, host: here, clockAheadMs }: Overview): Problem[] {
  const records = [
    ...workers.map(({ host, clockAheadMs: ms, beatAt: at }) => ({ host, ms, at })),
    ...autoscalers.map(({ host, clockAheadMs: ms, decidedAt: at }) => ({ host, ms, at })),
  ];
  const isOff = (ms: number | undefined) => clockState(ms) !== 'right';
  const ahead = new Map<string, number>();
  for (const { host, ms } of records.sort((a, b) => a.at - b.at)) {
    if (ms !== undefined && (host !== here || !isOff(clockAheadMs))) ahead.set(`host ${host}`, ms);
  }
  if (clockAheadMs !== undefined) ahead.set('this machine', clockAheadMs);
  return [...ahead].flatMap(([whose, ms]) =>
    isOff(ms) ? [{ code: 'CLOCK_OFF', message: clockText(whose, ms), fix: CLOCK_FIX }] : [],
  );
}

function lateWorker(worker: WorkerRecord): Problem {
  return {
    code: 'LOOP_LAG',
    message: `worker ${worker.name} was blocked for ${formatDuration(worker.loopLagMs)}: locks and urgent jobs come late`,
    fix: 'give it its own core (fewer --threads or workers on the host), or send smaller inputs',
  };
}

/** Until the check while serving noticed it, answers of such a model were wrong. */
function mixedRows(worker: WorkerRecord): Problem[] {
  return worker.models.flatMap(({ name, version, unbatched }) =>
    unbatched?.reason !== 'ROWS_MIXED'
      ? []
      : [
          {
            code: 'ROWS_MIXED',
            message: `worker ${worker.name} runs rows of ${name}@${version} one at a time since it found them to mix: ${unbatched.text}; answers before that may be wrong`,
            fix: `say "batchable": false in ${name}/model.json and restart its workers: infer control restart ${worker.name}`,
          },
        ],
  );
}

function pausedQueue(queue: QueueSnapshot): Problem {
  return {
    code: 'QUEUE_PAUSED',
    message: `queue ${queue.name} is paused${queue.waiting > 0 ? ` and ${plural(queue.waiting, 'job')} ${queue.waiting === 1 ? 'waits' : 'wait'} in it` : ''}`,
    fix: `infer control resume ${queue.name}`,
  };
}

function redisProblems(redis: RedisOverview): Problem[] {
  const problems: Problem[] = [];
  const { usedMemoryBytes: usedMemory, maxMemoryBytes: maxMemory } = redis;
  if (memoryState({ usedMemory, maxMemory }) === 'full') {
    problems.push({
      code: 'REDIS_MEMORY',
      message: `Redis is ${percent(usedMemory / maxMemory)} full: new jobs are refused from ${percent(THRESHOLDS.memoryFull.value)} on`,
      fix: 'infer redis-tune shows what fills it and how many more jobs fit',
    });
  }
  if (evictionRisk(redis.policy) !== undefined) {
    problems.push({
      code: 'REDIS_POLICY',
      message: `Redis may drop jobs when it is full: maxmemory-policy is ${redis.policy}`,
      fix: 'infer redis-tune apply --policy noeviction',
    });
  }
  return problems;
}
