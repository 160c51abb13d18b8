import { InferError } from '../core/errors.js';
import { newId } from '../core/job.js';
import { type Part, part, Services } from '../core/service.js';
import { Arena } from '../model/arena.js';
import { startRunner } from '../model/process-runner.js';
import { findModel } from '../model/repository.js';
import type { LoadedModel, StartRunner } from '../model/runner.js';
import { PreparePool } from '../prepare/prepare-pool.js';
import type { Logger } from '../telemetry/logger.js';
import { LoopLag } from '../telemetry/loop-lag.js';
import { startChores } from './chores.js';
import { ControlLoop } from './control.js';
import { Departure } from './departure.js';
import { GpuHold } from './gpu-hold.js';
import { logHandlerLine } from './handler-log.js';
import type { WorkerConfig, WorkerRedis } from './host-config.js';
import { logWarnings, ModelWatch } from './model-watch.js';
import { Outage } from './outage.js';
import { prepareOrder } from './preparing.js';
import { Publication } from './publication.js';
import { redisParts } from './redis-parts.js';
import { Registration } from './registration.js';
import { RunnerPool } from './runner-pool.js';
import { RunnerScaler } from './runner-scaler.js';
import { RunnerSlot } from './runner-slot.js';
import { sayStarting } from './starting-beats.js';
import { Worker } from './worker.js';

/** A worker's services, and those that its owner uses directly. */
export interface WorkerServices {
  id: string;
  services: Services;
  gpu: Part<GpuHold | undefined>;
  models: Part<LoadedModel[]>;
  watch: Part<ModelWatch>;
  worker: Part<Worker>;
  departure: Part<Departure>;
  /** It reads orders once its owner has called `start`. */
  orders: Part<ControlLoop>;
}

/**
 * The services of a worker, in starting order: Redis, its GPU, its runners with their models, its consumers
 * of queues, its registration, its periodic chores, and the order loop. Nothing is open yet. It stops in the
 * reverse order; a step that Redis does not answer is skipped (see `Outage.patienceMs`).
 */
