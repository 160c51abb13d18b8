import type { FastifyReply, FastifyRequest } from 'fastify';
import { answerWithin } from '../../core/bounded.js';
import { InferError } from '../../core/errors.js';
import { newId, type Priority } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import { type CountedWork, type Quota, type QuotaState, TICKET_MS } from '../../queue/quota.js';
import { worded } from '../../redis/worded.js';
import type { Caller, Limits } from '../auth/caller.js';
import { Refusal, retryAfter } from '../http/refusal.js';
import type { Gateway } from './gateway.js';
import { refuseModel } from './own-models.js';
import { drainTime, predictedWait } from './queue-load.js';

/** Work that a caller wants to submit. */
export interface WantedWork {
  queue: string;
  /** Name of the model, without a version. */
  model: string;
  rows: number;
  /** [0] */
  priority?: Priority | undefined;
  /** Milliseconds until it expires if it has not started; undefined = never. */
  expiresMs?: number | undefined;
}

/** Admitted work. It counts towards the caller's limits until it has ended. */
export interface Admission {
  /** Headers `RateLimit` and `RateLimit-Policy` of the response; empty for a caller without limits. */
  readonly headers: Readonly<Record<string, string>>;
  /** Reports the submitted work. Work that is not reported counts for one minute only. */
  submitted(work: { id: string; queue: string; kind?: 'job' | 'group' }): void;
  /** Reports that no single job or group represents it: it counts until `over` or the death of the process. */
  lasting(): void;
  /** Reports that it has ended, or that nothing was submitted. Otherwise this is noticed at the limit. */
  over(): void;
}

type NamedQuota = Quota & { readonly name: string; readonly what: string };

const NOTHING: Admission = {
  headers: {},
  submitted: () => undefined,
  lasting: () => undefined,
  over: () => undefined,
};
const DRAINING_S = 5;
/** The gateway's connection waits for an unreachable Redis; a caller does not. */
const REDIS_MS = 5000;

/**
 * Admits work, or refuses it before any of it is queued. Call it once for each submit request, before the
 * submit. The cheapest check comes first; without limits, Redis is asked only once for each queue.
 * @throws InferError DRAINING (503), TOKEN_MODEL, QUEUES_FULL (403), RATE_LIMIT, JOBS_LIMIT, WAITING_LIMIT
 *   (429), QUEUE_FULL, WAIT_TOO_LONG (503), with `Retry-After` in the response; REDIS_… (503).
 */
export async function admit(gateway: Gateway, caller: Caller, wanted: WantedWork): Promise<Admission> {
  refuseAtOnce(gateway, caller, wanted.model);
  const quotas = quotasOf(caller, wanted.model);
  const isLimited = gateway.limits.maxWaiting !== undefined || wanted.expiresMs !== undefined;
  const isKnown = gateway.admissions.queues.knows(wanted.queue);
  if (!isLimited && quotas.length === 0 && isKnown) return NOTHING;
  return answerWithin(REDIS_MS, admitWithin(gateway, quotas, wanted), () => {
    throw new InferError('REDIS_TIMEOUT', `Redis did not answer within ${REDIS_MS} ms`);
  });
}

/** `admit` for a request, whose response reports the limits of its caller. @throws as `admit`. */
export async function letIn(
  gateway: Gateway,
  { caller }: Pick<FastifyRequest, 'caller'>,
  reply: FastifyReply,
  wanted: WantedWork,
): Promise<Admission> {
  const admission = await admit(gateway, caller, wanted);
  reply.headers(admission.headers);
  return admission;
}

/**
 * Checks that do not depend on the body, before it is read.
 * @throws InferError DRAINING (503), TOKEN_MODEL (403).
 */
export function refuseAtOnce(gateway: Gateway, caller: Caller, model: string): void {
  refuseDraining(gateway);
  refuseModel(caller, model);
}

/** @throws InferError DRAINING (503). */
export function refuseDraining({ draining: drains }: Gateway): void {
  if (drains.aborted) throw draining();
}

async function admitWithin(
  gateway: Gateway,
  quotas: readonly NamedQuota[],
  wanted: WantedWork,
): Promise<Admission> {
  const { client, admissions } = gateway;
  await worded(client.redis, admissions.queues.refuseNew(wanted.queue));
  const placed = await takePlace(gateway, wanted);
  try {
    await refuseLate(gateway, wanted);
    const admission = quotas.length === 0 ? NOTHING : await withinQuotas(gateway, quotas, wanted);
    return placed === undefined ? admission : withPlace(admission, placed);
  } catch (error) {
    placed?.();
    throw error;
  }
}

/** An admission that also holds a place of its queue until its job is in Redis. */
function withPlace(admission: Admission, placed: () => void): Admission {
  return {
    ...admission,
    submitted: (work) => {
      placed();
      admission.submitted(work);
    },
    over: () => {
      placed();
      admission.over();
    },
  };
}

/** The refusal of a server that is shutting down. */
export function draining(): Refusal {
  return new Refusal('DRAINING', 'the server is shutting down', {
    hint: 'send the request again, to another server or to this one after its restart',
    headers: { 'retry-after': String(DRAINING_S) },
  });
}

/** @returns releases the place in the queue; undefined where queues have no limit. @throws InferError QUEUE_FULL. */
async function takePlace(gateway: Gateway, { queue }: WantedWork): Promise<(() => void) | undefined> {
  const { maxWaiting } = gateway.limits;
  if (maxWaiting === undefined) return undefined;
  const { loads } = gateway.admissions;
  const placed = await loads.takePlace(queue, maxWaiting);
  if (placed !== undefined) return placed;
  const drain = drainTime(await loads.load(queue));
  throw new Refusal('QUEUE_FULL', `${maxWaiting} jobs or more wait in queue ${queue}`, {
    hint: 'send it again after the time in Retry-After, or use another queue',
    headers: { 'retry-after': retryAfter(drain) },
    members: { 'violated-policies': ['waiting'] },
  });
}

