import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../core/clock.js';
import { newId } from '../core/job.js';
import { Arena } from '../model/arena.js';
import { startRunner } from '../model/process-runner.js';
import type { LoadedModel, RunnerOptions, StartRunner } from '../model/runner.js';
import { BullConsumer } from '../queue/consumer.js';
import { beat, forgetDeadWorkers, publishModel, removeWorker } from '../queue/registry.js';
import { ResultStore } from '../queue/result-store.js';
import { type WorkReport, writeWorkStats } from '../queue/work-stats.js';
import {
  type ConnectionEvent,
  type ConnectionSettings,
  closeClient,
  connect,
  resolveTarget,
} from '../redis/connect.js';
import type { RedisTarget } from '../redis/types.js';
import { type Logger, rateLimiter } from '../telemetry/logger.js';
import { LoopLag } from '../telemetry/loop-lag.js';
import { GpuHold } from './gpu-hold.js';
import { RunnerSlot } from './runner-slot.js';
import { Upkeep } from './upkeep.js';
import { Worker } from './worker.js';

export interface WorkerConfig {
  /** Shown name; `host-pid` unless the user gives one. */
  name: string;
  version: string;
  prefix: string;
  /** In order of urgency. */
  queues: readonly string[];
  /** Models to load, by name. */
  models: readonly string[];
  runner: RunnerOptions;
  /** Runner processes. */
  concurrency: number;
  maxBatch: number | null;
  latencyTargetMs: number;
  batchWindowMs: number;
  /** How long a lock outlives its last renewal: bounds how late a dead worker's jobs run again. */
  lockMs: number;
  /** Most milliseconds of run time a job may have; undefined = no limit. */
  timeLimitMs: number | undefined;
  softTimeLimitMs: number | undefined;
  /** Seconds a failed job is kept. */
  failedTtl: number;
  burst: boolean;
  maxJobs: number | undefined;
  /** Let several workers share one GPU. */
  shareGpu: boolean;
}

export interface WorkerRedis {
  target: RedisTarget;
  settings: ConnectionSettings;
  /** A Redis for results alone. */
  results?: ConnectionSettings | undefined;
  onState: (event: ConnectionEvent) => void;
}

/** A worker that is up: models loaded, registered, not yet taking jobs. */
export interface RunningWorker {
  readonly id: string;
  readonly models: LoadedModel[];
  /** Jobs it holds right now. */
  readonly activeJobs: number;
  /**
   * Takes jobs until drained, left, or (burst, max jobs) done; then frees everything.
   * @throws InferError GPU_LOST (exit 69) when its GPU went to another worker, for which it left.
   */
  run(): Promise<void>;
  /** Finishes what has started, hands back the rest; after `timeoutMs` it leaves. */
  drain(timeoutMs: number): void;
  /** Hands everything back and kills the runners, mid-run or not. */
  leave(): void;
}

/** A job that took its worker down, or hung it past its lock, this often is failed as poison. */
const MAX_STALLS = 3;
/** Locks are renewed every second, or this often in their time where that is sooner; lapsed ones are looked for this often. */
const RENEWALS_PER_LOCK = 3;
/** How often cancel requests (with the locks) and deadlines are looked at. */
const LOOK_MS = 1000;
const SWEEP_MS = 10_000;
/** Freshness of `inspect`: one small write a second and worker. */
const BEAT_MS = 1000;
/** Longest wait for Redis when leaving, and for any one step of the clean-up. */
const LEAVE_MS = 2000;
/** The same for a Redis that is known to be away, or that a step before has waited for in vain. */
const AWAY_MS = 500;
/** Redis coming and going is told this often at most. */
const STATE_EVERY_MS = 10_000;

