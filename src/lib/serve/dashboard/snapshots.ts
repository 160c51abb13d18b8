import { InferError } from '../../core/errors.js';
import { sumQueues } from '../../deployment/live/live-figures.js';
import { LiveReader } from '../../deployment/live/live-reader.js';
import type { Piece } from '../../deployment/live/piece.js';
import { findProblems } from '../../deployment/problems.js';
import type { RedisClient, RedisTarget } from '../../redis/types.js';
import { Decisions } from './decisions.js';
import type { ActionState, Part, RecentPoint, Snapshot } from './shapes.js';
import { autoscalerRow, modelRows, queueRow, redisRow, startingRow, workerRow } from './snapshot-rows.js';
import { recentPoint, totalsOf } from './totals.js';
import { WorkerMinutes } from './worker-minutes.js';

/** Points of the last five minutes. */
const RECENT = 300;
/** After a pause this long, ms, what was read before is stale: everything is read again. */
const STALE_MS = 5000;

/** Makes snapshots of one deployment, one after the other. */
export class Snapshots {
  readonly recent: RecentPoint[] = [];
  private reader: LiveReader;
  private minutes = new WorkerMinutes();
  private readonly decisions = new Decisions();
  private seq = 0;
  private madeAt = 0;

  constructor(
    private readonly client: RedisClient,
    private readonly target: RedisTarget,
    private readonly prefix: string,
    private readonly actions: () => ActionState[],
  ) {
    this.reader = new LiveReader(client, target, prefix);
  }

  /** Reads the deployment and judges it, in about a second at most. Never fails. */
  async next(): Promise<Snapshot> {
    if (performance.now() - this.madeAt > STALE_MS && this.reader.awaySince === undefined) {
      this.reader = new LiveReader(this.client, this.target, this.prefix);
      this.minutes = new WorkerMinutes();
    }
    await this.reader.read();
    this.madeAt = performance.now();
    const snapshot = this.snapshot();
    const isKnown = snapshot.redisAwaySince === null && snapshot.totals.error === null;
    this.recent.push(recentPoint(snapshot.at, isKnown ? (snapshot.totals.data ?? undefined) : undefined));
    if (this.recent.length > RECENT) this.recent.shift();
    return snapshot;
  }

  private snapshot(): Snapshot {
    const { reader, target } = this;
    const at = reader.now;
    const workers = reader.workers.data ?? [];
    const queues = reader.queues.data ?? [];
    const { total, models } = sumQueues(queues);
    const minutes = this.minutes.sum(at, queues, workers);
    this.decisions.note(reader.scaled.data?.autoscalers ?? []);
    this.seq += 1;
    const both = [reader.queues, reader.workers];
    return {
      seq: this.seq,
      at,
      redisAwaySince: reader.awaySince ?? null,
      oldestQueueMs: Math.max(0, ...queues.map(({ readAt }) => (reader.queues.at ?? readAt) - readAt)),
      totals: together(both, () => totalsOf(queues, workers, total)),
      problems: together(both, () => findProblems(reader.overview())),
      queues: part(reader.queues, (rows) => rows.map((row) => queueRow(row, workers))),
      workers: part(reader.workers, (rows) => rows.map((row) => workerRow(row, minutes(row.record.id)))),
      starting: part(reader.starting, (rows) => rows.map((row) => startingRow(row, at))),
      models: together(both, () => modelRows(models, workers)),
      autoscalers: part(reader.scaled, ({ autoscalers }) =>
        autoscalers.map((one) => autoscalerRow(one, this.decisions.of(one.id))),
      ),
      redis: part(reader.redis, (live) => redisRow(live, target)),
      actions: this.actions(),
    };
  }
}

/** A part of the snapshot from one piece; a failure in its conversion is its own, too. */
function part<T, Row>(piece: Piece<T>, rows: (data: T) => Row): Part<Row> {
  const { data, at = null, error } = piece;
  try {
    return { data: data === undefined ? null : rows(data), at, error: errorOf(error) };
  } catch (failure) {
    return { data: null, at: null, error: errorOf(failure) };
  }
}

/** A part that needs several pieces; it is as old as the oldest of them. */
function together<Row>(pieces: readonly Piece<unknown>[], make: () => Row): Part<Row> {
  const error = errorOf(pieces.find((piece) => piece.error !== undefined)?.error);
  if (pieces.some(({ data }) => data === undefined)) return { data: null, at: null, error };
  try {
    return { data: make(), at: Math.min(...pieces.map(({ at = 0 }) => at)), error };
  } catch (failure) {
    return { data: null, at: null, error: errorOf(failure) };
  }
}

function errorOf(error: unknown): Part<never>['error'] {
  if (error === undefined) return null;
  if (error instanceof InferError)
    return { code: error.code, message: error.message, hint: error.hint ?? null };
  return { code: 'INTERNAL', message: 'this part could not be computed', hint: null };
}
