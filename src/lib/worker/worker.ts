import { MAX_PRIORITY } from '../core/job.js';
import { WakeUp } from '../core/wake-up.js';
import { shapeKey } from '../model/tensor.js';
import type { TakenJob, TakeRoom, WorkerRecord } from '../queue/types.js';
import { admit } from './admit.js';
import { BatchSizes } from './batch-sizes.js';
import { Dispatcher } from './dispatcher.js';
import { beatOf } from './heartbeat.js';
import { HeldJob } from './held-jobs.js';
import { JobEndings } from './job-endings.js';
import { Lane, takingSince } from './lane.js';
import { limitsOf } from './limits.js';
import { LiveChanges } from './live-changes.js';
import { Preparing } from './preparing.js';
import { Room } from './room.js';
import { RunnerLoad } from './runner-load.js';
import { type ServedModel, ServedModels } from './served-models.js';
import { ServedRoutes } from './served-routes.js';
import { stopBatching } from './stop-batching.js';
import type { WorkerOptions, WorkerParts } from './worker-parts.js';

/** How long a cancelled job's run may take to end before its process is killed, ms. */
const CANCEL_GRACE_MS = 1000;

/**
 * Takes jobs from its lanes, runs them in micro-batches and settles them. It owns no connection and starts no
 * process: its creator closes what it was given. Life cycle: `run` until drained; `drain` stops taking and
 * finishes the started jobs; `leave` hands everything back immediately.
 */
export class Worker {
  readonly startedAt: number;
  state: WorkerRecord['state'] = 'ready';
  private readonly dispatcher: Dispatcher;
  private readonly preparing: Preparing;
  private readonly lanes: Lane[];
  /** Ends its jobs, and knows which it holds. */
  readonly endings: JobEndings;
  private readonly models: ServedModels;
  private readonly stopTaking = new AbortController();
  private readonly ended = new WakeUp();
  private order = 0;
  private readonly sizes: BatchSizes;
  /** What can be changed while it works. */
  readonly changes: LiveChanges;
  /** The load of its runners. */
  readonly load: RunnerLoad;
  private accepted = 0;
  private leaving = false;
  private readonly routes: ServedRoutes;
  private readonly room: Room;
  /** A job that lost its worker before: while it is held, no other job is held with it. */
  private suspect: HeldJob | undefined;
  private handingBack = false;

  constructor(
    readonly options: WorkerOptions,
    private readonly parts: WorkerParts,
  ) {
    this.startedAt = parts.clock.now();
    this.sizes = new BatchSizes(options.maxBatch, options.latencyTargetMs);
    this.models = new ServedModels(parts.models, (session) => {
      this.sizes.remove(session);
      parts.pool.unload(session);
    });
    for (const { session, loaded } of this.models.all) this.sizes.add(session, loaded.signature, loaded.warm);
    this.routes = new ServedRoutes(parts.consumers, parts.pool, this.models, options.layouts);
    this.room = new Room({
      models: this.models,
      sizes: this.sizes,
      layouts: options.layouts,
      runners: () => ({ all: parts.pool.slots.length, running: this.dispatcher.running }),
      runsUpTo: (lane) => this.dispatcher.runsUpTo(lane) + this.preparing.runsUpTo(lane),
    });
    this.endings = new JobEndings({
      workerName: options.name,
      consumers: parts.consumers,
      clock: parts.clock,
      log: parts.log,
      random: parts.random ?? Math.random,
      models: this.models,
      arena: parts.arena,
      withdraw: (job) => this.dispatcher.withdraw(job),
      onLetGo: (job) => this.onLetGo(job),
    });
    this.dispatcher = new Dispatcher(
      options.batchWindowMs,
      {
        urge: (unit) => this.urge(unit),
        onBatch: (...batch) => this.endings.work.batch(...batch),
        onRan: ({ session, payload }, ...run) => this.sizes.record(session, payload, ...run),
        onMixed: (...mixed) => stopBatching(this.sizes, this.models, parts.log, ...mixed),
        isMixed: (session) => this.sizes.mixedBy(session) !== undefined,
        onRoom: () => this.freeRoom(),
        onModels: () => this.onModels(),
        onReturned: () => this.handBack(),
        takingSince: () => takingSince(this.lanes),
      },
      this.endings,
      parts.clock,
    );
    this.preparing = new Preparing({
      pool: parts.preparers,
      sizes: this.sizes,
      dispatcher: this.dispatcher,
      endings: this.endings,
    });
    this.changes = new LiveChanges({
      pool: parts.pool,
      dispatcher: this.dispatcher,
      models: this.models,
      sizes: this.sizes,
      freeRoom: () => {
        this.routes.refresh();
        this.freeRoom();
      },
    });
    this.load = new RunnerLoad({
      pool: parts.pool,
      dispatcher: this.dispatcher,
      held: this.held,
      lanes: () => this.lanes,
    });
    this.lanes = parts.consumers.map(
      (consumer, index) =>
        new Lane(
          index,
          consumer,
          {
            room: (lane) => this.roomOf(lane),
            roomAsleep: (lane) => this.roomOf(lane) && this.room.asleep(this.jobsLeft),
            took: (ms) => this.room.took(ms),
            admit: (lane, jobs) => this.admitAll(lane, jobs),
          },
          this.stopTaking.signal,
          parts.log,
          () => this.endBurst(),
        ),
    );
  }

