import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { isEnded } from '../client/ended.js';
import type { RowResult } from '../client/submit-rows.js';
import type { WaitOptions } from '../client/waiting.js';
import type { WaitLimits } from '../core/bounded.js';
import { InferError } from '../core/errors.js';
import { checkJobId } from '../core/job.js';
import { printable } from '../core/printable.js';
import type { JobPlace } from '../deployment/place/job-place.js';
import { type HttpCall, limitedCall } from './call.js';
import { HttpError } from './http-error.js';
import { inputBody, submitQuery } from './input-body.js';
import { jobEvents } from './job-events.js';
import { type ResultOptions, resultRows } from './result-rows.js';
import { RowSource } from './row-stream.js';
import { type HttpRequest, Transport } from './transport.js';
import type { HttpJob, HttpJobEvent, HttpOptions, HttpSubmitOptions, HttpSubmitted } from './types.js';

/** Longest wait of one request, ms: proxies close connections that are idle for a minute. */
const POLL_MS = 30_000;
/** Time for a response in addition to its wait, ms; then the request is sent again. */
const ANSWER_MS = 30_000;
/** Extra time of a wait after its limit, ms, so that its last response can arrive. */
const GRACE_MS = 500;
/** Pause before polling again after no change, ms. */
const ASK_AGAIN_MS = 1000;
/** Time limit, ms, and attempts to cancel a job that is no longer waited for. */
const CANCEL_MS = 10_000;
const CANCEL_ATTEMPTS = 3;

/** Rows submitted as a stream. */
export interface HttpRows extends HttpSubmitted {
  /** Waits until all have ended, then yields their results in input order, as they arrive. */
  results(options?: WaitLimits): AsyncGenerator<RowResult, void, undefined>;
}

/**
 * Submits jobs to `infer serve` and fetches their results, like `InferClient`, for programs without access to
 * Redis.
 *
 * Every method takes `timeoutMs` and `signal`, which apply to the whole call. A failed request is sent
 * again unless that could have an effect twice. Every submit has an id, so it is always safe to repeat.
 */
export class InferHttp {
  private readonly transport: Transport;
  private readonly timeoutMs: number | undefined;

  /** @throws InferError HTTP_URL (2) if the address cannot be that of a gateway. */
  constructor(options: HttpOptions) {
    this.transport = new Transport(options);
    this.timeoutMs = options.timeoutMs;
  }

  /**
   * Submits one job and waits for its end. A failed job is returned, not thrown.
   * @param input an array of numbers, nested arrays, named inputs, or a typed array, sent as its bytes
   * @throws InferError WAIT_TIMEOUT (75) if the time is up: the job continues; NO_WORKERS (69): nothing was
   *   queued.
   */
  async run(input: unknown, options: HttpSubmitOptions & WaitOptions = {}): Promise<HttpJob> {
    const id = newId(options);
    let begun = false;
    const work = async (call: HttpCall): Promise<HttpJob> => {
      begun = true;
      const { type, query, body } = inputBody(input, options);
      const waitS = Math.floor(Math.min(call.leftMs, POLL_MS) / 1000);
      const headers = { 'content-type': type, ...(waitS > 0 ? { prefer: `wait=${waitS}` } : {}) };
      const job = await this.put(call, id, query, { headers, body: () => body });
      return this.withResult(call, await this.untilEnded(call, id, job));
    };
    try {
      return await this.limited(options, work, GRACE_MS);
    } catch (error) {
      if (begun && options.cancelOnAbort === true && options.signal?.aborted === true) void this.abandon(id);
      throw error;
    }
  }

  /** Queues one job; the same input as for `run`. */
  submit(input: unknown, options: HttpSubmitOptions & WaitLimits = {}): Promise<HttpSubmitted> {
    return this.limited(options, async (call) => {
      const { type, query, body } = inputBody(input, options);
      return this.put(call, newId(options), query, { headers: { 'content-type': type }, body: () => body });
    });
  }

