import type { Clock } from '../../core/clock.js';
import type { OwnFailure } from '../../core/errors.js';
import { type Priority, toBullPriority } from '../../core/job.js';
import { type JobTrace, traceTime } from '../../core/job-trace.js';
import { BulkWrites } from '../../redis/bulk-writes.js';
import { closeClient } from '../../redis/connect.js';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { type QueueDamage, readDamage } from '../damage.js';
import { STATS_BUCKET_MS, takesKey, wakeKey } from '../keys.js';
import type { DataLayout } from '../layout.js';
import { packSettle } from '../lua/pack.js';
import { QueueScripts } from '../lua/script-client.js';
import { countFiled, reroute, routesArgument } from '../routes.js';
import type { Settlement, TakenJob, TakeRoom } from '../types.js';
import type { QueueConsumer } from './consumer-port.js';
import { expireAllDue } from './deadlines.js';
import { orRoused, popMarker } from './markers.js';
import { settleArrivals } from './move.js';
import { untilWhole } from './resend.js';
import type { ResultStore } from './result-store.js';
import { FIELDS_BYTES, resultOf, settleFields, settlementBytes, storedTtl } from './settlement.js';
import { Sweeper } from './sweep.js';
import { readTake, type TakeReply } from './take-reply.js';

export interface ConsumerOptions {
  prefix: string;
  queue: string;
  /** A `worker` connection, shared by all consumers of a process. */
  client: RedisClient;
  /** A `blocking` connection of this consumer alone. */
  blocking: RedisClient;
  workerId: string;
  workerName: string;
  lockMs: number;
  /** Expired locks after which a job is failed as a poison pill. */
  maxStalls: number;
  /** Seconds a failed job (and its input, for retry) is kept. */
  failedTtl: number;
  clock: Clock;
  /** For outcomes that are too large for `client`; shared by all consumers of a process. */
  bulk?: BulkWrites | undefined;
  /** A separate Redis for results; if absent, they are stored with the jobs. */
  results?: ResultStore | undefined;
  /** Layouts that its process reads [those of this release]. */
  layouts?: readonly DataLayout[] | undefined;
}

/** Maximum number of jobs in a take: more would block every other user of this Redis. */
const MOST_JOBS = 128;
/** Room given as a number of rows. */
const BY_ROWS: TakeRoom = { idle: 0, ahead: 0, horizonMs: 0, jobs: MOST_JOBS, runs: new Map() };

const NEVER = new AbortController().signal;

/** Seconds after which an unread wake-up expires. */
const ROUSE_TTL = 60;

/** A worker's access to one queue, by the scripts in `lua/`. */
export class BullConsumer implements QueueConsumer {
  readonly queue: string;
  private readonly scripts: QueueScripts;
  /** The same on the blocking connection, for takes behind a sleep. */
  private onBlocking: QueueScripts | undefined;
  private readonly sweeper: Sweeper;
  private readonly bulk: BulkWrites;
  private tokens = 0;
  /** Numbers of the takes not yet answered: lanes and checks for urgent jobs take concurrently. */
  private readonly takesUnderWay = new Set<number>();
  private nextDelayedAt = 0;
  /** When a wake-up last ended its sleep, for traces; undefined once it has taken since. */
  private wokenAt: number | undefined;
  /** Routes that it serves; undefined for all. */
  private routes: ReadonlySet<string> | undefined;
  more = false;
  full = false;
  private closed = false;

  constructor(private readonly options: ConsumerOptions) {
    this.queue = options.queue;
    this.scripts = this.scriptsOf(options.client);
    this.sweeper = new Sweeper(this.scripts);
    this.bulk = options.bulk ?? new BulkWrites(options.client);
  }

  serve(routes: readonly string[]): void {
    const before = this.routes;
    if (before !== undefined && before.size === routes.length && routes.every((route) => before.has(route)))
      return;
    this.routes = new Set(routes);
    // A consumer that sleeps on its old markers must check for jobs that it serves now.
    if (before !== undefined) void this.rouse().catch(() => undefined);
  }

  /** Interrupts a wait for work, the current one or the next. */
  private async rouse(): Promise<void> {
    const key = this.rouseKey;
    const { client } = this.options;
    // Without MULTI, which a worker's Redis user need not be allowed.
    await untilWhole(() => client.pipeline().zadd(key, 0, '0').expire(key, ROUSE_TTL).exec());
  }

  private get rouseKey(): string {
    return wakeKey(this.scripts.tag, `@${this.options.workerId}`);
  }

  async take(room: number | TakeRoom, moreUrgentThan?: Priority): Promise<TakenJob[]> {
    const asked = traceTime();
    const woken = this.wokenAt ?? asked;
    this.wokenAt = undefined;
    const take = this.beginTake(this.scripts, room, moreUrgentThan);
    return this.takenBy(take.token, await take.reply, () => ({ woken, asked, taken: traceTime() }));
  }