/** @throws InferError WAIT_TOO_LONG for work that would expire before its turn. */
async function refuseLate(gateway: Gateway, { queue, priority, expiresMs }: WantedWork): Promise<void> {
  if (expiresMs === undefined) return;
  const wait = predictedWait(await gateway.admissions.loads.load(queue), priority);
  if (wait === undefined || wait <= expiresMs) return;
  throw new Refusal(
    'WAIT_TOO_LONG',
    `a job of this priority would wait about ${formatDuration(wait)} in queue ${queue}, and expire after ${formatDuration(expiresMs)}`,
    {
      hint: 'increase expires, give the job a higher priority, or send it later',
      headers: { 'retry-after': retryAfter(wait - expiresMs) },
    },
  );
}

async function withinQuotas(
  gateway: Gateway,
  quotas: readonly NamedQuota[],
  { queue }: WantedWork,
): Promise<Admission> {
  const { admissions, client, log } = gateway;
  const ticket = newId('j');
  const { refusedBy, states } = await worded(client.redis, admissions.quotas.take(quotas, ticket));
  const headers = rateHeaders(quotas, states);
  if (refusedBy !== undefined) throw await refusal(gateway, queue, quotas, states, refusedBy, headers);
  const counted = quotas.some(({ kind }) => kind !== 'rate');
  if (!counted) return { ...NOTHING, headers };
  // A missed count is corrected when the limit is reached.
  const note = (work: Promise<void>) =>
    void work.catch((error: Error) =>
      log.debug({ err: error }, 'a job could not be counted towards the limits of its token'),
    );
  let held: string | CountedWork = ticket;
  let keeping: NodeJS.Timeout | undefined;
  return {
    headers,
    submitted: ({ id, queue: place, kind = 'job' }) => {
      held = { id, queue: place, kind };
      note(admissions.quotas.named(quotas, ticket, held));
    },
    lasting: () => {
      keeping ??= setInterval(() => note(admissions.quotas.keep(quotas, ticket)), TICKET_MS / 3).unref();
    },
    over: () => {
      clearInterval(keeping);
      note(admissions.quotas.free(quotas, held));
    },
  };
}

const REFUSALS = {
  rate: ['RATE_LIMIT', 'requests a second'],
  jobs: ['JOBS_LIMIT', 'unfinished jobs'],
  waiting: ['WAITING_LIMIT', 'waiting jobs'],
} as const;

async function refusal(
  gateway: Gateway,
  queue: string,
  quotas: readonly NamedQuota[],
  states: readonly QuotaState[],
  at: number,
  headers: Readonly<Record<string, string>>,
): Promise<Refusal> {
  const quota = quotas[at] as NamedQuota;
  const [code, unit] = REFUSALS[quota.kind];
  const most = quota.kind === 'rate' ? quota.perSecond : quota.most;
  const wait =
    quota.kind === 'rate'
      ? states[at]?.resetMs
      : // One of the jobs must end, which takes at most as long as the whole queue.
        drainTime(await gateway.admissions.loads.load(queue));
  return new Refusal(code, `${quota.what} may have ${most} ${unit}`, {
    hint: 'send it again after the time in Retry-After',
    headers: { ...headers, 'retry-after': retryAfter(wait) },
    members: { 'violated-policies': [quota.name] },
  });
}

/** All limits of a caller for a model: those of the token, and those of the token for this model. */
function quotasOf({ name, limits }: Caller, model: string): NamedQuota[] {
  if (name === undefined || limits === undefined) return [];
  const own = quotasFor(limits, name, '', `token ${name}`);
  const ofModel = limits.models?.[model];
  if (ofModel === undefined) return own;
  return [...own, ...quotasFor(ofModel, `${name}:${model}`, 'model-', `token ${name} with model ${model}`)];
}

function quotasFor({ rate, burst, jobs, waiting }: Limits, owner: string, prefix: string, what: string) {
  const found: NamedQuota[] = [];
  if (rate !== undefined) {
    const most = burst ?? Math.max(1, Math.ceil(rate));
    found.push({ kind: 'rate', owner, perSecond: rate, burst: most, name: `${prefix}rate`, what });
  }
  if (jobs !== undefined) found.push({ kind: 'jobs', owner, most: jobs, name: `${prefix}jobs`, what });
  if (waiting !== undefined)
    found.push({ kind: 'waiting', owner, most: waiting, name: `${prefix}waiting`, what });
  return found;
}

/** The fields of draft-ietf-httpapi-ratelimit-headers-11. */
function rateHeaders(quotas: readonly NamedQuota[], states: readonly QuotaState[]) {
  const policies = quotas.map((quota) =>
    quota.kind === 'rate'
      ? `"${quota.name}";q=${quota.burst};w=${Math.max(1, Math.ceil(quota.burst / quota.perSecond))}`
      : `"${quota.name}";q=${quota.most};qu="concurrent-requests"`,
  );
  const now = quotas.map(({ name, kind }, i) => {
    const { left, resetMs } = states[i] as QuotaState;
    return kind === 'rate' ? `"${name}";r=${left};t=${Math.ceil(resetMs / 1000)}` : `"${name}";r=${left}`;
  });
  return { 'ratelimit-policy': policies.join(', '), ratelimit: now.join(', ') };
}