  /**
   * Submits any number of rows as a stream, in constant memory: one row becomes a job, more become a group.
   * @throws InferError INPUT_… naming the row; ROWS_TIMEOUT if the next row was late; any error of the
   *   source of rows. Rows already sent are cancelled.
   */
  async submitRows(
    rows: Iterable<unknown> | AsyncIterable<unknown>,
    options: HttpSubmitOptions & WaitLimits = {},
  ): Promise<HttpRows> {
    const sent = await this.limited(options, async (call) => {
      const source = new RowSource(rows, call);
      const headers = { 'content-type': 'application/x-ndjson' };
      const body = () => source.open();
      const request = { headers, body, repeatable: () => source.repeatable };
      try {
        return await this.put(call, newId(options), submitQuery(options), request);
      } catch (error) {
        throw source.fault === undefined ? error : source.fault.error;
      } finally {
        source.close();
      }
    });
    return { ...sent, results: (limits) => this.rows(sent.id, limits) };
  }

  /** The state of a job or group, with the result of an ended job. @throws InferError JOB_UNKNOWN (66). */
  result(id: string, limits: WaitLimits = {}): Promise<HttpJob> {
    return this.limited(limits, (call) => this.read(call, id));
  }

  /**
   * Position, ETA and reason of a job that has not started; undefined once it has.
   * @throws InferError JOB_UNKNOWN (66).
   */
  async place(id: string, limits: WaitLimits = {}): Promise<JobPlace | undefined> {
    const { position = null, eta = null, noEta = null, why } = await this.result(id, limits);
    return why === undefined ? undefined : { position, eta, noEta, why };
  }

  /** Waits until a job or group has ended. @throws InferError WAIT_TIMEOUT (75), JOB_UNKNOWN (66). */
  wait(id: string, limits: WaitLimits = {}): Promise<HttpJob> {
    return this.limited(limits, (call) => this.untilEnded(call, id), GRACE_MS);
  }

  /**
   * Waits until a job or group has ended, then yields its rows in input order, in constant memory.
   * With `partial` it does not wait, and rows that are not done have the error NOT_ENDED. `timeoutMs` applies
   * to the wait and to each read.
   * @throws InferError of the job if no row has a result; RESULT_EXPIRED (66), WAIT_TIMEOUT (75),
   *   JOB_UNKNOWN (66).
   */
  async *rows(id: string, options: ResultOptions = {}): AsyncGenerator<RowResult, void, undefined> {
    const limits = this.limitsOf(options);
    const wait = () => this.wait(id, limits);
    const path = `${jobPath(id)}/result?partial=true`;
    yield* resultRows(this.transport, path, { ...options, ...limits }, wait);
  }

  /**
   * Yields the events of a job or group, from its current state to its end. Reconnects if the connection is
   * lost.
   * `timeoutMs` applies to the whole stream. @throws InferError WAIT_TIMEOUT (75), JOB_UNKNOWN (66).
   */
  async *events(id: string, limits: WaitLimits = {}): AsyncGenerator<HttpJobEvent, void, undefined> {
    yield* jobEvents(this.transport, `${jobPath(id)}/events`, id, this.limitsOf(limits));
  }

  /**
   * Cancels a job or a whole group: a waiting one at once, a running one when its runner has stopped it.
   * Ended jobs do not change. Returns the resulting state. @throws InferError JOB_UNKNOWN (66).
   */
  cancel(id: string, limits: WaitLimits = {}): Promise<string> {
    return this.limited(limits, async (call) => {
      const request = { method: 'POST', path: `${jobPath(id)}/cancel`, idempotent: true } as const;
      try {
        return ((await this.transport.json(call, request)).body as HttpJob).state;
      } catch (error) {
        if (!(error instanceof HttpError) || error.code !== 'JOB_ENDED') throw error;
        const { state } = (error.problem?.job ?? {}) as Partial<HttpJob>;
        if (state === undefined) throw error;
        return state;
      }
    });
  }

  /**
   * Requeues a failed job, or the failed jobs of a group. It is not sent again if its response is lost.
   * @throws InferError NOT_FAILED (2), INPUT_GONE (2), JOB_UNKNOWN (66).
   */
  retry(id: string, limits: WaitLimits = {}): Promise<HttpJob> {
    return this.limited(limits, async (call) => {
      const request = { method: 'POST', path: `${jobPath(id)}/retry`, idempotent: false } as const;
      return (await this.transport.json(call, request)).body as HttpJob;
    });
  }

