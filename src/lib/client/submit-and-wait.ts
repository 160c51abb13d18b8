import type { JobTrace } from '../core/job-trace.js';
import type { ModelSignature } from '../model/signature.js';
import type { Payload } from '../model/tensor.js';
import type { Producer } from '../queue/broker/producer.js';
import type { Waiter } from '../queue/broker/waiter.js';
import type { Answers } from './answers.js';
import type { Call } from './limited.js';
import type { Reading } from './render.js';
import { nextId, queueFor } from './spec.js';
import type { SubmitOptions, SubmittedJob } from './types.js';
import { deadlineOf, tickOf, type WaitOptions, waitFor } from './waiting.js';

/** A job that its submitter waits for. */
export interface Awaited<T> extends Reading<T> {
  payload: Payload;
  signature: ModelSignature;
  options: SubmitOptions & WaitOptions;
  /** When to give up, ms since the epoch [as `timeoutMs` says, from when it was submitted]. */
  deadline?: number | undefined;
  onSubmitted?: ((job: SubmittedJob) => void) | undefined;
  /** Where it is noted when the job reached which point. */
  trace?: JobTrace | undefined;
}

/** How a job's submitter waits for it: the list that receives the notice of its end, and its trace, if any. */
export interface Waited {
  id: string;
  reply: string;
  trace?: JobTrace | undefined;
}

/** Dependencies for submitting and waiting. */
interface Parts {
  waiter: Waiter;
  answers: Answers;
  producer: Producer;
  add(job: Awaited<unknown>, call: Call, waited: Waited): Promise<SubmittedJob>;
}

/** Submits one job and waits for the notice of its end: the fastest way to an answer. */
export async function submitAndWait<T>(parts: Parts, job: Awaited<T>, call: Call): Promise<T> {
  const { waiter, answers } = parts;
  const { payload, options } = job;
  const queue = queueFor(payload.rows, options);
  const id = options.id ?? nextId('j');
  // Listens before the job exists, so that no notice is missed.
  const heard = waiter.next(queue, id);
  try {
    const submitted = await parts.add(job, call, { id, reply: waiter.listFor(queue), trace: job.trace });
    if (call.signal.aborted && options.cancelOnAbort === true) {
      // The caller has left, or was told that it took too long; whether it was queued it cannot know.
      leave(parts, queue, id);
      call.signal.throwIfAborted();
    }
    job.onSubmitted?.(submitted);
  } catch (error) {
    waiter.forget(id);
    throw error;
  }
  call.waitsFor(id);
  const deadline = job.deadline ?? deadlineOf(options.timeoutMs);
  try {
    // At its own deadline the job's state is checked: without a worker, it may have expired without a notice.
    const limits = { id, deadline, signal: call.signal, tickMs: tickOf(options) };
    const told = await waitFor(heard, limits);
    if (job.trace !== undefined) Object.assign(job.trace, told?.notice.trace);
    if (told !== undefined) return await answers.fromNotice(queue, told, job);
    return await answers.wait(id, call, deadline, job);
  } catch (error) {
    if (options.cancelOnAbort === true && options.signal?.aborted === true) leave(parts, queue, id);
    throw error;
  }
}

/** No one waits for the job any longer, and no one else knows its id. */
function leave({ waiter, producer }: Parts, queue: string, id: string): void {
  waiter.forget(id);
  void producer.cancel(queue, id).catch(() => undefined);
}
