import type { FastifyReply, FastifyRequest } from 'fastify';
import type { JobTensors, SubmitOptions, SubmittedJob } from '../../client/types.js';
import { answerWithin } from '../../core/bounded.js';
import { InferError, messageOf } from '../../core/errors.js';
import { formatDuration } from '../../core/units.js';
import type { ModelSignature } from '../../model/signature.js';
import type { Payload } from '../../model/tensor.js';
import { type Admission, admit, draining } from './admit.js';
import type { Gateway } from './gateway.js';
import { requireWorker } from './jobs/served.js';

/** Where jobs go whose caller waits: one row or many, before any bulk work. */
const QUEUE = 'realtime';
/**
 * Seconds that a result is kept which only this caller waits for: large ones do not come with the notice of the end, but are
 * read after it.
 */
const RESULT_TTL_S = 60;
const ASYNC = 'with Prefer: respond-async on /v2, or POST /v1/jobs, the job is queued and waits for one';

/** Who asks, and until when. */
export type Asking = Pick<FastifyRequest, 'signal' | 'caller'>;

/** Work that one caller waits for. */
interface CallersWork {
  payload: Payload;
  signature: ModelSignature;
  options?: Pick<SubmitOptions, 'queue' | 'priority' | 'expiresMs'>;
}

/**
 * Lets a request in whose caller waits for all of its jobs, once for the whole request.
 * @param work of all its jobs together
 * @throws InferError NO_WORKERS (503) where no worker would take them; what `admit` throws.
 */
export async function letWaiterIn(
  gateway: Gateway,
  { caller }: FastifyRequest,
  reply: FastifyReply,
  { rows, signature, options = {} }: Omit<CallersWork, 'payload'> & { rows: number },
): Promise<Admission> {
  const { queue = QUEUE, priority, expiresMs } = options;
  await requireWorker(gateway, queue, signature, ASYNC);
  const admission = await admit(gateway, caller, { queue, model: signature.name, rows, priority, expiresMs });
  reply.headers(admission.headers);
  return admission;
}

/**
 * Runs a job for a caller that waits for it and was let in. It is cancelled when the caller leaves or has waited as long as
 * the server allows, or when the server ends.
 * @returns the job, completed
 * @throws InferError WAIT_TIMEOUT (504), EXPIRED (504), DRAINING (503); the job's own failure; REDIS_… (503).
 */
export async function runForCaller(
  gateway: Gateway,
  { signal, caller }: Asking,
  { payload, signature, options = {} }: CallersWork,
  onSubmitted: (job: SubmittedJob) => void,
): Promise<JobTensors> {
  const { client, limits } = gateway;
  const { queue = QUEUE, priority, expiresMs } = options;
  let id: string | undefined;
  // Also what is only being submitted when the server ends is cancelled.
  const end = new AbortController();
  try {
    const submit = { queue, priority, expiresMs, owner: caller.name, resultTtl: RESULT_TTL_S };
    const ended = AbortSignal.any([signal, end.signal]);
    const wait = { timeoutMs: limits.maxWaitMs, signal: ended, cancelOnAbort: true };
    const running = client.runTensors(payload, signature, { ...submit, ...wait }, (submitted) => {
      id = submitted.id;
      onSubmitted(submitted);
    });
    const job = await answerWithin(Number.POSITIVE_INFINITY, running, () => undefined, gateway.leaving);
    if (job !== undefined) return completed(job);
    end.abort(draining());
    throw draining();
  } catch (error) {
    if (!(error instanceof InferError) || error.code !== 'WAIT_TIMEOUT') throw error;
    if (id !== undefined) cancelLeft(gateway, id);
    throw tooLong(limits.maxWaitMs);
  }
}

/** A job that has ended well; else why it has not. */
function completed(job: JobTensors): JobTensors {
  if (job.state === 'completed') return job;
  throw job.error === undefined
    ? new InferError('FAILED', 'the job failed without a reason')
    : InferError.of(job.error);
}

function tooLong(maxWaitMs: number): InferError {
  const text = `it had not ended after ${formatDuration(maxWaitMs)}, and was cancelled`;
  return new InferError('WAIT_TIMEOUT', text, {
    hint: 'send Prefer: respond-async to /v2, or use POST /v1/jobs, and fetch the result when it is there',
  });
}