/** Brings up connections, runners and registration, in that order; on failure nothing is left behind. */
export async function openWorker(
  config: WorkerConfig,
  redis: WorkerRedis,
  log: Logger,
): Promise<RunningWorker> {
  const id = newId('j').replace(/^j/, 'w');
  const cleanup: (() => Promise<unknown>)[] = [];
  let backAt = 0;
  let awaySince: number | undefined;
  const patience = () => (awaySince === undefined ? LEAVE_MS : AWAY_MS);
  const undo = async () => {
    for (const step of cleanup.splice(0).reverse()) {
      if (!(await atMost(patience(), step()))) awaySince ??= Date.now();
    }
  };
  try {
    const tell = calmed(redis.onState);
    const onState = (event: ConnectionEvent) => {
      if (event.state === 'back') backAt = Date.now();
      awaySince = event.state === 'lost' ? (awaySince ?? Date.now()) : undefined;
      tell(event);
    };
    const client = await connect(redis.target, 'worker', redis.settings, { onState });
    cleanup.push(() => closeClient(client));
    const { gpu } = config.runner;
    const claim = { prefix: config.prefix, worker: config.name, id, shared: config.shareGpu };
    const hold = gpu === undefined ? undefined : await GpuHold.take(client, { gpu, ...claim }, log);
    cleanup.push(async () => hold?.release());

    const arena = Arena.open();
    cleanup.push(async () => arena?.close());
    const start: StartRunner = (options) => startRunner(options, arena);
    const slots = Array.from(
      { length: config.concurrency },
      (_, index) => new RunnerSlot(index, start, config.runner, config.models, log),
    );
    cleanup.push(() => Promise.all(slots.map((slot) => slot.stop())));
    // One after the other: a model that cannot load should say so once, not once a runner.
    let models: LoadedModel[] = [];
    for (const slot of slots) models = await slot.open();
    hold?.assertHeld();
    await Promise.all(models.map((model) => publishModel(client, config.prefix, model.signature)));

    const results = await openResults(redis, config.prefix, cleanup);
    const consumers: BullConsumer[] = [];
    for (const queue of config.queues) {
      const blocking = await connect(redis.target, 'blocking', redis.settings);
      const consumer = new BullConsumer({
        prefix: config.prefix,
        queue,
        client,
        blocking,
        workerId: id,
        workerName: config.name,
        lockMs: config.lockMs,
        maxStalls: MAX_STALLS,
        failedTtl: config.failedTtl,
        clock: systemClock,
        results,
      });
      consumers.push(consumer);
      cleanup.push(() => consumer.close());
    }
    const worker = new Worker(
      {
        id,
        name: config.name,
        version: config.version,
        gpu: config.runner.gpu ?? null,
        maxBatch: config.maxBatch,
        latencyTargetMs: config.latencyTargetMs,
        batchWindowMs: config.batchWindowMs,
        lockMs: config.lockMs,
        timeLimitMs: config.timeLimitMs,
        softTimeLimitMs: config.softTimeLimitMs,
        burst: config.burst,
        maxJobs: config.maxJobs,
      },
      { consumers, slots, models, arena, clock: systemClock, log },
    );
    const lag = new LoopLag();
    cleanup.push(async () => lag.stop());
    const writeWork = (report: WorkReport) => writeWorkStats(client, config.prefix, id, report);
    const sendBeat = async () => {
      const memory = await Promise.all(slots.map((slot) => slot.memory()));
      const rssBytes = memory.reduce((sum, bytes) => sum + bytes, process.memoryUsage.rss());
      const { threads } = config.runner;
      const figures = { threads, rssBytes, loopLagMs: lag.takeMax(), gpuMemory: hold?.memory() };
      await beat(client, config.prefix, { ...worker.heartbeat(), ...figures });
      await worker.outcomes.work.send(writeWork);
    };
    await sendBeat();
    /** The one beat that no timer owns; a late one must not put a worker that has left back on the register. */
    let lastBeat: Promise<void> = Promise.resolve();
    cleanup.push(async () => {
      await lastBeat;
      await worker.outcomes.work.send(writeWork).catch(() => undefined);
      await removeWorker(client, config.prefix, id);
    });

    const upkeep = new Upkeep(log);
    upkeep.every(BEAT_MS, 'heartbeat', sendBeat);
    upkeep.every(Math.min(LOOK_MS, config.lockMs / RENEWALS_PER_LOCK), 'locks', () => worker.renewLocks());
    upkeep.every(LOOK_MS, 'deadlines', () => Promise.all(consumers.map((consumer) => consumer.expireDue())));
    upkeep.every(config.lockMs / RENEWALS_PER_LOCK, 'recovery', async () => {
      // After an outage every worker first gets the time to renew: what it holds is not lost.
      if (Date.now() - backAt >= config.lockMs) await recoverAll(consumers, log);
    });
    upkeep.every(SWEEP_MS, 'sweep', async () => {
      await Promise.all(consumers.map((consumer) => consumer.sweep()));
      await forgetDeadWorkers(client, config.prefix, Date.now());
    });
    cleanup.push(() => upkeep.stop());

    let left: (() => void) | undefined;
    const hasLeft = new Promise<void>((resolve) => {
      left = resolve;
    });
    const leave = async () => {
      // Hand back first: once the runners are gone their runs would count as crashes. A Redis that is
      // away cannot be told; the locks lapse then.
      await atMost(patience(), worker.leave());
      worker.abandon();
      await Promise.all(slots.map((slot) => slot.kill()));
      left?.();
    };
    // Its memory on the GPU is freed at once: the new holder loads its models there now.
    void hold?.lost.then(leave);
    let drainTimer: NodeJS.Timeout | undefined;
    let awayTimer: NodeJS.Timeout | undefined;
    /** All runs are over, and Redis has been away for so long that what they brought is not waited with. */
    const leaveIfAway = () => {
      if (awaySince === undefined || Date.now() - awaySince < LEAVE_MS) return;
      if (worker.heartbeat().active.length > 0) return;
      clearInterval(awayTimer);
      log.warn('Redis is away: jobs not yet handed back are free when their locks lapse');
      void leave();
    };
    return {
      id,
      models,
      get activeJobs() {
        return worker.startedJobs;
      },
      async run() {
        try {
          await Promise.race([worker.run(), hasLeft]);
        } finally {
          clearTimeout(drainTimer);
          clearInterval(awayTimer);
          await undo();
        }
        hold?.assertHeld();
      },
      drain(timeoutMs) {
        worker.drain();
        lastBeat = sendBeat().catch(() => undefined);
        awayTimer ??= setInterval(leaveIfAway, AWAY_MS);
        drainTimer ??= setTimeout(() => {
          log.warn({ timeoutMs }, 'drain time is over: handing back what still runs');
          void leave();
        }, timeoutMs);
      },
      leave: () => void leave(),
    };
  } catch (error) {
    await undo();
    throw error;
  }
}

