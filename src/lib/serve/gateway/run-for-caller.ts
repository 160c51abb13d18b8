import type { FastifyReply, FastifyRequest } from 'fastify';
import { toJobTensors } from '../../client/render.js';
import type { JobTensors, SubmitOptions, SubmittedJob } from '../../client/types.js';
import { InferError } from '../../core/errors.js';
import { linkedAbort } from '../../core/linked-abort.js';
import { formatDuration } from '../../core/units.js';
import { leastResultBytes } from '../../model/selection.js';
import type { ModelSignature } from '../../model/signature.js';
import type { Payload } from '../../model/tensor.js';
import { type Admission, draining, letIn } from './admit.js';
import { cancelLeft } from './cancel-left.js';
import type { Gateway } from './gateway.js';
import { requireWorker } from './jobs/served.js';
import { untilLeaving } from './until-leaving.js';

/** Queue for jobs whose caller waits, of one row or many: they go before bulk work. */
const QUEUE = 'realtime';
/**
 * Seconds that a result is kept if only this caller waits for it: a large one is not part of the notice, but
 * read afterwards.
 */
const RESULT_TTL_S = 60;
const ASYNC =
  'with Prefer: respond-async on /v2, or with POST /v1/jobs, the job is queued until there is one';

/** Who asks, until when, and the memory for results. */
export type WaitingCaller = Pick<FastifyRequest, 'signal' | 'caller' | 'heldResult'>;

/** Work that one caller waits for. */
interface CallersWork {
  payload: Payload;
  signature: ModelSignature;
  options?: Pick<SubmitOptions, 'queue' | 'priority' | 'expiresMs'>;
}

/**
 * Admits a request whose caller waits for all of its jobs; called once per request.
 * @param work its `payload` describes all jobs of the request together
 * @throws InferError BODIES_FULL (503) if their results have no room; NO_WORKERS (503) if no worker would take
 *   them; and as `admit`.
 */
export async function letWaiterIn(
  gateway: Gateway,
  request: WaitingCaller,
  reply: FastifyReply,
  {
    payload,
    signature,
    options = {},
  }: Omit<CallersWork, 'payload'> & { payload: Pick<Payload, 'rows' | 'wanted' | 'topK'> },
): Promise<Admission> {
  request.heldResult?.check(leastResultBytes(signature, payload));
  const { rows } = payload;
  const { queue = QUEUE, priority, expiresMs } = options;
  await requireWorker(gateway, queue, signature, ASYNC);
  return letIn(gateway, request, reply, { queue, model: signature.name, rows, priority, expiresMs });
}

/**
 * Runs a job for a caller that waits for it and was let in. It is cancelled when the caller leaves or has waited as long as
 * the server allows, or when the server ends.
 * @returns the job, completed
 * @throws InferError WAIT_TIMEOUT (504), EXPIRED (504), DRAINING (503); BODIES_FULL (503) if its result has no
 *   room; the job's own failure; REDIS_… (503).
 */
export async function runForCaller(
  gateway: Gateway,
  { signal, caller, heldResult }: WaitingCaller,
  { payload, signature, options = {} }: CallersWork,
  onSubmitted: (job: SubmittedJob) => void,
): Promise<JobTensors> {
  const { client, limits } = gateway;
  const { queue = QUEUE, priority, expiresMs } = options;
  let id: string | undefined;
  // Also what is only being submitted when the server ends is cancelled.
  const { controller: end, unlink } = linkedAbort(signal);
  try {
    const submit = { queue, priority, expiresMs, owner: caller.name, resultTtl: RESULT_TTL_S };
    const wait = { timeoutMs: limits.maxWaitMs, signal: end.signal, cancelOnAbort: true };
    const running = client.runJob({
      payload,
      signature,
      options: { ...submit, ...wait },
      render: toJobTensors,
      hold: heldResult?.take,
      onSubmitted: (submitted) => {
        id = submitted.id;
        onSubmitted(submitted);
      },
    });
    const job = await untilLeaving(gateway, running);
    if (job !== undefined) return completed(job);
    end.abort(draining());
    throw draining();
  } catch (error) {
    if (!(error instanceof InferError) || error.code !== 'WAIT_TIMEOUT') throw error;
    if (id !== undefined) cancelLeft(gateway, id);
    throw tooLong(limits.maxWaitMs);
  } finally {
    unlink();
  }
}

/** The job if it completed; otherwise throws its failure. */
function completed(job: JobTensors): JobTensors {
  if (job.state === 'completed') return job;
  throw job.error === undefined
    ? new InferError('FAILED', 'the job failed without a reason')
    : InferError.of(job.error);
}

function tooLong(maxWaitMs: number): InferError {
  const text = `the job had not ended after ${formatDuration(maxWaitMs)} and was cancelled`;
  return new InferError('WAIT_TIMEOUT', text, {
    hint: 'send Prefer: respond-async to /v2, or use POST /v1/jobs, and fetch the result later',
  });
}
