import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { LoadedSettings } from '../config/load.js';
import { settledWithin } from '../core/bounded.js';
import { InferError, messageOf } from '../core/errors.js';
import { type HeldLock, takeLock } from '../core/file-lock.js';
import { processPlace, stillRuns } from '../core/process-alive.js';
import { part, Services } from '../core/service.js';
import { formatDuration } from '../core/units.js';
import { discoverGpus } from '../model/gpus.js';
import { type AutoscalerRecord, publishAutoscaler, removeAutoscaler } from '../queue/autoscalers.js';
import { DataWatch } from '../queue/broker/data-watch.js';
import { holderFrom, holds, readLease } from '../queue/broker/gpu-lease.js';
import { lossText } from '../queue/data-mark.js';
import { AutoscalerEvents } from '../queue/events/autoscaler-events.js';
import { samplePool } from '../queue/read/sample.js';
import { withWaitingRoutes } from '../queue/read/waiting-routes.js';
import { closeClient, connect, resolveTarget } from '../redis/connect.js';
import { connectionSettings } from '../redis/from-settings.js';
import { serverClock, serverNow } from '../redis/server-clock.js';
import type { RedisClient, RedisTarget } from '../redis/types.js';
import { Autoscaler, type AutoscalerState, type Reading, type Tick } from './autoscaler.js';
import { initialState } from './controller.js';
import { GpuWatch } from './gpu-watch.js';
import { type LiveFlags, type LivePlan, planOf } from './live-plan.js';
import { type Adopted, ProcessFleet } from './process-fleet.js';
import { threadShare } from './thread-share.js';
import { readJson, WorkerFiles, writeAtomically } from './worker-files.js';

/** Loading a large model from a slow disk takes minutes. */
const START_TIMEOUT_MS = 600_000;
/** Delayed jobs due within this time count as waiting. */
const HORIZON_MS = 20_000;
/** Longest wait for a Redis that may be unreachable, when leaving. */
const LEAVE_MS = 500;

export interface LiveEvents {
  /** Once, before the first decision. */
  onOpen(facts: { record: AutoscalerRecord; plan: LivePlan; adopted: Adopted }): void;
  onTick(tick: Tick, record: AutoscalerRecord): Promise<void> | void;
  /** A problem that does not stop the loop; called once per kind. */
  onTrouble(text: string): void;
  /** The fleet is being drained at the end. */
  onDrain(workers: number): void;
}

/**
 * Runs a fleet by its policy until `stop`, or for one decision.
 * @param hurry when fired, the fleet being drained at the end requeues its jobs immediately.
 * @throws InferError USAGE (2), AUTOSCALER_RUNNING, POOL_LOST, GPU_DISCOVERY or of Redis (69).
 */
export async function runLive(
  loaded: LoadedSettings,
  flags: LiveFlags,
  events: LiveEvents,
  stop: AbortSignal,
  hurry: AbortSignal,
): Promise<AutoscalerRecord> {
  const report = flags.gpus === 'none' ? { state: 'ok' as const, gpus: [] } : await discoverGpus();
  const plan = planOf(flags, report);
  const settings = connectionSettings(loaded, true);
  const target = await resolveTarget(settings);
  const { prefix, stateDir } = loaded.values;
  const pool = poolOf(flags.queues, prefix, target);
  const files = new WorkerFiles(stateDir);
  const connection = part(
    'connection',
    () => connect(target, 'worker', settings),
    (client) => closeClient(client),
  );
  const lock = part(
    'lock of the pool',
    () => (flags.dryRun ? undefined : poolLock(files, pool, flags.queues.join(','))),
    (held) => held?.release(),
  );
  const services = new Services('autoscaler', [connection, lock]);
  await services.start();
  const client = connection.value;
  const data = new DataWatch(client, prefix);
  data.onLoss((loss) => events.onTrouble(lossText(loss)));
  try {
    const gpus = plan.onGpus ? new GpuWatch(discoverGpus, flags.gpus, report, Date.now()) : undefined;
    const fleet = new ProcessFleet({
      files,
      launch: { redisUrl: target.url, prefix },
      pool,
      queues: flags.queues,
      workersPerGpu: flags.workersPerGpu,
      cpuSlots: plan.slots,
      cpuThreads: threadsOf(loaded, flags.args, plan.cpuThreads),
      drainTimeoutMs: loaded.values.drainTimeout,
      startTimeoutMs: START_TIMEOUT_MS,
      args: flags.args,
      gpus,
      dryRun: flags.dryRun,
    });
    const controller = { pool: flags.queues.join(','), config: plan.config, policy: plan.policy };
    const stateFile = files.poolState(pool);
    const autoscaler = new Autoscaler(
      {
        host: files.host,
        queues: flags.queues,
        controller,
        fleet,
        dryRun: flags.dryRun,
        read: (now) => readAll(client, prefix, flags.queues, gpus, now),
        save: (state) => save(stateFile, state, events.onTrouble),
        now: Date.now,
      },
      resumed(readJson<AutoscalerState>(stateFile)) ?? { controller: initialState(controller) },
    );
    const own = { id: `${files.host}/${pool}`, pid: process.pid, startedAt: Date.now() };
    const adopted = fleet.adopt();
    const told = flags.dryRun ? undefined : new AutoscalerEvents(client, prefix);
    let record: AutoscalerRecord | undefined;
    for (;;) {
      const began = performance.now();
      if (lock.value?.stillHeld() === false) throw poolLost(files.poolLock(pool));
      if (!flags.dryRun) for (const queue of flags.queues) data.note(queue);
      const tick = await autoscaler.tick();
      const first = record === undefined;
      record = autoscaler.record(tick, own);
      if (first) events.onOpen({ record, plan, adopted });
      if (tick.queue !== null && !flags.dryRun)
        void publishAutoscaler(client, prefix, atServer(record, serverClock(client).aheadMs())).catch(
          () => undefined,
        );
      if (tick.queue !== null) told?.decided(record);
      await events.onTick(tick, record);
      if (flags.once || stop.aborted) break;
      const pause = Math.max(0, flags.intervalMs - (performance.now() - began));
      await delay(pause, undefined, { signal: stop }).catch(() => undefined);
      if (stop.aborted) break;
    }
    if (flags.onExit === 'drain' && !flags.dryRun) {
      events.onDrain(record.workers.length);
      await fleet.drainAll(hurry);
    }
    await fleet.settled();
    // A dry run has written none, and an autoscaler running here has the same name.
    told?.stopped(record);
    if (!flags.dryRun) await settledWithin(LEAVE_MS, removeAutoscaler(client, prefix, own.id));
    return record;
  } finally {
    await services.stop();
  }
}

