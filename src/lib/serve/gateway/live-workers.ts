import { Shared } from '../../deployment/place/shared.js';
import { listWorkers } from '../../queue/registry.js';
import { isServing } from '../../queue/serving.js';
import type { WorkerRecord } from '../../queue/types.js';
import { worded } from '../../redis/worded.js';
import type { Gateway } from './gateway.js';

/** One reading so often, however many ask: probes need no token. */
const FRESH_MS = 200;

const readings = new WeakMap<Gateway, Shared<WorkerRecord[]>>();

/** Workers that take jobs, at most a moment ago. @throws InferError REDIS_… */
export function liveWorkers(gateway: Gateway): Promise<WorkerRecord[]> {
  const { client, prefix } = gateway;
  const read = async () => (await listWorkers(client.redis, prefix)).filter(isServing);
  let shared = readings.get(gateway);
  if (shared === undefined) {
    shared = new Shared(
      FRESH_MS,
      () => worded(client.redis, read()),
      () => performance.now(),
    );
    readings.set(gateway, shared);
  }
  return shared.get('');
}
