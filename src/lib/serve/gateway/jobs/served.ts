import { InferError } from '../../../core/errors.js';
import type { ModelSignature } from '../../../model/signature.js';
import { routeTo } from '../../../queue/routes.js';
import type { Gateway } from '../gateway.js';
import { patienceMs } from './visible.js';

/** How long a reading is reused, ms: one a second, however many requests. */
const FRESH_MS = 1000;
/** From this age on an answer is renewed in the background, so that a busy gateway never waits for it. */
const RENEW_MS = 500;
/** Queues and models that are remembered. */
const MOST = 1000;

interface Look {
  at: number;
  served: Promise<boolean>;
  renewing?: boolean;
}

const looks = new WeakMap<Gateway, Map<string, Look>>();

/**
 * Refuses a caller that wants to wait for a job which no worker would run.
 * @param instead what else the caller can do
 * @throws InferError NO_WORKERS (503) with the command that starts one; REDIS_… (503).
 */
export async function requireWorker(
  gateway: Gateway,
  queue: string,
  signature: ModelSignature,
  instead = 'without Prefer: wait the job is queued until there is one',
): Promise<void> {
  const model = routeTo(signature);
  if (await isServedNow(gateway, queue, model)) return;
  const version = signature.pinned === true ? `, then infer control load WORKER ${model}` : '';
  throw new InferError('NO_WORKERS', `no worker of queue ${queue} serves model ${model}`, {
    hint: `infer worker -Q ${queue} --model ${signature.name}${version}; ${instead}`,
  });
}

function isServedNow(gateway: Gateway, queue: string, model: string): Promise<boolean> {
  const known = looks.get(gateway) ?? new Map<string, Look>();
  looks.set(gateway, known);
  const key = `${queue} ${model}`;
  const look = (): Look => ({
    at: performance.now(),
    served: gateway.client.hasWorker(queue, { model, timeoutMs: patienceMs(gateway) }),
  });
  const last = known.get(key);
  const age = last === undefined ? FRESH_MS : performance.now() - last.at;
  if (last !== undefined && age < FRESH_MS) {
    if (age < RENEW_MS || last.renewing === true) return last.served;
    last.renewing = true;
    const next = look();
    // If it fails, the last answer holds until its time is over.
    next.served.then(
      () => known.set(key, next),
      () => undefined,
    );
    return last.served;
  }
  const first = look();
  first.served.catch(() => known.delete(key));
  known.delete(key);
  known.set(key, first);
  if (known.size > MOST) known.delete(known.keys().next().value as string);
  return first.served;
}
