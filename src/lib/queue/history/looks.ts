import type { RedisClient } from '../../redis/types.js';
import { ifReadable, parsedObject } from '../../redis/wrong-type.js';
import { bullBase } from '../keys.js';
import { heldAhead, oldestWaiting } from '../read/inspector.js';
import type { WorkerRecord } from '../types.js';
import { HistoryFigures } from './figures.js';
import { seriesOf, WHOLE } from './series.js';

/** What only a reader can see, at one moment; JSON in Redis. */
export interface Look {
  /** By queue: waiting, delayed and active jobs, and ms that the oldest has waited. */
  queues: Record<string, [waiting: number, delayed: number, active: number, oldestMs: number]>;
  /** By name of the worker. */
  workers: Record<string, LookAtWorker>;
}

interface LookAtWorker {
  /** Milliseconds in which it held jobs, and of how many, since the look before. */
  busy?: [ms: number, of: number];
  rss: number;
  /** Used and total bytes, and utilisation 0..1 or null. */
  gpu?: [used: number, total: number, use: number | null];
}

type Beat = Pick<WorkerRecord, 'startedAt' | 'beatAt' | 'busyMs'>;

/** Looks at all queues and workers: about twenty small read-only commands a queue. */
export class Looker {
  /** Heartbeats of the look before, by worker id. */
  private before = new Map<string, Beat>();

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {}

  async look(queues: readonly string[], workers: readonly WorkerRecord[], now: number): Promise<Look> {
    const looks = await Promise.all(
      queues.map(async (queue) => [queue, await this.lookAtQueue(queue, workers, now)] as const),
    );
    const seen = workers.map((worker) => [worker.name, this.lookAtWorker(worker)] as const);
    this.before = new Map(workers.map((worker) => [worker.id, worker]));
    return { queues: Object.fromEntries(looks), workers: Object.fromEntries(seen) };
  }

  private async lookAtQueue(
    queue: string,
    workers: readonly WorkerRecord[],
    now: number,
  ): Promise<Look['queues'][string]> {
    const { client } = this;
    const base = bullBase(this.prefix, queue);
    const [prioritized, wait, taken, delayed, oldest] = await Promise.all([
      ifReadable(client.zcard(`${base}prioritized`), 0),
      ifReadable(client.llen(`${base}wait`), 0),
      ifReadable(client.llen(`${base}active`), 0),
      ifReadable(client.zcard(`${base}delayed`), 0),
      oldestWaiting(client, base),
    ]);
    const held = heldAhead(queue, taken, workers).jobs;
    return [
      prioritized + wait + held,
      delayed,
      taken - held,
      oldest === undefined ? 0 : Math.max(0, now - oldest),
    ];
  }

  private lookAtWorker(worker: WorkerRecord): LookAtWorker {
    const before = this.before.get(worker.id);
    const of = worker.beatAt - (before?.beatAt ?? worker.startedAt);
    const ms = (worker.busyMs ?? 0) - (before?.busyMs ?? 0);
    // A new writer knows no earlier heartbeat: only that of a young worker says something about this moment.
    const known = worker.busyMs !== undefined && of > 0 && (before !== undefined || of < YOUNG_MS);
    const gpu = worker.gpuMemory;
    return {
      rss: worker.rssBytes,
      ...(known ? { busy: [Math.max(0, ms), of] as [number, number] } : {}),
      ...(gpu === undefined ? {} : { gpu: [gpu.usedBytes, gpu.totalBytes, gpu.utilisation] }),
    };
  }
}

const YOUNG_MS = 15_000;

/** Undefined for a text that is none. */
export function lookFrom(text: string): Look | undefined {
  const look = parsedObject<Look>(text);
  return look?.queues !== undefined && look.workers !== undefined ? look : undefined;
}

/** Adds what was seen to the figures of a minute. An idle queue without jobs gets no figures of its own. */
export function addLook(series: Map<string, HistoryFigures>, look: Look): void {
  const ms = series.get(WHOLE)?.ms ?? 0;
  const of = (name: string): HistoryFigures => {
    const figures = series.get(name) ?? new HistoryFigures();
    figures.ms = ms;
    series.set(name, figures);
    return figures;
  };
  const sum = [0, 0, 0, 0] as Look['queues'][string];
  for (const [queue, seen] of Object.entries(look.queues)) {
    for (let i = 0; i < 3; i++) sum[i] = (sum[i] as number) + (seen[i] as number);
    sum[3] = Math.max(sum[3], seen[3]);
    const name = seriesOf('queue', queue);
    if (series.has(name) || seen.some((value) => value > 0)) addBacklog(of(name), seen);
  }
  const whole = of(WHOLE);
  addBacklog(whole, sum);
  whole.look('workers', Object.keys(look.workers).length);
  for (const [name, { busy, rss, gpu }] of Object.entries(look.workers)) {
    const figures = of(seriesOf('worker', name));
    figures.look('rss', rss);
    if (busy !== undefined) {
      for (const one of [figures, whole]) {
        one.look('busyMs', busy[0]);
        one.look('busyOf', busy[1]);
      }
    }
    if (gpu === undefined) continue;
    figures.look('gpuUsed', gpu[0]);
    figures.look('gpuTotal', gpu[1]);
    if (gpu[2] !== null) figures.look('gpuUse', gpu[2]);
  }
}

function addBacklog(
  figures: HistoryFigures,
  [waiting, delayed, active, oldest]: Look['queues'][string],
): void {
  figures.look('waiting', waiting);
  figures.look('delayed', delayed);
  figures.look('active', active);
  figures.look('oldest', oldest);
}
