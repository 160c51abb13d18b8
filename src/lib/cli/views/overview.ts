import type { WorkerRecord } from '../../queue/broker.js';
import type { QueueSnapshot } from '../../queue/inspector.js';

/** The Redis server as `inspect` shows it. */
export interface RedisOverview {
  /** Address without credentials. */
  label: string;
  /** Where the address came from; `embedded` is infer's own private server. */
  source: string;
  version: string;
  usedMemoryBytes: number;
  /** 0 = no limit. */
  maxMemoryBytes: number;
  policy: string;
}

/** Everything `infer inspect` shows, read at one moment. */
export interface Overview {
  redis: RedisOverview;
  queues: QueueSnapshot[];
  workers: WorkerRecord[];
}

/** The documented JSON of `inspect`; other tools read it, so fields are only ever added. */
export interface OverviewJson {
  redis: RedisOverview;
  queues: (Omit<QueueSnapshot, 'oldestMs'> & { oldestMs: number | null })[];
  workers: WorkerRecord[];
  problems: Problem[];
}

/** Something that is wrong right now, and the command that mends it. */
export interface Problem {
  code: string;
  message: string;
  fix: string;
}

export function overviewJson(overview: Overview): OverviewJson {
  return {
    redis: overview.redis,
    queues: overview.queues.map((queue) => ({
      name: queue.name,
      waiting: queue.waiting,
      active: queue.active,
      delayed: queue.delayed,
      failed: queue.failed,
      completed: queue.completed,
      paused: queue.paused,
      oldestMs: queue.oldestMs ?? null,
      ratePerSecond: queue.ratePerSecond,
      etaMs: queue.etaMs,
      byPriority: queue.byPriority,
      expired: queue.expired,
      cancelled: queue.cancelled,
      arrivalsPerSecond: queue.arrivalsPerSecond,
      growing: queue.growing,
    })),
    workers: overview.workers,
    problems: findProblems(overview),
  };
}

const MEMORY_ALARM = 0.8;

export function findProblems({ redis, queues, workers }: Overview): Problem[] {
  const problems: Problem[] = [];
  const backlog = queues.filter((queue) => queue.waiting > 0);
  if (workers.length === 0) {
    const names = backlog.map((queue) => queue.name);
    problems.push({
      code: 'NO_WORKERS',
      message:
        names.length === 0
          ? 'no worker is running'
          : `no worker is running and jobs wait in ${names.join(', ')}`,
      fix: `infer worker -Q ${names.length === 0 ? 'default' : names.join(',')}`,
    });
  } else {
    const served = new Set(
      workers.filter((worker) => worker.state !== 'draining').flatMap((worker) => worker.queues),
    );
    for (const queue of backlog.filter((one) => !served.has(one.name))) {
      problems.push({
        code: 'QUEUE_UNSERVED',
        message: `queue ${queue.name} has jobs waiting (${queue.waiting}) and no worker listens to it`,
        fix: `infer worker -Q ${queue.name}`,
      });
    }
  }
  for (const queue of queues.filter((one) => one.paused)) {
    problems.push({
      code: 'QUEUE_PAUSED',
      message: `queue ${queue.name} is paused`,
      fix: `resume it with BullMQ: new Queue('${queue.name}').resume()`,
    });
  }
  problems.push(...redisProblems(redis));
  return problems;
}

function redisProblems(redis: RedisOverview): Problem[] {
  const problems: Problem[] = [];
  const share = redis.maxMemoryBytes > 0 ? redis.usedMemoryBytes / redis.maxMemoryBytes : 0;
  if (share > MEMORY_ALARM) {
    problems.push({
      code: 'REDIS_MEMORY',
      message: `Redis is ${Math.round(share * 100)} % full: new jobs are refused above 80 %`,
      fix: 'wait for workers to catch up, keep results shorter, or raise maxmemory',
    });
  }
  if (redis.policy !== '' && redis.policy !== 'noeviction') {
    problems.push({
      code: 'REDIS_POLICY',
      message: `Redis may drop jobs when it is full: maxmemory-policy is ${redis.policy}`,
      fix: 'redis-cli CONFIG SET maxmemory-policy noeviction',
    });
  }
  return problems;
}