  /** Sends a take. */
  private beginTake(
    scripts: QueueScripts,
    room: number | TakeRoom,
    moreUrgentThan?: Priority,
  ): { token: string; reply: Promise<TakeReply> } {
    const { workerId, workerName, lockMs } = this.options;
    const token = `${workerId}:${++this.tokens}`;
    const below = moreUrgentThan === undefined ? '' : toBullPriority(moreUrgentThan);
    let slot = 0;
    while (this.takesUnderWay.has(slot)) slot += 1;
    this.takesUnderWay.add(slot);
    const wants = typeof room === 'number' ? { ...BY_ROWS, idle: room } : room;
    const args = [
      ...[token, lockMs, wants.idle, below, workerName, slot],
      ...[
        routesArgument(this.routes, wants.runs),
        wants.ahead,
        wants.horizonMs,
        Math.min(wants.jobs, MOST_JOBS),
      ],
    ];
    const reply = scripts.runBuffer('inferTake', ...args).finally(() => {
      this.takesUnderWay.delete(slot);
    }) as Promise<TakeReply>;
    return { token, reply };
  }

  /** The jobs in the reply to a take. */
  private takenBy(token: string, reply: TakeReply, trace: () => JobTrace): TakenJob[] {
    const { queue, routes } = this;
    const { clock, layouts } = this.options;
    const taken = readTake(reply, { queue, token, routes, layouts, now: clock.now(), trace });
    this.nextDelayedAt = taken.nextDelayedAt;
    this.more = taken.more;
    this.full = taken.full;
    return taken.jobs;
  }

  /**
   * Counts the jobs that wait for a worker like this one, with read-only commands; none in a paused queue. Jobs
   * of other models count until a worker has met them.
   */
  async waiting(): Promise<number> {
    const { base } = this.scripts;
    const { client, prefix } = this.options;
    const [wait, prioritized, paused, filed] = await Promise.all([
      ifReadable(client.llen(`${base}wait`), 0),
      ifReadable(client.zcard(`${base}prioritized`), 0),
      ifReadable(client.hexists(`${base}meta`, 'paused'), 0),
      countFiled(client, prefix, this.queue),
    ]);
    const others = [...filed].filter(([route]) => this.routes?.has(route) === false);
    const jobs = wait + prioritized - others.reduce((sum, [, count]) => sum + count, 0);
    return paused === 1 ? 0 : Math.max(0, jobs);
  }

  passedOver(): Promise<ReadonlyMap<string, number>> {
    return countFiled(this.options.client, this.options.prefix, this.queue);
  }

  async waitForWork(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    const end = clock.now() + timeoutMs;
    let dueAt = this.nextDelayedAt > clock.now() ? this.nextDelayedAt : end;
    while (!signal.aborted && !this.closed) {
      const score = await this.popMarker(Math.min(end, dueAt) - clock.now(), signal);
      this.wokenAt = traceTime();
      if (score === undefined || score <= clock.now()) return;
      // A delayed job's marker only says when to look: every take puts it back, so returning for it would
      // spin until that time.
      dueAt = Math.min(dueAt, score);
    }
  }

  async takeOnWake(room: TakeRoom, timeoutMs: number, signal: AbortSignal): Promise<TakenJob[]> {
    if (signal.aborted || this.closed) return [];
    const { clock, blocking } = this.options;
    const end = clock.now() + timeoutMs;
    const dueIn = this.nextDelayedAt > clock.now() ? this.nextDelayedAt - clock.now() : timeoutMs;
    const sleep = this.popMarker(Math.min(timeoutMs, dueIn), NEVER);
    let woken = 0;
    const score = sleep.then((marker) => {
      woken = traceTime();
      return marker;
    });
    this.onBlocking ??= this.scriptsOf(blocking);
    const take = this.beginTake(this.onBlocking, room);
    const jobs = take.reply.then(
      (reply) => this.takenBy(take.token, reply, () => ({ woken, asked: woken, taken: traceTime() })),
      (error: unknown) => {
        if (!this.closed) throw error;
        return [];
      },
    );
    const first = await orRoused(jobs, signal, () => this.rouse());
    if (first === undefined) {
      // Redis does not answer. If it does later, no one else knows of these jobs.
      jobs.then((some) => this.settle(some.map((job) => ({ kind: 'release', job })))).catch(() => undefined);
      return [];
    }
    const marker = await score;
    // The take put a delayed job's marker back: the next sleep must not end with it.
    const early = first.length === 0 && !this.more && marker !== undefined && marker > clock.now();
    if (!early) return first;
    await this.waitForWork(end - clock.now(), signal);
    return signal.aborted || this.closed ? [] : this.take(room);
  }

