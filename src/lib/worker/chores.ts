import type { Clock } from '../core/clock.js';
import type { QueueConsumer, WorkerRegistry } from '../queue/broker/consumer-port.js';
import type { Logger } from '../telemetry/logger.js';
import { DamageWatch } from './damage-watch.js';
import { LayoutWatch } from './layout-watch.js';
import type { RunnerScaler } from './runner-scaler.js';
import { Upkeep } from './upkeep.js';

/** Locks are renewed every second, or this often in their time where that is sooner; lapsed ones are looked for this often. */
const RENEWALS_PER_LOCK = 3;
/** How often what is damaged in Redis is looked for; about 20 small commands a queue. */
const DAMAGE_MS = 5000;
/** How often jobs of a newer layout are looked for. */
const LAYOUT_MS = 5000;
/** How often cancel requests (with the locks) and deadlines are looked at. */
const LOOK_MS = 1000;
/** How soon it is seen that files of a model have changed; one `stat` a file. */
const MODELS_MS = 1000;
const SWEEP_MS = 10_000;
/** How often moves to its queues that were left half done are looked for. */
const ARRIVALS_MS = 5000;
/** How often the jobs of a queue that wait for other models are looked after, by one of its workers. */
const REROUTE_MS = 5000;
/** Freshness of `inspect`: one small write a second and worker. */
const BEAT_MS = 1000;
/** How soon --autoscale sees that work waits; costs nothing while it does not. */
const SCALE_MS = 250;

/** What the chores of a worker work on. */
export interface ChoreParts {
  consumers: readonly QueueConsumer[];
  registry: Pick<WorkerRegistry, 'forgetDead'>;
  lockMs: number;
  /** Redis's. */
  clock: Clock;
  log: Logger;
  beat(): Promise<void>;
  renewLocks(): Promise<void>;
  lookAtModels(): Promise<void>;
  /** Of a worker whose runners are as many as its backlog asks for. */
  scaler: RunnerScaler | undefined;
  /** When Redis was last seen to come back, by `performance.now()`. */
  backAt(): number;
}

/** Starts what a worker does again and again beside its jobs; stop what it answers. */
export function startChores(parts: ChoreParts): Upkeep {
  const { consumers, registry, lockMs, log, scaler } = parts;
  const upkeep = new Upkeep(log);
  upkeep.every(BEAT_MS, 'heartbeat', () => parts.beat());
  upkeep.every(Math.min(LOOK_MS, lockMs / RENEWALS_PER_LOCK), 'locks', () => parts.renewLocks());
  upkeep.every(MODELS_MS, 'models', () => parts.lookAtModels());
  const stopped = (): boolean => upkeep.stopped;
  upkeep.every(LOOK_MS, 'deadlines', () =>
    Promise.all(consumers.map((consumer) => consumer.expireDue(stopped))),
  );
  upkeep.every(lockMs / RENEWALS_PER_LOCK, 'recovery', async () => {
    // After an outage every worker first gets the time to renew: what it holds is not lost.
    if (performance.now() - parts.backAt() >= lockMs) await recoverAll(consumers, log);
  });
  upkeep.every(ARRIVALS_MS, 'arrivals', () =>
    Promise.all(consumers.map((consumer) => consumer.settleArrivals(stopped))),
  );
  // A little less, or a worker would meet the mark of its own last look.
  upkeep.every(REROUTE_MS, 'routes', () =>
    Promise.all(consumers.map((consumer) => consumer.reroute(REROUTE_MS * 0.9))),
  );
  const damage = new DamageWatch(consumers, log, parts.clock.now());
  upkeep.every(DAMAGE_MS, 'damage', () => damage.look());
  const newer = new LayoutWatch(consumers, log);
  upkeep.every(LAYOUT_MS, 'layouts', () => newer.look());
  if (scaler !== undefined) upkeep.every(SCALE_MS, 'autoscale', () => scaler.look());
  upkeep.every(SWEEP_MS, 'sweep', async () => {
    await Promise.all(consumers.map((consumer) => consumer.sweepInTurn(stopped)));
    await registry.forgetDead();
  });
  return upkeep;
}

async function recoverAll(consumers: readonly QueueConsumer[], log: Logger): Promise<void> {
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
