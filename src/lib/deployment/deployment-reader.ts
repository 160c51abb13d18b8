import { hostname } from 'node:os';
import type { LoadedSettings } from '../config/load.js';
import { readAutoscalers } from '../queue/autoscalers.js';
import { readDamage } from '../queue/damage.js';
import { isShown, readLosses } from '../queue/data-mark.js';
import { readEvents } from '../queue/events/read-events.js';
import type { EventPage, EventQuery } from '../queue/events/types.js';
import type { History } from '../queue/history/types.js';
import { type QueueSnapshot, snapshotQueues } from '../queue/read/inspector.js';
import { listQueues } from '../queue/read/reader.js';
import { listWorkers } from '../queue/registry.js';
import { listStarting } from '../queue/starting.js';
import type { WorkerRecord } from '../queue/types.js';
import { type QueueStats, readQueueStats, readWorkerTotals } from '../queue/work-stats.js';
import { closeClient, connect, explain, resolveTarget } from '../redis/connect.js';
import { connectionSettings, type PatienceMs } from '../redis/from-settings.js';
import { readInfo } from '../redis/info.js';
import { serverClock, serverNow } from '../redis/server-clock.js';
import type { RedisClient, RedisTarget } from '../redis/types.js';
import { figuresJson, sumOf } from './figures.js';
import { readHistories, type WantedHistories } from './histories.js';
import { pickQueues, pickWorkers } from './names.js';
import type { Overview } from './overview.js';
import type { QueueRow, StatRow, WorkerRow } from './rows.js';

/** What to read; everything that is not restricted. */
export interface Wanted {
  queues?: readonly string[] | undefined;
  destinations?: readonly string[] | undefined;
}

/**
 * Reads one deployment, as often as needed, over one connection. All of its commands are read-only, so a
 * Redis user with the inspector role is enough; it starts no server.
 */
export class DeploymentReader {
  private constructor(
    private readonly client: RedisClient,
    private readonly target: RedisTarget,
    private readonly prefix: string,
  ) {}

  /** @throws InferError REDIS_… (69, 77) naming the server and the fix. */
  static async open(loaded: LoadedSettings, patience: PatienceMs = {}): Promise<DeploymentReader> {
    const settings = connectionSettings(loaded, false, patience);
    const target = await resolveTarget(settings);
    return new DeploymentReader(await connect(target, 'command', settings), target, loaded.values.prefix);
  }

  /** Reads over a connection that is there and stays its owner's: `close` is not for it. */
  static over(client: RedisClient, target: RedisTarget, prefix: string): DeploymentReader {
    return new DeploymentReader(client, target, prefix);
  }

  /** Queues, workers and Redis: what `infer inspect` shows. */
  overview(wanted: Wanted): Promise<Overview> {
    return this.worded(async () => {
      const at = await serverNow(this.client);
      const [facts, known, workers, scaled, starting] = await Promise.all([
        readInfo(this.client),
        listQueues(this.client, this.prefix),
        listWorkers(this.client, this.prefix),
        readAutoscalers(this.client, this.prefix, at),
        listStarting(this.client, this.prefix, at),
      ]);
      const names = pickQueues(known, workers, wanted.queues);
      const losses = await readLosses(this.client, this.prefix, names);
      return {
        at,
        losses: losses.filter((loss) => isShown(loss, at)),
        host: hostname(),
        clockAheadMs: serverClock(this.client).aheadMs(),
        redis: {
          label: this.target.label,
          source: this.target.source,
          version: facts.version,
          usedMemoryBytes: facts.usedMemory,
          maxMemoryBytes: facts.maxMemory,
          policy: facts.policy,
        },
        queues: await snapshotQueues(this.client, this.prefix, at, names, workers),
        damage: await Promise.all(names.map((name) => readDamage(this.client, this.prefix, name))),
        workers,
        starting,
        ...scaled,
      };
    });
  }

  /** Depth, flow and latency of each queue. */
  queues(wanted: Wanted): Promise<QueueRow[]> {
    return this.worded(async () => {
      const names = await this.queueNames(wanted);
      const now = await serverNow(this.client);
      const [snapshots, stats] = await Promise.all([
        snapshotQueues(this.client, this.prefix, now, names),
        this.minuteOf(names, now),
      ]);
      return snapshots.map((queue, i): QueueRow => {
        const { total, windowMs } = stats[i] as QueueStats;
        return { ...queueJson(queue), lastMinute: figuresJson(total, windowMs) };
      });
    });
  }

  /**
   * Each worker's configuration and state, over the last minute and since it started; for given queues, those
   * that serve one of them.
   */
  workers(wanted: Wanted): Promise<WorkerRow[]> {
    return this.worded(async () => {
      const all = await listWorkers(this.client, this.prefix);
      const picked = pickWorkers(all, wanted.destinations);
      const only = wanted.queues === undefined ? undefined : await this.queueNames(wanted);
      const workers = picked.filter((one) => only === undefined || one.queues.some((q) => only.includes(q)));
      const names = only ?? [...new Set(workers.flatMap((worker) => worker.queues))];
      const now = await serverNow(this.client);
      const { minute, totals } = await this.figuresOf(names, workers, now);
      return workers.map((worker): WorkerRow => {
        const own = minute.filter((one) => one.byWorker.has(worker.id));
        const age = now - worker.startedAt;
        const windowMs = Math.min(age, Math.max(0, ...own.map((one) => one.windowMs)));
        const recent = own.flatMap((one) => one.byWorker.get(worker.id) ?? []);
        const ever = [...(totals.get(worker.id) ?? [])].filter(([queue]) => names.includes(queue));
        return {
          ...worker,
          gpuMemory: worker.gpuMemory ?? null,
          beatAgeMs: Math.max(0, now - worker.beatAt),
          lastMinute: figuresJson(sumOf(recent), windowMs),
          sinceStart: figuresJson(sumOf(ever.map(([, figures]) => figures)), age),
        };
      });
    });
  }

