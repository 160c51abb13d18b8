import { hostname } from 'node:os';
import { answerWithin } from '../../core/bounded.js';
import { InferError } from '../../core/errors.js';
import { readAutoscalers } from '../../queue/autoscalers.js';
import { type QueueDamage, readDamage } from '../../queue/damage.js';
import { type DataLoss, isShown, readLosses } from '../../queue/data-mark.js';
import { listStarting, type StartingWorker } from '../../queue/starting.js';
import { explain } from '../../redis/connect.js';
import { type RedisFacts, readInfo } from '../../redis/info.js';
import { serverClock, serverNow } from '../../redis/server-clock.js';
import type { RedisClient, RedisTarget } from '../../redis/types.js';
import type { Overview } from '../overview.js';
import { type LiveQueue, LiveQueues } from './live-queues.js';
import { type LiveWorker, LiveWorkers } from './live-workers.js';
import { Piece } from './piece.js';
import { takeTurns } from './rotation.js';

/** The server, with the time of one round trip, ms. */
export interface LiveRedis {
  facts: RedisFacts;
  latencyMs: number;
}

type Scaled = Pick<Overview, 'autoscalers' | 'lapsed'>;

/** A read that takes longer is reported as late; it goes on, and what it finds is shown. */
const READ_MS = 900;
/** What changes rarely is read again after this many milliseconds. */
const INFO_MS = 5000;
const LOSSES_MS = 5000;
const DAMAGE_MS = 10_000;
/** Checking a queue for damage takes 20 commands. */
const DAMAGE_A_SECOND = 1;

/**
 * Reads a deployment once a second, for as long as someone looks: the parts of `DeploymentReader.overview`, but
 * each of them fails alone, and the cost to Redis is bounded however many queues and workers there are. All
 * commands are read-only, so a Redis user with the inspector role is enough.
 */
export class LiveReader {
  readonly queues = new Piece<readonly LiveQueue[]>();
  readonly workers = new Piece<readonly LiveWorker[]>();
  readonly starting = new Piece<readonly StartingWorker[]>();
  readonly scaled = new Piece<Scaled>();
  readonly redis = new Piece<LiveRedis>();
  /** Since when Redis does not answer, ms since the epoch; undefined if it does. */
  awaySince: number | undefined;

  private readonly damage = new Piece<null>();
  private readonly losses = new Piece<readonly DataLoss[]>();
  private readonly damaged = new Map<string, { found: QueueDamage; readAt: number }>();
  private readonly liveQueues: LiveQueues;
  private readonly liveWorkers: LiveWorkers;

  constructor(
    private readonly client: RedisClient,
    private readonly target: RedisTarget,
    private readonly prefix: string,
  ) {
    this.liveQueues = new LiveQueues(client, prefix);
    this.liveWorkers = new LiveWorkers(client, prefix);
  }

  /** Now by Redis's clock, also while it is unreachable; ms since the epoch. */
  get now(): number {
    return serverClock(this.client).now();
  }

  /** Reads all parts, in a second at most. Never fails. */
  async read(): Promise<void> {
    const late = () => new InferError('REDIS_TIMEOUT', 'Redis did not answer within a second');
    try {
      if (this.client.status !== 'ready') throw explain(this.client, new Error('Connection is closed.'));
      const now = await answerWithin(READ_MS, serverNow(this.client), () => {
        throw late();
      });
      // A part that is stuck keeps what it has; a hint of Redis being slow is that none of them came.
      const parts = this.readParts(now);
      await answerWithin(READ_MS, parts, () => {
        if (this.pieces.every(({ at }) => at !== now)) throw late();
      });
      this.awaySince = undefined;
    } catch (error) {
      const failure = error instanceof InferError ? error : explain(this.client, error);
      this.awaySince ??= this.now;
      for (const piece of this.pieces) piece.error = failure;
    }
  }

