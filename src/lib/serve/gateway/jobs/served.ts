import { InferError } from '../../../core/errors.js';
import type { ModelSignature } from '../../../model/signature.js';
import { routeTo } from '../../../queue/routes.js';
import type { Gateway } from '../gateway.js';
import { patienceMs } from './visible.js';

/** How long an answer holds, ms: one look a second, however many requests. */
const FRESH_MS = 1000;
/** Queues and models that are remembered. */
const MOST = 1000;

const looks = new WeakMap<Gateway, Map<string, { at: number; served: Promise<boolean> }>>();

/**
 * Refuses to wait for a job that no one runs: a caller who waits would only be kept waiting.
 * @param instead what else the caller can do
 * @throws InferError NO_WORKERS (503) with the command that starts one; REDIS_… (503).
 */
export async function requireWorker(
  gateway: Gateway,
  queue: string,
  signature: ModelSignature,
  instead = 'without Prefer: wait the job is queued and waits for one',
): Promise<void> {
  const model = routeTo(signature);
  if (await isServedNow(gateway, queue, model)) return;
  const version = signature.pinned === true ? `, then infer control load WORKER ${model}` : '';
  throw new InferError('NO_WORKERS', `no worker of queue ${queue} serves model ${model}`, {
    hint: `infer worker -Q ${queue} --model ${signature.name}${version}; ${instead}`,
  });
}

function isServedNow(gateway: Gateway, queue: string, model: string): Promise<boolean> {
  const known = looks.get(gateway) ?? new Map();
  looks.set(gateway, known);
  const key = `${queue} ${model}`;
  const now = performance.now();
  const last = known.get(key);
  if (last !== undefined && now - last.at < FRESH_MS) return last.served;
  const served = gateway.client.hasWorker(queue, { model, timeoutMs: patienceMs(gateway) });
  served.catch(() => known.delete(key));
  known.delete(key);
  known.set(key, { at: now, served });
  if (known.size > MOST) known.delete(known.keys().next().value as string);
  return served;
}
