import type { RunnerBounds } from '../config/runner-bounds.js';
import { settledWithin } from '../core/bounded.js';
import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { newId } from '../core/job.js';
import { Arena } from '../model/arena.js';
import { startRunner } from '../model/process-runner.js';
import { findModel } from '../model/repository.js';
import type { LoadedModel, RunnerOptions, StartRunner } from '../model/runner.js';
import { ControlInbox } from '../queue/broker/control.js';
import { beat, removeWorker } from '../queue/registry.js';
import type { ModelProblem } from '../queue/types.js';
import { type WorkReport, writeWorkStats } from '../queue/work-stats.js';
import { type ConnectionEvent, type ConnectionSettings, closeClient, connect } from '../redis/connect.js';
import { evictionWarning } from '../redis/eviction.js';
import { serverClock } from '../redis/server-clock.js';
import type { RedisTarget } from '../redis/types.js';
import type { Logger } from '../telemetry/logger.js';
import { LoopLag } from '../telemetry/loop-lag.js';
import { startChores } from './chores.js';
import { ControlLoop } from './control.js';
import { GpuHold } from './gpu-hold.js';
import { logHandlerLine } from './handler-log.js';
import { logWarnings, ModelWatch } from './model-watch.js';
import { openConsumers } from './open-consumers.js';
import { openStores } from './open-stores.js';
import { calmed } from './outage.js';
import { Publication } from './publication.js';
import { RunnerPool } from './runner-pool.js';
import { RunnerScaler } from './runner-scaler.js';
import { RunnerSlot } from './runner-slot.js';
import { sayStarting } from './starting-beats.js';
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
  /** It moves between these by itself, from `concurrency` on. */
  autoscale?: RunnerBounds | undefined;
  /** How long a runner that is not needed stays, ms. */
  keepAliveMs: number;
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
  /** Do not start when one of the models cannot be loaded. */
  strict?: boolean | undefined;
  /** How long a drain that was ordered through Redis may take. */
  drainTimeoutMs: number;
}

export interface WorkerRedis {
  target: RedisTarget;
  settings: ConnectionSettings;
  /** A Redis for results alone. */
  results?: ConnectionSettings | undefined;
  onState: (event: ConnectionEvent) => void;
  /** Settings and models as they are now, for a restart that was ordered; without it none is taken. */
  reload?: (() => Promise<WorkerConfig>) | undefined;
}

/** A worker that is up: models loaded, registered, not yet taking jobs. */
export interface RunningWorker {
  readonly id: string;
  readonly models: readonly LoadedModel[];
  /** Models that it should serve and cannot. */
  readonly problems: readonly ModelProblem[];
  /** Jobs it holds right now. */
  readonly activeJobs: number;
  /** Set when it ends in order to be opened again, with this. */
  readonly restartWith: WorkerConfig | undefined;
  /**
   * Takes jobs until drained, left, or (burst, max jobs) done; then frees everything.
   * @throws InferError GPU_LOST (exit 69) when its GPU went to another worker, for which it left.
   */
  run(): Promise<void>;
  /** Finishes what has started, hands back the rest; after `timeoutMs` it leaves. */
  drain(timeoutMs: number): void;
  /** Hands everything back and kills the runners, mid-run or not. */
  leave(): void;
  /**
   * So many runs at a time from now on, while it works and without losing a job; answers the number
   * there is then. The threads of each runner stay as they are. @throws InferError why a runner does
   * not start.
   */
  setConcurrency(wanted: number): Promise<number>;
}

/** Longest wait for Redis when leaving, and for any one step of the clean-up. */
const LEAVE_MS = 2000;
/** The same for a Redis that is known to be away, or that a step before has waited for in vain. */
const AWAY_MS = 500;