async function openResults(
  redis: WorkerRedis,
  prefix: string,
  cleanup: (() => Promise<unknown>)[],
): Promise<ResultStore | undefined> {
  if (redis.results === undefined) return undefined;
  const client = await connect(await resolveTarget(redis.results), 'worker', redis.results);
  cleanup.push(() => closeClient(client));
  return new ResultStore(client, prefix);
}

/** Waits for work to end, but no longer than `ms`; a failure is as good as an end. False: it goes on. */
async function atMost(ms: number, work: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController();
  const ended = await Promise.race([
    work.then(
      () => true,
      () => true,
    ),
    delay(ms, false, { signal: timer.signal }).catch(() => false),
  ]);
  timer.abort();
  return ended;
}

async function recoverAll(consumers: readonly BullConsumer[], log: Logger): Promise<void> {
  for (const consumer of consumers) {
    const { requeued, poisoned } = await consumer.recover();
    const [first] = requeued;
    if (first !== undefined) {
      const jobs = requeued.length;
      log.warn({ queue: consumer.queue, jobs, first }, 'the worker of jobs is gone: back in the queue');
    }
    for (const id of poisoned) log.error({ id, queue: consumer.queue }, 'lost its worker too often: failed');
  }
}

/** Tells of an outage once in ten seconds at most, and of an end only where its beginning was told. */
function calmed(onState: WorkerRedis['onState']): WorkerRedis['onState'] {
  const limiter = rateLimiter(STATE_EVERY_MS);
  let told = false;
  return (event) => {
    if (event.state === 'lost') told = limiter.pass('lost') !== undefined;
    if (told || event.state === 'waiting') onState(event);
  };
}
