import type { SubmitOptions } from '../client/types.js';
import type { FailureRecord } from '../core/errors.js';
import type { JobState, Priority } from '../core/job.js';
import type { JobPlace } from '../deployment/place/job-place.js';

/** Where the gateway is, and how to call it. */
export interface HttpOptions {
  /** Address of `infer serve` with its base path, such as `https://ml.example.com/infer`. */
  url: string | URL;
  /** Token, or what gives the one to use now; asked before each request [none]. */
  token?: string | (() => string | Promise<string>) | undefined;
  /** Milliseconds that a call without its own `timeoutMs` may take [no limit]. */
  timeoutMs?: number | undefined;
  /** How often a request is sent again that the gateway did not answer, or put off with Retry-After [4]. */
  retries?: number | undefined;
  /** Headers of every request, such as a `user-agent` or what a proxy needs. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** What sends the requests, with the signature of the global `fetch` [the global `fetch`]. */
  fetch?: typeof globalThis.fetch | undefined;
}

/** How to submit; the same as with `InferClient`. The gateway knows who submits, by the token. */
export type HttpSubmitOptions = Omit<SubmitOptions, 'owner' | 'digest'>;

/**
 * A job or group as the gateway shows it. What is not known is absent; moments are milliseconds since the
 * epoch by Redis's clock.
 */
export interface HttpJob extends Partial<JobPlace> {
  id: string;
  kind: 'job' | 'group';
  queue: string;
  model: string;
  state: JobState;
  rows: number;
  priority?: Priority;
  /** Of a job of one row that row's value, otherwise a list in input order. Groups: see `InferHttp.rows`. */
  result?: unknown;
  /** Indexes in `result`, from 0, of the rows without one. */
  failedRows?: number[];
  rowsDone?: number;
  /** Why it failed; of a job that will be retried, why the last attempt failed. */
  error?: FailureRecord;
  attempts?: number;
  worker?: string | null;
  device?: string | null;
  timing?: { queueMs: number; runMs: number | null; totalMs: number } | null;
  submittedAt?: number;
  startedAt?: number;
  finishedAt?: number;
  /** When its result is forgotten. */
  expiresAt?: number;
  /** When a delayed job may start, or is tried again. */
  nextRunAt?: number;
  /** Of a group: its chunk jobs. */
  jobs?: number;
  jobsCompleted?: number;
  jobsFailed?: number;
  /** Of a group: all its rows have been sent. */
  closed?: boolean;
  /** Name of the token that submitted it. */
  owner?: string;
  /** Addresses of the job, from the root of the server. */
  urls: { self: string; result: string; events: string; cancel: string };
}

/** What was just submitted. */
export interface HttpSubmitted extends HttpJob {
  /** True when something with this id already existed: nothing was added. */
  duplicate?: true;
}

/** How far the rows of a group are. */
export type HttpProgress = Pick<HttpJob, 'id' | 'rows'> &
  Required<Pick<HttpJob, 'rowsDone' | 'jobs' | 'jobsCompleted' | 'jobsFailed'>>;

/**
 * What happens to a job or group. `state`: it has changed, or is tried again; `position`: where a job stands
 * that waits; `progress`: rows of a group that are done; `end`: the last one, with a result of up to 64 KiB.
 */
export type HttpJobEvent =
  | { event: 'state'; data: HttpJob }
  | { event: 'position'; data: JobPlace & { id: string } }
  | { event: 'progress'; data: HttpProgress }
  | { event: 'end'; data: Pick<HttpJob, 'id' | 'state'> & Partial<HttpJob> };