/** Brings up connections, runners and registration, in that order; on failure nothing is left behind. */
export async function openWorker(
  config: WorkerConfig,
  redis: WorkerRedis,
  log: Logger,
): Promise<RunningWorker> {
  const id = newId('j').replace(/^j/, 'w');
  const cleanup: (() => Promise<unknown>)[] = [];
  let backAt = Number.NEGATIVE_INFINITY;
  let awaySince: number | undefined;
  const patience = () => (awaySince === undefined ? LEAVE_MS : AWAY_MS);
  const undo = async () => {
    for (const step of cleanup.splice(0).reverse()) {
      if (!(await settledWithin(patience(), step()))) awaySince ??= performance.now();
    }
  };
  try {
    const tell = calmed(redis.onState);
    const onState = (event: ConnectionEvent) => {
      if (event.state === 'back') backAt = performance.now();
      awaySince = event.state === 'lost' ? (awaySince ?? performance.now()) : undefined;
      tell(event);
    };
    const client = await connect(redis.target, 'worker', redis.settings, { onState });
    cleanup.push(() => closeClient(client));
    const clock = serverClock(client);
    await clock.settled().catch(() => undefined);
    void evictionWarning(client).then((warning) => warning !== undefined && log.warn(warning));
    const { gpu } = config.runner;
    const claim = { prefix: config.prefix, worker: config.name, id, shared: config.shareGpu };
    const hold = gpu === undefined ? undefined : await GpuHold.take(client, { gpu, ...claim }, log);
    cleanup.push(async () => hold?.release());

    const arena = Arena.open();
    cleanup.push(async () => arena?.close());
    const start: StartRunner = (options) => startRunner(options, arena, (line) => logHandlerLine(line, log));
    const pool = new RunnerPool(
      (index, wanted) => new RunnerSlot(index, start, config.runner, wanted, log),
      config.models,
      log,
    );
    cleanup.push(() => pool.stop());
    const { name, queues, prefix } = config;
    const ready = sayStarting(client, prefix, clock, {
      id,
      name,
      queues: [...queues],
      models: [...config.models],
    });
    cleanup.push(ready);
    const models = await pool.open(config.concurrency, config.strict === true);
    hold?.assertHeld();

    const stores = await openStores(client, redis.results, config.prefix, cleanup);
    const { lockMs, failedTtl } = config;
    const shared = { prefix, client, workerId: id, workerName: config.name, lockMs, failedTtl, clock };
    const consumers = await openConsumers(queues, redis, { ...shared, ...stores }, cleanup);
    const worker = new Worker(
      {
        id,
        name: config.name,
        version: config.version,
        gpu: config.runner.gpu ?? null,
        maxBatch: config.maxBatch,
        latencyTargetMs: config.latencyTargetMs,
        batchWindowMs: config.batchWindowMs,
        lockMs,
        timeLimitMs: config.timeLimitMs,
        softTimeLimitMs: config.softTimeLimitMs,
        burst: config.burst,
        maxJobs: config.maxJobs,
      },
      { consumers, pool, models, arena, clock, log, resultLimit: stores.limit },
    );
    const watch = new ModelWatch(pool, log);
    for (const { signature } of models) logWarnings(log, signature);
    watch.say();
    const signatures = () => worker.changes.signatures;
    const publication = new Publication({ client, prefix, queues, log, signatures });
    await Promise.all(models.map(({ signature }) => publication.model(signature)));
    const scaler = RunnerScaler.of(config, { worker, pool, consumers, log });
    const lag = new LoopLag();
    cleanup.push(async () => lag.stop());
    const writeWork = (report: WorkReport) => writeWorkStats(client, prefix, id, report);
    const sendBeat = async () => {
      const published = publication.keep();
      published.catch(() => undefined);
      const rssBytes = process.memoryUsage.rss() + (await pool.memory());
      const { threads } = config.runner;
      const { modelsDir } = config.runner;
      const own = { threads, rssBytes, autoscale: scaler?.bounds, modelsDir, modelProblems: watch.problems };
      const clockAheadMs = clock.aheadMs();
      const figures = { ...own, clockAheadMs, loopLagMs: lag.takeMax(), gpuMemory: hold?.memory() };
      await beat(client, prefix, { ...worker.heartbeat(), ...figures });
      await worker.outcomes.work.send(writeWork);
      await published;
    };
    await sendBeat();
    await ready();
    /** The one beat that no timer owns; a late one must not put a worker that has left back on the register. */
    let lastBeat: Promise<void> = Promise.resolve();
    cleanup.push(async () => {
      await lastBeat;
      await worker.outcomes.work.send(writeWork).catch(() => undefined);
      await removeWorker(client, prefix, id);
    });

    const upkeep = startChores({
      client,
      prefix,
      consumers,
      lockMs,
      log,
      beat: sendBeat,
      renewLocks: () => worker.renewLocks(),
      lookAtModels: () => watch.look(),
      scaler,
      clock,
      backAt: () => backAt,
    });
    cleanup.push(() => upkeep.stop());

    let left: (() => void) | undefined;
    const hasLeft = new Promise<void>((resolve) => {
      left = resolve;
    });
    const leave = async () => {
      // Hand back first: once the runners are gone their runs would count as crashes. A Redis that is
      // away cannot be told; the locks lapse then.
      await settledWithin(patience(), worker.leave());
      worker.abandon();
      await pool.kill();
      left?.();
    };
    // Its memory on the GPU is freed at once: the new holder loads its models there now.
    void hold?.lost.then(() => {
      restartWith = undefined;
      return leave();
    });
    let drainTimer: NodeJS.Timeout | undefined;
    let awayTimer: NodeJS.Timeout | undefined;
    /** All runs are over, and Redis has been away for so long that what they brought is not waited with. */
    const leaveIfAway = () => {
      if (awaySince === undefined || performance.now() - awaySince < LEAVE_MS) return;
      if (worker.heartbeat().active.length > 0) return;
      clearInterval(awayTimer);
      log.warn('Redis is away: jobs not yet handed back are free when their locks lapse');
      void leave();
    };
    let restartWith: WorkerConfig | undefined;
    const drain = (timeoutMs: number) => {
      worker.drain();
      lastBeat = sendBeat().catch(() => undefined);
      awayTimer ??= setInterval(leaveIfAway, AWAY_MS);
      drainTimer ??= setTimeout(() => {
        log.warn({ timeoutMs }, 'drain time is over: handing back what still runs');
        void leave();
      }, timeoutMs);
    };
    const orders = await connect(redis.target, 'blocking', redis.settings);
    const control = new ControlLoop(new ControlInbox(client, orders, config.prefix, id), {
      changes: worker.changes,
      scaler,
      log,
      record: () => worker.heartbeat(),
      jobs: () => ({ started: worker.startedJobs, held: worker.heldJobs }),
      drain: () => {
        restartWith = undefined;
        drain(config.drainTimeoutMs);
      },
      leave: () => {
        restartWith = undefined;
        void leave();
      },
      prepareRestart: async () => {
        const next = await reloaded(redis);
        return () => {
          restartWith = next;
          drain(config.drainTimeoutMs);
        };
      },
      publish: async (signature) => {
        logWarnings(log, signature);
        await publication.model(signature);
      },
      versionOf: (model, version) => findModel(config.runner.modelsDir, model, version).version,
      beat: sendBeat,
    });
    cleanup.push(async () => {
      const closed = control.close();
      await closeClient(orders);
      await closed;
    });
    return {
      id,
      models,
      problems: watch.problems,
      get activeJobs() {
        return worker.startedJobs;
      },
      get restartWith() {
        return restartWith;
      },
      async run() {
        try {
          control.start();
          await Promise.race([worker.run(), hasLeft]);
        } finally {
          clearTimeout(drainTimer);
          clearInterval(awayTimer);
          await undo();
        }
        hold?.assertHeld();
      },
      drain,
      leave: () => void leave(),
      setConcurrency: (wanted) => worker.changes.setConcurrency(wanted),
    };
  } catch (error) {
    await undo();
    throw error;
  }
}

async function reloaded(redis: WorkerRedis): Promise<WorkerConfig> {
  if (redis.reload !== undefined) return redis.reload();
  throw new InferError(
    'NO_RESTART',
    'this worker cannot restart itself: the program it is part of does that',
    {
      exitCode: ExitCode.Usage,
    },
  );
}