  private popMarker(ms: number, signal: AbortSignal): Promise<number | undefined> {
    const { tag, base } = this.scripts;
    const wakes = [...(this.routes ?? [])].map((route) => wakeKey(tag, route));
    const { blocking, client } = this.options;
    // The first non-empty one is popped: a marker for its models wakes others too only if this worker leaves
    // some jobs.
    return popMarker(blocking, client, [this.rouseKey, ...wakes, `${base}marker`], ms, signal);
  }

  /** A take without room puts back the markers of waiting jobs. */
  async passOn(): Promise<void> {
    const none = ['-', 1, 0, '', '-', '', routesArgument(this.routes), 0, 0, 0];
    const reply = (await this.scripts.run('inferTake', ...none)) as [number, number];
    this.more = reply[1] !== 0;
  }

  async settle(settlements: Settlement[]): Promise<boolean[]> {
    if (settlements.length === 0) return [];
    const now = this.options.clock.now();
    // Store the result first, then commit: a completed job always has its result.
    await Promise.all(settlements.map((settlement) => this.storeApart(settlement)));
    const { failedTtl } = this.options;
    const apart = this.options.results !== undefined;
    const bytes = settlements.reduce((sum, one) => sum + (apart ? FIELDS_BYTES : settlementBytes(one)), 0);
    const reply = (await this.bulk.run(bytes, (client) => {
      const args: (string | number | Uint8Array)[] = [Math.floor(now / STATS_BUCKET_MS)];
      for (const settlement of settlements)
        args.push(packSettle(settleFields(settlement, { apart, failedTtl })));
      return this.scriptsOn(client).run('inferSettle', ...args);
    })) as number[];
    return reply.map((ours) => ours === 1);
  }

  private scriptsOn(client: RedisClient): QueueScripts {
    return client === this.options.client ? this.scripts : this.scriptsOf(client);
  }

  private scriptsOf(client: RedisClient): QueueScripts {
    const { prefix, queue, layouts } = this.options;
    return new QueueScripts(client, prefix, queue, layouts);
  }

  /** With a separate results Redis, a result is stored there. */
  private async storeApart(settlement: Settlement): Promise<void> {
    const { results } = this.options;
    const { spec, token } = settlement.job;
    const result = resultOf(settlement);
    if (results === undefined || spec.resultTtl === 0 || result.byteLength === 0) return;
    await results.put(spec.queue, spec.id, token, result, storedTtl(spec));
  }

  async renew(jobs: TakenJob[]): Promise<{ lost: TakenJob[]; cancelled: TakenJob[] }> {
    if (jobs.length === 0) return { lost: [], cancelled: [] };
    const args = jobs.flatMap((job) => [job.spec.id, job.token]);
    const reply = (await this.scripts.run('inferRenew', this.options.lockMs, ...args)) as number[];
    return {
      lost: jobs.filter((_, i) => reply[i] === 0),
      cancelled: jobs.filter((_, i) => reply[i] === 2),
    };
  }

  async recover(): Promise<{ requeued: string[]; poisoned: string[] }> {
    const { maxStalls, failedTtl } = this.options;
    const message = `its worker died or lost it ${maxStalls} times while it ran`;
    const failure = JSON.stringify({
      code: 'POISON',
      message,
      hint: 'look at the worker log for how it died; infer retry ID runs it again',
    } satisfies OwnFailure);
    const reply = (await this.scripts.run(
      'inferRecover',
      maxStalls,
      failure,
      message,
      failedTtl,
    )) as string[];
    const mid = reply.indexOf('');
    return { requeued: reply.slice(0, mid), poisoned: reply.slice(mid + 1) };
  }

  expireDue(stopped = () => this.closed): Promise<string[]> {
    return expireAllDue(this.scripts, stopped);
  }

  sweep(stopped = () => this.closed): Promise<number> {
    return this.sweeper.sweep(stopped);
  }

  async reroute(paceMs?: number): Promise<void> {
    await reroute(this.scripts, paceMs);
  }

  sweepInTurn(stopped = () => this.closed): Promise<number> {
    return this.sweeper.inTurn(stopped);
  }

  settleArrivals(stopped = () => this.closed): Promise<number> {
    return settleArrivals(this.options.client, this.options.prefix, this.queue, { stopped });
  }

  damage(): Promise<QueueDamage> {
    return readDamage(this.options.client, this.options.prefix, this.queue);
  }

  /** Ends a pending wait and passes its marker on, so that another idle worker wakes up. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await closeClient(this.options.blocking);
    const { client, workerId } = this.options;
    await Promise.all([this.passOn(), client.del(takesKey(this.scripts.tag, workerId), this.rouseKey)]).catch(
      () => undefined,
    );
  }
}
