import type { Clock } from '../core/clock.js';
import type { HistoryKeeper, QueueConsumer, WorkerRegistry } from '../queue/broker/consumer-port.js';
import type { Logger } from '../telemetry/logger.js';
import { DamageWatch } from './damage-watch.js';
import { LayoutWatch } from './layout-watch.js';
import { Maintenance } from './maintenance.js';
import type { RunnerScaler } from './runner-scaler.js';

/**
 * Locks are renewed every second, or this many times per lock lifetime if that is more often; expired locks
 * are looked for at the same interval.
 */
const RENEWALS_PER_LOCK = 3;
/** How often Redis is checked for damage; about 20 small commands per queue. */
const DAMAGE_MS = 5000;
/** How often the worker looks for jobs of a newer layout. */
const LAYOUT_MS = 5000;
/** How often cancel requests (with the locks) and deadlines are checked. */
const LOOK_MS = 1000;
/** How soon changed model files are noticed; one `stat` per file. */
const MODELS_MS = 1000;
const SWEEP_MS = 10_000;
/** How often the worker looks for unfinished moves to its queues. */
const ARRIVALS_MS = 5000;
/** How often one of a queue's workers maintains the index of jobs that wait for other models. */
const REROUTE_MS = 5000;
/** Freshness of `inspect`: one small write per second and worker. */
const BEAT_MS = 1000;
/** How often the worker asks whether it is to write the history, and finds workers that came or left. */
const HISTORY_MS = 5000;
/** How soon --autoscale sees waiting work; costs nothing while there is none. */
const SCALE_MS = 250;

/** What a worker's chores work on. */
export interface ChoreParts {
  consumers: readonly QueueConsumer[];
  registry: Pick<WorkerRegistry, 'forgetDead'>;
  history: Pick<HistoryKeeper, 'look'>;
  lockMs: number;
  /** Redis's clock. */
  clock: Clock;
  log: Logger;
  beat(): Promise<void>;
  renewLocks(): Promise<void>;
  lookAtModels(): Promise<void>;
  /** Only for a worker that adjusts its number of runners to its backlog. */
  scaler: RunnerScaler | undefined;
  /** When the connection to Redis last came back, by `performance.now()`. */
  backAt(): number;
}

/** Starts a worker's periodic chores; call `stop` on the returned object to end them. */
export function startChores(parts: ChoreParts): Maintenance {
  const { consumers, registry, lockMs, log, scaler } = parts;
  const maintenance = new Maintenance(log);
  maintenance.every(BEAT_MS, 'heartbeat', () => parts.beat());
  maintenance.every(Math.min(LOOK_MS, lockMs / RENEWALS_PER_LOCK), 'locks', () => parts.renewLocks());
  maintenance.every(MODELS_MS, 'models', () => parts.lookAtModels());
  const stopped = (): boolean => maintenance.stopped;
  maintenance.every(LOOK_MS, 'deadlines', () =>
    Promise.all(consumers.map((consumer) => consumer.expireDue(stopped))),
  );
  maintenance.every(lockMs / RENEWALS_PER_LOCK, 'recovery', async () => {
    // After an outage every worker first gets time to renew its locks: the jobs it holds are not lost.
    if (performance.now() - parts.backAt() >= lockMs) await recoverAll(consumers, log);
  });
  maintenance.every(ARRIVALS_MS, 'arrivals', () =>
    Promise.all(consumers.map((consumer) => consumer.settleArrivals(stopped))),
  );
  // Slightly less than the interval, or a worker would be held off by its own last run.
  maintenance.every(REROUTE_MS, 'routes', () =>
    Promise.all(consumers.map((consumer) => consumer.reroute(REROUTE_MS * 0.9))),
  );
  const damage = new DamageWatch(consumers, log, parts.clock.now());
  maintenance.every(DAMAGE_MS, 'damage', () => damage.look());
  const newer = new LayoutWatch(consumers, log);
  maintenance.every(LAYOUT_MS, 'layouts', () => newer.look());
  maintenance.every(HISTORY_MS, 'history', () => parts.history.look());
  if (scaler !== undefined) maintenance.every(SCALE_MS, 'autoscale', () => scaler.look());
  maintenance.every(SWEEP_MS, 'sweep', async () => {
    await Promise.all(consumers.map((consumer) => consumer.sweepInTurn(stopped)));
    await registry.forgetDead();
  });
  return maintenance;
}

async function recoverAll(consumers: readonly QueueConsumer[], log: Logger): Promise<void> {
  for (const consumer of consumers) {
    const { requeued, poisoned } = await consumer.recover();
    const [first] = requeued;
    if (first !== undefined) {
      const jobs = requeued.length;
      log.warn({ queue: consumer.queue, jobs, first }, 'worker lost; its jobs were requeued');
    }
    for (const id of poisoned) log.error({ id, queue: consumer.queue }, 'lost its worker too often: failed');
  }
}