  /**
   * What `findProblems` judges, as of the last read.
   * @throws InferError why queues or workers cannot be judged
   */
  overview(): Overview {
    const queues = this.queues.data;
    const workers = this.workers.data;
    if (queues === undefined || workers === undefined) {
      throw this.queues.error ?? this.workers.error ?? new InferError('INTERNAL', 'nothing was read yet');
    }
    const at = Math.min(this.queues.at ?? 0, this.workers.at ?? 0);
    const facts = this.redis.data?.facts;
    return {
      at,
      host: hostname(),
      clockAheadMs: serverClock(this.client).aheadMs(),
      losses: (this.losses.data ?? []).filter((loss) => isShown(loss, at)),
      redis: {
        label: this.target.label,
        source: this.target.source,
        version: facts?.version ?? '',
        usedMemoryBytes: facts?.usedMemory ?? 0,
        maxMemoryBytes: facts?.maxMemory ?? 0,
        policy: facts?.policy ?? '',
      },
      queues: queues.map(({ snapshot }) => snapshot),
      // The age of a heartbeat is that at the moment when it was read.
      workers: workers.map(({ record, readAt }) => ({ ...record, beatAt: record.beatAt + (at - readAt) })),
      starting: this.starting.data ?? [],
      damage: queues.flatMap(({ snapshot }) => this.damaged.get(snapshot.name)?.found ?? []),
      autoscalers: this.scaled.data?.autoscalers ?? [],
      lapsed: this.scaled.data?.lapsed ?? [],
    };
  }

  private get pieces(): Piece<unknown>[] {
    return [this.queues, this.workers, this.starting, this.scaled, this.redis];
  }

  private async readParts(now: number): Promise<void> {
    const { client, prefix } = this;
    const worded = (error: unknown) => explain(client, error);
    const workers = this.workers.refresh(now, () => this.liveWorkers.read(now), worded);
    // Jobs that workers hold ahead count as waiting, so the heartbeats come first.
    const queues = workers.then(() => {
      const records = (this.workers.data ?? []).map(({ record }) => record);
      return this.queues.refresh(now, () => this.liveQueues.read(now, records), worded);
    });
    await Promise.all([
      workers,
      queues,
      this.starting.refresh(now, () => listStarting(client, prefix, now), worded),
      this.scaled.refresh(now, () => readAutoscalers(client, prefix, now), worded),
      isDue(this.redis, now, INFO_MS) ? this.redis.refresh(now, () => this.readServer(), worded) : undefined,
      isDue(this.losses, now, LOSSES_MS)
        ? this.losses.refresh(now, () => this.readLosses(), worded)
        : undefined,
      this.damage.refresh(now, () => this.readDamage(now), worded),
    ]);
  }

  private async readServer(): Promise<LiveRedis> {
    const facts = await readInfo(this.client);
    const sent = performance.now();
    await this.client.ping();
    return { facts, latencyMs: performance.now() - sent };
  }

  private get names(): string[] {
    return (this.queues.data ?? []).map(({ snapshot }) => snapshot.name);
  }

  private readLosses(): Promise<readonly DataLoss[]> {
    return readLosses(this.client, this.prefix, this.names);
  }

  private async readDamage(now: number): Promise<null> {
    const names = this.names;
    for (const name of this.damaged.keys()) if (!names.includes(name)) this.damaged.delete(name);
    const due = names
      .map((key) => ({ key, readAt: this.damaged.get(key)?.readAt, cost: 1, weight: 1 }))
      .filter(({ readAt = 0 }) => now - readAt >= DAMAGE_MS)
      .map((turn) => ({ ...turn, readAt: turn.readAt ?? 0 }));
    const picked = takeTurns(due, now, { budget: DAMAGE_A_SECOND, first: 0 });
    const found = await Promise.all(picked.map((name) => readDamage(this.client, this.prefix, name)));
    for (const one of found) this.damaged.set(one.queue, { found: one, readAt: now });
    return null;
  }
}

function isDue(piece: Piece<unknown>, now: number, everyMs: number): boolean {
  return piece.at === undefined || piece.error !== undefined || now - piece.at >= everyMs || now < piece.at;
}