  /** Works until drained or left. */
  async run(): Promise<void> {
    this.routes.refresh();
    for (const slot of this.parts.pool.slots) this.dispatcher.serve(slot);
    const taking = Promise.all(this.lanes.map((lane) => lane.run()));
    await taking;
    while (this.held.size > 0 && !this.leaving) await this.ended.wait();
    this.dispatcher.stop();
    if (!this.leaving) await this.dispatcher.over();
    await this.endings.flushed();
  }

  private get held() {
    return this.endings.held;
  }

  /** Jobs started and not ended: what a drain waits for. */
  get startedJobs(): number {
    return [...this.held.values()].filter((job) => job.started).length;
  }

  /** Jobs taken and not ended. */
  get heldJobs(): number {
    return this.held.size;
  }

  /** Takes no more jobs, hands back those not started, finishes those started. */
  drain(): void {
    this.handingBack = true;
    this.stopAfterHeld();
    this.handBack();
    this.ended.wake();
  }

  /** Hands everything back, started or not; the caller kills the runners. */
  async leave(): Promise<void> {
    this.leaving = true;
    this.drain();
    this.endings.releaseAll(() => true);
    this.ended.wake();
    await this.endings.flushed();
  }

  /** Sends nothing more: for a Redis that is unreachable at shutdown. */
  abandon(): void {
    this.endings.abandon();
  }

  /**
   * Renews locks, then handles jobs whose lock was lost or whose cancellation was requested; run it several
   * times per lock lifetime.
   */
  async renewLocks(): Promise<void> {
    await Promise.all(
      this.parts.consumers.map(async (consumer) => {
        const { lost, cancelled } = await consumer.renew(this.endings.toRenew(consumer.queue));
        this.endings.lost(consumer.queue, lost);
        for (const job of cancelled) this.onCancelRequested(job);
      }),
    );
  }

  heartbeat(): Omit<WorkerRecord, 'rssBytes' | 'loopLagMs'> {
    return beatOf({
      options: this.options,
      startedAt: this.startedAt,
      now: this.parts.clock.now(),
      state: this.state,
      queues: this.parts.consumers.map((consumer) => consumer.queue),
      models: this.models,
      sizes: this.sizes,
      concurrency: this.parts.pool.slots.length,
      runs: this.dispatcher.runs,
      held: this.held.values(),
      counts: this.endings.counts,
      busyMs: this.held.busyMs,
    });
  }

  private roomOf(lane: number): TakeRoom | undefined {
    if (this.stopTaking.signal.aborted || this.suspect !== undefined) return undefined;
    return this.room.of(lane, this.jobsLeft);
  }

  private get jobsLeft(): number {
    return (this.options.maxJobs ?? Number.POSITIVE_INFINITY) - this.accepted;
  }

  /** Jobs that no runner here can run any more are returned for another worker. */
  private onModels(): void {
    this.routes.refresh();
    this.handBack();
  }

  /** Returns waiting jobs that are not to run here. If a runner has them, they are taken back first. */
  private handBack(): void {
    const goes = (job: HeldJob) =>
      !job.started &&
      (this.handingBack ||
        (this.suspect !== undefined && job !== this.suspect) ||
        !this.parts.pool.mayRun(job.session));
    this.dispatcher.takeBack(goes);
    this.endings.releaseAll((job) => goes(job) && !this.dispatcher.isHandedOver(job));
  }