  /** A row per queue, and one per queue and worker that served it, or model that ran for it. */
  stats(wanted: Wanted, by: 'worker' | 'model'): Promise<StatRow[]> {
    return this.worded(async () => {
      const workers = await listWorkers(this.client, this.prefix);
      const picked = pickWorkers(workers, wanted.destinations);
      const names = await this.queueNames(wanted);
      const now = await serverNow(this.client);
      const { minute, totals } = await this.figuresOf(names, picked, now);
      return names.flatMap((queue, i): StatRow[] => {
        const { total, byWorker, windowMs } = minute[i] as QueueStats;
        const serving = picked.filter((worker) => totals.get(worker.id)?.has(queue));
        const ever = serving.map((worker) => totals.get(worker.id)?.get(queue) ?? sumOf([]));
        const oldest = Math.max(0, ...serving.map((worker) => now - worker.startedAt));
        const all = wanted.destinations === undefined ? total : sumOf(recentOf(byWorker, picked));
        const since = sumOf(ever);
        const whole = {
          queue,
          worker: null,
          model: null,
          lastMinute: figuresJson(all, windowMs),
          sinceStart: serving.length === 0 ? null : figuresJson(since, oldest),
        };
        if (by === 'model') {
          const none = sumOf([]);
          const models = [...new Set([...since.models.keys(), ...all.models.keys()])].sort();
          const shares = models.map((model) => ({
            ...whole,
            model,
            lastMinute: figuresJson(all.models.get(model) ?? none, windowMs),
            sinceStart: serving.length === 0 ? null : figuresJson(since.models.get(model) ?? none, oldest),
          }));
          return [whole, ...shares];
        }
        return [
          whole,
          ...serving.map((worker, at): StatRow => {
            const age = now - worker.startedAt;
            const recent = figuresJson(sumOf(recentOf(byWorker, [worker])), Math.min(age, windowMs));
            const since = figuresJson(ever[at] ?? sumOf([]), age);
            return { queue, worker: worker.name, model: null, lastMinute: recent, sinceStart: since };
          }),
        ];
      });
    });
  }

  /** Figures of the last minutes, hours or days. */
  history(wanted: WantedHistories): Promise<History[]> {
    return this.worded(() => readHistories(this.client, this.prefix, wanted));
  }

  /** What happened, oldest first. */
  events(query: EventQuery): Promise<EventPage> {
    return this.worded(() => readEvents(this.client, this.prefix, query));
  }

  /** The workers' current heartbeats. */
  heartbeats(): ReturnType<typeof listWorkers> {
    return this.worded(async () => {
      await serverNow(this.client);
      return listWorkers(this.client, this.prefix);
    });
  }

  /** The time by Redis's clock, as in heartbeats, ms since the epoch. */
  now(): number {
    return serverClock(this.client).now();
  }

  close(): Promise<void> {
    return closeClient(this.client);
  }

  private async queueNames({ queues }: Wanted): Promise<readonly string[]> {
    const [known, workers] = await Promise.all([
      listQueues(this.client, this.prefix),
      queues === undefined ? [] : listWorkers(this.client, this.prefix),
    ]);
    return pickQueues(known, workers, queues);
  }

  /** The last minute of given queues, and the totals of given workers since they started. */
  private async figuresOf(queues: readonly string[], workers: readonly WorkerRecord[], now: number) {
    const ids = workers.map((worker) => worker.id);
    const [minute, totals] = await Promise.all([
      this.minuteOf(queues, now),
      readWorkerTotals(this.client, this.prefix, ids),
    ]);
    return { minute, totals };
  }

  private minuteOf(queues: readonly string[], now: number): Promise<QueueStats[]> {
    return Promise.all(queues.map((queue) => readQueueStats(this.client, this.prefix, queue, now)));
  }

  private async worded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw explain(this.client, error);
    }
  }
}

/** Reads once and closes the connection in every case. */
export async function readDeployment<T>(
  loaded: LoadedSettings,
  read: (reader: DeploymentReader) => Promise<T>,
  patience: PatienceMs = {},
): Promise<T> {
  const reader = await DeploymentReader.open(loaded, patience);
  try {
    return await read(reader);
  } finally {
    await reader.close();
  }
}

function recentOf(byWorker: QueueStats['byWorker'], workers: readonly { id: string }[]) {
  return workers.flatMap((worker) => byWorker.get(worker.id) ?? []);
}

function queueJson(queue: QueueSnapshot) {
  return { ...queue, oldestMs: queue.oldestMs ?? null };
}