export function workerServices(config: WorkerConfig, redis: WorkerRedis, log: Logger): WorkerServices {
  const id = newId('j').replace(/^j/, 'w');
  const { name, queues, lockMs } = config;
  const outage = new Outage(redis.onState);
  const broker = redisParts({ id, ...config, ...redis, results: redis.results }, outage, log);
  const registry = () => broker.registry.value;

  const gpu = part(
    'GPU',
    async () => {
      const device = config.runner.gpu;
      if (device === undefined) return undefined;
      return GpuHold.take(registry(), { gpu: device, worker: name, id, shared: config.shareGpu }, log);
    },
    (hold) => hold?.release(),
  );
  const arena = part(
    'arena',
    () => Arena.open(),
    (staging) => staging?.close(),
  );
  const pool = part(
    'runners',
    () => {
      const start: StartRunner = (options) =>
        startRunner(options, arena.value, (line) => logHandlerLine(line, log));
      const slot = (...[index, wanted]: Parameters<ConstructorParameters<typeof RunnerPool>[0]>) =>
        new RunnerSlot(index, start, config.runner, wanted, log);
      return new RunnerPool(slot, config.models, log);
    },
    (runners) => runners.stop(),
  );
  const preparers = part(
    'preparers',
    () => new PreparePool(prepareOrder),
    (processes) => processes.stop(),
  );
  const starting = part(
    'start notice',
    () => sayStarting(registry(), { name, queues: [...queues], models: [...config.models] }),
    (ready) => ready(),
  );
  const models = part('models', async () => {
    const loaded = await pool.value.open(config.concurrency, config.strict === true);
    gpu.value?.assertHeld();
    if (loaded.some(({ prepare }) => prepare !== undefined)) preparers.value.warm();
    return loaded;
  });

  const worker = part(
    'worker',
    () =>
      new Worker(
        { ...config, id, gpu: config.runner.gpu ?? null },
        {
          consumers: broker.consumers(),
          pool: pool.value,
          models: models.value,
          arena: arena.value,
          preparers: preparers.value,
          clock: broker.clock.value,
          log,
          resultLimit: broker.resultLimit,
        },
      ),
  );
  const watch = part('model files', () => {
    const files = new ModelWatch(pool.value, log);
    for (const { signature } of models.value) logWarnings(log, signature);
    files.say();
    return files;
  });
  const publication = part('publication', async () => {
    const signatures = () => worker.value.changes.signatures;
    const published = new Publication({ registry: registry(), log, signatures });
    await Promise.all(models.value.map(({ signature }) => published.model(signature)));
    return published;
  });
  const scaler = part('autoscale', () =>
    RunnerScaler.of(config, {
      worker: worker.value,
      pool: pool.value,
      consumers: broker.consumers(),
      log,
    }),
  );
  const lag = part(
    'loop lag',
    () => new LoopLag(),
    (meter) => meter.stop(),
  );
  const registration = part(
    'registration',
    async () => {
      const { threads, modelsDir } = config.runner;
      const entry = new Registration({
        registry: registry(),
        worker: worker.value,
        pool: pool.value,
        publication: publication.value,
        lag: lag.value,
        gpu: gpu.value,
        facts: () => ({
          threads,
          modelsDir,
          autoscale: scaler.value?.bounds,
          modelProblems: watch.value.problems,
          clockAheadMs: broker.clock.value.aheadMs(),
        }),
      });
      await entry.beat();
      await starting.value();
      if (entry.lastRecord !== undefined) {
        void broker.history.value.started(entry.lastRecord).catch(() => undefined);
      }
      return entry;
    },
    (entry) => entry.remove(),
  );

  const chores = part(
    'chores',
    () =>
      startChores({
        consumers: broker.consumers(),
        registry: registry(),
        history: broker.history.value,
        lockMs,
        log,
        beat: () => registration.value.beat(),
        renewLocks: () => worker.value.renewLocks(),
        lookAtModels: () => watch.value.look(),
        scaler: scaler.value,
        clock: broker.clock.value,
        backAt: () => outage.backAt,
      }),
    (maintenance) => maintenance.stop(),
  );
  const departure = part('departure', () => {
    const end = new Departure({
      worker: worker.value,
      pool: pool.value,
      outage,
      log,
      tell: () => registration.value.beatSoon(),
    });
    // Its GPU memory is freed immediately: the new holder is loading its models there.
    void gpu.value?.lost.then(() => {
      end.restartWith = undefined;
      return end.leave();
    });
    return end;
  });
  const orders = part(
    'orders',
    async (signal) => {
      const inbox = await broker.openInbox(signal);
      return new ControlLoop(inbox, {
        changes: worker.value.changes,
        scaler: scaler.value,
        log,
        record: () => worker.value.heartbeat(),
        jobs: () => ({ started: worker.value.startedJobs, held: worker.value.heldJobs }),
        drain: () => {
          departure.value.restartWith = undefined;
          departure.value.drain(config.drainTimeoutMs);
        },
        leave: () => {
          departure.value.restartWith = undefined;
          void departure.value.leave();
        },
        prepareRestart: async () => {
          const next = await reloaded(redis);
          return () => {
            departure.value.restartWith = next;
            departure.value.drain(config.drainTimeoutMs);
          };
        },
        publish: async (signature) => {
          logWarnings(log, signature);
          await publication.value.model(signature);
        },
        versionOf: (model, version) => findModel(config.runner.modelsDir, model, version).version,
        beat: () => registration.value.beat(),
      });
    },
    (loop) => loop.close(),
  );

  const services = new Services(
    `worker ${name}`,
    [
      ...broker.base,
      gpu,
      arena,
      pool,
      preparers,
      starting,
      models,
      ...broker.queues,
      worker,
      watch,
      publication,
      scaler,
      lag,
      broker.history,
      registration,
      chores,
      departure,
      orders,
    ],
    { limitMs: () => outage.patienceMs, onLate: () => outage.noticed() },
  );
  return { id, services, gpu, models, watch, worker, departure, orders };
}

async function reloaded(redis: WorkerRedis): Promise<WorkerConfig> {
  if (redis.reload !== undefined) return redis.reload();
  throw new InferError(
    'NO_RESTART',
    'this worker cannot restart itself: the program it is part of does that',
  );
}
