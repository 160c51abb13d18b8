import { InferError, messageOf } from '../core/errors.js';
import { refuseUnknown } from '../deployment/known-names.js';
import { listQueues } from '../queue/read/reader.js';
import { samplePool } from '../queue/read/sample.js';
import { withWaitingRoutes } from '../queue/read/waiting-routes.js';
import { listWorkers } from '../queue/registry.js';
import { serverNow, serverTime } from '../redis/server-clock.js';
import type { RedisClient } from '../redis/types.js';
import { type Advice, Advisor } from '../scale/advisor.js';
import { type DesiredQuery, readQuery } from './desired-query.js';

/** Reads Redis for the endpoint, in bounded time. */
export type Ask = <T>(work: (client: RedisClient) => Promise<T>) => Promise<T>;

/** A JSON answer of the endpoint. */
export interface Reply {
  status: number;
  body: unknown;
}

/** One queue with one set of bounds, and the decisions for it so far. */
interface Pool {
  readonly query: DesiredQuery;
  readonly advisor: Advisor;
  looking?: Promise<Reply> | undefined;
  last?: { reply: Reply; at: number; desired: number } | undefined;
}

/** Requests within this time get the same answer, and the policy sees one look. */
const SAME_MS = 1000;
/** Requests with ever new bounds evict the oldest. */
const MOST_POOLS = 64;
/** Delayed jobs due within this time count as waiting. */
const HORIZON_MS = 20_000;
const SHOWN_MS = 300_000;

/**
 * `/autoscale/<queue>`: how many workers there should be according to the live loop's policy, for KEDA or
 * another system that runs them. What is known about a queue is kept in memory from one request to the next;
 * requests with other bounds are separate pools.
 */
export class DesiredWorkers {
  /** In order of use, the most recent last. */
  private readonly pools = new Map<string, Pool>();

  constructor(
    private readonly prefix: string,
    private readonly ask: Ask,
  ) {}

  /**
   * Answers 200 with the number, and otherwise with the status of the error in the table: 400 and 404 for
   * invalid requests, 503 while Redis is unreachable. For any failure on this side, the number stands until
   * Redis can be read.
   */
  async handle(queues: string, query: URLSearchParams): Promise<Reply> {
    try {
      const pool = this.poolOf(readQuery(queues, query));
      const { last } = pool;
      if (last !== undefined && performance.now() - last.at < SAME_MS) return last.reply;
      pool.looking ??= this.look(pool).finally(() => {
        pool.looking = undefined;
      });
      return await pool.looking;
    } catch (error) {
      if (!(error instanceof InferError)) throw error;
      return { status: error.facts.httpStatus, body: { error: errorJson(error) } };
    }
  }

  /** Workers wanted by queue, for requests of the last five minutes. */
  latest(): ReadonlyMap<string, number> {
    const now = performance.now();
    return new Map(
      [...this.pools.values()].flatMap(({ query, last }) =>
        last === undefined || now - last.at > SHOWN_MS
          ? []
          : [[query.queues.join(','), last.desired] as const],
      ),
    );
  }

  /** Queues that ever received a job, and those that a worker serves. */
  private async known(client: RedisClient): Promise<string[]> {
    const [queues, workers] = await Promise.all([
      listQueues(client, this.prefix),
      listWorkers(client, this.prefix),
    ]);
    return [...queues, ...workers.flatMap((worker) => worker.queues)];
  }

  private poolOf(query: DesiredQuery): Pool {
    const key = keyOf(query);
    const known = this.pools.get(key);
    this.pools.delete(key);
    const { queues, config, policy } = query;
    const pool = known ?? { query, advisor: new Advisor({ pool: queues.join(','), config, policy }) };
    this.pools.set(key, pool);
    for (const oldest of this.pools.keys()) if (this.pools.size > MOST_POOLS) this.pools.delete(oldest);
    return pool;
  }

  private async look(pool: Pool): Promise<Reply> {
    const { query, advisor } = pool;
    const { queues } = query;
    try {
      const [at, sample, known] = await this.ask(async (client) => {
        const now = await serverNow(client);
        return Promise.all([
          now,
          samplePool(client, this.prefix, queues, now, HORIZON_MS).then((pool) =>
            withWaitingRoutes(client, this.prefix, pool),
          ),
          // A known queue stays known: without its last job and worker it must still be scaled.
          advisor.held === undefined ? this.known(client) : queues,
        ]);
      });
      refuseUnknown('queue', queues, known, 'infer inspect queues');
      const advice = advisor.look(sample, at);
      const reply = { status: 200, body: adviceJson(query, advice) };
      pool.last = { reply, at: performance.now(), desired: advice.desired };
      return reply;
    } catch (error) {
      // An unknown queue is not a pool, and takes no pool's place.
      if (advisor.held === undefined) this.pools.delete(keyOf(query));
      if (!(error instanceof InferError) || error.facts.httpStatus < 500) throw error;
      advisor.blind(serverTime());
      // No `desiredWorkers`: a client that ignores the status must not take it for a decision.
      const held = advisor.held ?? null;
      return {
        status: error.facts.httpStatus,
        body: { queue: queues.join(','), held, error: errorJson(error) },
      };
    }
  }
}

function keyOf({ queues, config, policy }: DesiredQuery): string {
  return JSON.stringify([queues, config, policy.name]);
}

/** The documented JSON of `/autoscale/<queue>`; fields are only ever added. */
function adviceJson({ queues, config, policy }: DesiredQuery, advice: Advice) {
  const { at, desired, hold, reason, queue, workers } = advice;
  const { min, max, spare, threshold, targetWaitMs } = config;
  return {
    queue: queues.join(','),
    desiredWorkers: desired,
    reason,
    hold,
    decidedAt: new Date(at).toISOString(),
    policy: policy.name,
    min,
    max,
    spare,
    threshold,
    targetWaitMs,
    paused: queue.paused,
    // Those that need a worker of their own wait as well.
    waiting: (queue.unserved ?? []).reduce((sum, { jobs }) => sum + jobs, queue.waiting),
    dueDelayed: queue.dueDelayed,
    active: queue.active,
    oldestMs: queue.oldestMs,
    workers,
  };
}

function errorJson(error: InferError) {
  return { code: error.code, message: messageOf(error), hint: error.hint ?? null };
}
