import type { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import { type Part, part, type Service } from '../core/service.js';
import { BullConsumer } from '../queue/broker/consumer.js';
import type {
  HistoryKeeper,
  OrderInbox,
  QueueConsumer,
  WorkerRegistry,
} from '../queue/broker/consumer-port.js';
import { ControlInbox } from '../queue/broker/control.js';
import { settleQueues } from '../queue/broker/open-queue.js';
import { ResultStore } from '../queue/broker/result-store.js';
import { RedisWorkerRegistry } from '../queue/broker/worker-registry.js';
import { HistoryWriter } from '../queue/history/writer.js';
import { BulkWrites } from '../redis/bulk-writes.js';
import { type ConnectionSettings, closeClient, connect, resolveTarget } from '../redis/connect.js';
import { evictionWarning } from '../redis/eviction.js';
import { type ServerClock, serverClock } from '../redis/server-clock.js';
import type { RedisClient, RedisTarget } from '../redis/types.js';
import type { Logger } from '../telemetry/logger.js';
import type { ResultLimit } from './admit.js';
import type { Outage } from './outage.js';

/** A job that killed its worker, or hung it past its lock, this often is failed as poison. */
const MAX_STALLS = 3;

interface RedisPartsOptions {
  /** The worker's id. */
  id: string;
  name: string;
  prefix: string;
  queues: readonly string[];
  lockMs: number;
  failedTtl: number;
  target: RedisTarget;
  settings: ConnectionSettings;
  /** A separate Redis for results. */
  results: ConnectionSettings | undefined;
}

/**
 * The parts of a worker that depend on Redis as its broker. Everything else sees only the ports in
 * `queue/consumer-port.ts`.
 */
export interface RedisParts {
  /** The connection and what is built on it. */
  base: readonly Service[];
  clock: Part<Clock & Pick<ServerClock, 'aheadMs'>>;
  registry: Part<WorkerRegistry>;
  /** Stops after the registry's entry was removed. */
  history: Part<HistoryKeeper>;
  /** The writers of job ends and results, then the consumers of its queues, in order of urgency. */
  queues: readonly Service[];
  consumers(): QueueConsumer[];
  /** The largest result that fits. */
  resultLimit: ResultLimit;
  /** The worker's end of the control channel, on its own connection. */
  openInbox(signal: AbortSignal): Promise<OrderInbox>;
}

/** The Redis parts of a worker, none of them open yet. */
export function redisParts(options: RedisPartsOptions, outage: Outage, log: Logger): RedisParts {
  const { id, name, prefix, queues, target, settings, results: apart } = options;
  const connection = part(
    'connection',
    (signal) => connect(target, 'worker', settings, { signal, onState: (event) => outage.onState(event) }),
    (client) => closeClient(client),
  );
  const clock = part('clock', async () => {
    const redisClock = serverClock(connection.value);
    await redisClock.settled().catch(() => undefined);
    return redisClock;
  });
  const eviction = part('eviction policy', () => {
    void evictionWarning(connection.value).then((warning) => warning !== undefined && log.warn(warning));
  });
  const registry = part(
    'registry',
    () => new RedisWorkerRegistry({ client: connection.value, prefix, id, queues, clock: clock.value }),
  );
  const history = part<HistoryKeeper>(
    'history',
    () => new HistoryWriter({ client: connection.value, prefix, id, clock: clock.value }),
    async (keeper) => {
      // It must not make a worker that has done its work fail.
      await keeper
        .stop()
        .catch((error: unknown) =>
          log.warn({ error: messageOf(error) }, 'the last figures were not recorded'),
        );
    },
  );

  const bulk = part(
    'large writes',
    () => new BulkWrites(connection.value),
    (writes) => writes.close(),
  );
  const resultsConnection = part<RedisClient | undefined>(
    'connection for results',
    async (signal) =>
      apart === undefined ? undefined : connect(await resolveTarget(apart), 'worker', apart, { signal }),
    (client) => client && closeClient(client),
  );
  const results = part(
    'results',
    () => resultsConnection.value && new ResultStore(resultsConnection.value, prefix),
    (store) => store?.bulk.close(),
  );
  const queueSettings = part('settings of queues', () => settleQueues(connection.value, prefix, queues));
  const consumers = queues.map((queue) =>
    part(
      `queue ${queue}`,
      async (signal) =>
        new BullConsumer({
          prefix,
          queue,
          client: connection.value,
          blocking: await connect(target, 'blocking', settings, { signal }),
          workerId: id,
          workerName: name,
          lockMs: options.lockMs,
          maxStalls: MAX_STALLS,
          failedTtl: options.failedTtl,
          clock: clock.value,
          bulk: bulk.value,
          results: results.value,
        }),
      (consumer) => consumer.close(),
    ),
  );

  return {
    base: [connection, clock, eviction, registry],
    clock,
    registry,
    history,
    queues: [bulk, resultsConnection, results, queueSettings, ...consumers],
    consumers: () => consumers.map(({ value }) => value),
    resultLimit: (bytes) => (results.value?.bulk ?? bulk.value).knownFor(bytes),
    openInbox: async (signal) => {
      const blocking = await connect(target, 'blocking', settings, { signal });
      return new ControlInbox(connection.value, blocking, prefix, id);
    },
  };
}