/**
 * Its record, with Redis's times instead of this host's, by which it decides: other processes compare them
 * with Redis's.
 */
function atServer(record: AutoscalerRecord, clockAheadMs: number): AutoscalerRecord {
  const { startedAt, decidedAt, workers } = record;
  return {
    ...record,
    startedAt: startedAt - clockAheadMs,
    decidedAt: decidedAt - clockAheadMs,
    workers: workers.map((worker) => ({ ...worker, since: worker.since - clockAheadMs })),
    clockAheadMs,
  };
}

/** Its queues, plus their Redis and installation: the same queues elsewhere are another pool. */
function poolOf(queues: readonly string[], prefix: string, target: RedisTarget): string {
  const where = createHash('sha256').update(`${prefix}\0${target.label}`).digest('hex').slice(0, 8);
  return `${queues.join('+').slice(0, 80)}-${where}`;
}

function poolLock(files: WorkerFiles, pool: string, queues: string): Promise<HeldLock> {
  return takeLock(files.poolLock(pool), {
    waitMs: 0,
    purpose: `autoscaler of ${queues}`,
    busy: ({ pid, since }) =>
      new InferError(
        'AUTOSCALER_RUNNING',
        `an autoscaler of ${queues} already runs on ${hostname()}: pid ${pid}, for ${formatDuration(Date.now() - since)}`,
        {
          hint: `stop it first: kill ${pid}; its workers stay and this one takes them over. To look only: --dry-run`,
        },
      ),
  });
}

function poolLost(file: string): InferError {
  return new InferError('POOL_LOST', `${file} was removed or belongs to another autoscaler now`, {
    hint: 'its workers keep running; infer autoscale again takes them over',
  });
}

/** The state saved by an earlier autoscaler; a restart retries failed slots. */
function resumed(state: AutoscalerState | undefined): AutoscalerState | undefined {
  if (state?.controller?.version !== 1) return undefined;
  const slots = Object.entries(state.controller.slots).map(([slot, record]) => [
    slot,
    record.failed ? { ...record, failures: record.failures - 1, retryAt: 0, failed: false } : record,
  ]);
  return {
    ...state,
    learned: undefined,
    controller: { ...state.controller, slots: Object.fromEntries(slots) },
  };
}

/** Threads for each runner of a worker that has `cores`; undefined if they are set elsewhere. */
function threadsOf({ values }: LoadedSettings, args: readonly string[], cores: number): number | undefined {
  if (values.threads !== undefined || args.some((arg) => /^--threads(=|$)/.test(arg))) return undefined;
  return threadShare(cores, args, values.autoscale?.max ?? values.concurrency);
}

async function readAll(
  client: RedisClient,
  prefix: string,
  queues: readonly string[],
  gpus: GpuWatch | undefined,
  now: number,
): Promise<Reading> {
  const place = processPlace();
  const [sample, leases] = await Promise.all([
    serverNow(client)
      .then((at) => samplePool(client, prefix, queues, at, HORIZON_MS))
      .then((pool) => withWaitingRoutes(client, prefix, pool)),
    Promise.all(
      (gpus?.present ?? []).map(
        async ({ uuid }) => [uuid, holds(await readLease(client, prefix, uuid), place, stillRuns)] as const,
      ),
    ),
  ]);
  const holders = leases.flatMap(([uuid, holder]) =>
    holder === undefined ? [] : [[uuid, holderFrom(place, holder)] as const],
  );
  return { at: now, sample, holders: new Map(holders) };
}

/** If this fails, only the learned state is lost, not the fleet, which the pid files record. */
function save(file: string, state: AutoscalerState, onTrouble: (text: string) => void): void {
  try {
    writeAtomically(file, state);
  } catch (error) {
    onTrouble(`what was learned cannot be written down: ${messageOf(error)}`);
  }
}