  /**
   * Deletes input, result and record of a job or group; unfinished jobs are cancelled first.
   * @throws InferError JOB_UNKNOWN (66).
   */
  delete(id: string, limits: WaitLimits = {}): Promise<void> {
    return this.limited(limits, async (call) => {
      const request = { method: 'DELETE', path: jobPath(id), idempotent: true } as const;
      for (let begun = false; ; begun = true) {
        try {
          const { status } = await this.transport.json(call, request);
          if (status === 204) return;
        } catch (error) {
          const isGone = error instanceof HttpError && error.status === 404;
          if (isGone && (begun || error.repeated)) return;
          throw error;
        }
        // It is being stopped.
        await delay(ASK_AGAIN_MS, undefined, { signal: call.signal });
      }
    });
  }

  private async put(
    call: HttpCall,
    id: string,
    query: string,
    request: Pick<HttpRequest, 'headers' | 'body' | 'repeatable'>,
  ): Promise<HttpSubmitted> {
    call.sends(id);
    const path = jobPath(id) + query;
    const answer = await this.transport.json(call, { method: 'PUT', path, idempotent: true, ...request });
    call.waitsFor(id);
    const job = answer.body as HttpJob;
    // After a lost response, it may be the job that this call itself submitted.
    return answer.status === 200 && !answer.repeated ? { ...job, duplicate: true } : job;
  }

  private async read(call: HttpCall, id: string, waitMs = 0): Promise<HttpJob> {
    const path = jobPath(id) + (waitMs > 0 ? `?wait=${Math.ceil(waitMs)}ms` : '');
    const patienceMs = waitMs + ANSWER_MS;
    return (await this.transport.json(call, { method: 'GET', path, idempotent: true, patienceMs }))
      .body as HttpJob;
  }

  /** @param known its last known state */
  private async untilEnded(call: HttpCall, id: string, known?: HttpJob): Promise<HttpJob> {
    for (let job = known; ; ) {
      if (job !== undefined && isEnded(job.state)) return job;
      if (job !== undefined && call.leftMs <= 0) throw call.stillRuns(id);
      const waitMs = Math.min(call.leftMs, POLL_MS);
      const began = performance.now();
      const now = await this.read(call, id, waitMs);
      call.waitsFor(id);
      // A gateway that is shutting down answers at once.
      const isEarly = now.state === job?.state && performance.now() - began < waitMs / 2;
      if (isEarly && !isEnded(now.state)) {
        await delay(Math.min(ASK_AGAIN_MS, call.leftMs), undefined, { signal: call.signal });
      }
      job = now;
    }
  }

  /** A typed array of many rows becomes a group, whose result has to be fetched separately. */
  private async withResult(call: HttpCall, job: HttpJob): Promise<HttpJob> {
    if (job.kind !== 'group' || (job.rowsDone ?? 0) === 0) return job;
    const path = `${jobPath(job.id)}/result?partial=true`;
    const { body } = await this.transport.json(call, { method: 'GET', path, idempotent: true });
    return { ...job, result: body };
  }

  /** Cancels a job that is no longer waited for. The request that queues it may still be in transit. */
  private async abandon(id: string): Promise<void> {
    for (let attempt = 1; attempt <= CANCEL_ATTEMPTS; attempt++) {
      try {
        await this.cancel(id, { timeoutMs: CANCEL_MS });
        return;
      } catch (error) {
        if (!(error instanceof HttpError) || error.status !== 404) return;
      }
      await delay(ASK_AGAIN_MS, undefined, { ref: false });
    }
  }

  private limitsOf({ timeoutMs = this.timeoutMs, signal }: WaitLimits): WaitLimits {
    return { timeoutMs, signal };
  }

  private limited<T>(limits: WaitLimits, work: (call: HttpCall) => Promise<T>, graceMs?: number): Promise<T> {
    return limitedCall(this.limitsOf(limits), work, graceMs);
  }
}

/**
 * The caller's id for a job or group, or a new one. With an id, a request that is sent twice makes one job.
 * @throws InferError JOB_ID (2).
 */
function newId({ id }: HttpSubmitOptions): string {
  return id === undefined ? `h${randomUUID().replaceAll('-', '')}` : checkJobId(id);
}

/** @throws InferError JOB_UNKNOWN (66) for text that cannot be a path segment, such as `..`. */
function jobPath(id: string): string {
  if (!/^\.{0,2}$|\p{Cs}/u.test(id)) return `/v1/jobs/${encodeURIComponent(id)}`;
  throw new InferError('JOB_UNKNOWN', `no job or group '${printable(id)}'`, {
    hint: 'submit returns the id',
  });
}