  private freeRoom(): void {
    for (const lane of this.lanes) lane.freeRoom();
  }

  private admitAll(lane: number, jobs: TakenJob[]): void {
    const most = this.options.maxJobs ?? Number.POSITIVE_INFINITY;
    for (const job of jobs) {
      if (this.endings.tooNew(job)) continue;
      // Lanes and the check for urgent jobs take concurrently, so one of them may have taken too many. A
      // model may also have been lost or unloaded while the take was in progress.
      const tooMany = this.accepted >= most || this.suspect !== undefined;
      if (tooMany || (job.routed === true && !this.routes.take(job.spec))) {
        this.endings.handBack(job);
        continue;
      }
      this.accepted += 1;
      try {
        const { job: ours, payload } = admit(job, this.models.signatures, this.parts.resultLimit);
        const { session, loaded } = this.models.get(ours.spec.model) as ServedModel;
        // A job that failed before runs alone: it may be what made the run fail.
        const alone = job.failures + job.stalls > 0 ? `;alone ${job.spec.id}` : '';
        const raw = loaded.prepare;
        const key = `${session}${alone};${raw === undefined ? shapeKey(payload) : ''}`;
        const cap = this.sizes.capFor(session, payload);
        const limits = limitsOf(job.spec, this.options);
        const held = new HeldJob(ours, payload, lane, this.order++, key, session, cap, limits);
        held.version = loaded.signature.version;
        this.endings.hold(held);
        if (job.stalls > 0) this.quarantine(held);
        if (raw !== undefined) void this.preparing.add(held, raw);
        else {
          this.endings.stage(held);
          this.dispatcher.add(held);
        }
      } catch (error) {
        this.endings.refuse(job, error);
      }
    }
    if (jobs.length > 0) this.dispatcher.wake();
    if (this.handingBack) this.handBack();
    if (this.accepted >= most) this.stopAfterHeld();
  }

  /**
   * A job whose worker died may have killed it, and may do so again. Other waiting jobs are returned first;
   * otherwise they would be counted as lost too, and finally as poison, without ever having run.
   */
  private quarantine(job: HeldJob): void {
    this.suspect = job;
    this.handBack();
  }

  /** Takes no more, but finishes what is held. */
  private stopAfterHeld(): void {
    this.state = 'draining';
    this.stopTaking.abort();
    this.freeRoom();
  }

  private async urge(unit: HeldJob): Promise<void> {
    await Promise.all(
      this.lanes.slice(0, unit.lane + 1).map((lane) => {
        // Taken before, and not ready yet: more of it would only wait here.
        if (this.preparing.runsUpTo(lane.index) >= 1) return undefined;
        const runs = Math.max(0, 1 - this.dispatcher.runsUpTo(lane.index));
        // Even a full prefetch may be exceeded by one micro-batch for more urgent jobs in the unit's own
        // lane.
        if (lane.index === unit.lane) {
          return unit.priority < MAX_PRIORITY ? lane.urge(unit.priority, this.room.forRun(1)) : undefined;
        }
        return runs > 0 ? lane.urge(undefined, this.room.forRun(runs)) : undefined;
      }),
    );
  }

  private onCancelRequested(taken: TakenJob): void {
    const job = this.held.get(taken);
    if (job === undefined || job.over) return;
    job.cancelled = true;
    if (!this.dispatcher.runs.jobs.has(job)) {
      this.endings.cancelled(job);
      return;
    }
    // The dispatcher ends the job when its run is over; a long run is killed.
    setTimeout(() => {
      if (!job.over) this.dispatcher.abortRunsOf(job);
    }, CANCEL_GRACE_MS).unref();
  }

  private onLetGo(job: HeldJob): void {
    this.preparing.drop(job);
    if (this.suspect === job) {
      this.suspect = undefined;
      this.freeRoom();
    }
    this.ended.wake();
    this.endBurst();
  }

  private endBurst(): void {
    if (this.options.burst && this.held.size === 0 && this.lanes.every((lane) => lane.empty))
      this.stopAfterHeld();
  }
}
