import type { SubmitOptions } from '../client/types.js';
import type { FailureRecord } from '../core/errors.js';
import type { JobState, Priority } from '../core/job.js';
import type { JobPlace } from '../deployment/place/job-place.js';

/** Address of the gateway and options of its calls. */
export interface HttpOptions {
  /** Address of `infer serve` with its base path, such as `https://ml.example.com/infer`. */
  url: string | URL;
  /** Token, or a function that returns it, called before each request [none]. */
  token?: string | (() => string | Promise<string>) | undefined;
  /** Time limit in ms of calls without their own `timeoutMs` [no limit]. */
  timeoutMs?: number | undefined;
  /** Number of retries of a request that got no response, or one with Retry-After [4]. */
  retries?: number | undefined;
  /** Headers of every request, such as `user-agent` or those that a proxy needs. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** Function that sends the requests, with the signature of `fetch` [the global `fetch`]. */
  fetch?: typeof globalThis.fetch | undefined;
}

/** Submit options, as of `InferClient`. The gateway identifies the submitter by the token. */
export type HttpSubmitOptions = Omit<SubmitOptions, 'owner' | 'digest'>;

/**
 * A job or group as the gateway returns it. Unknown fields are absent; times are milliseconds since the
 * epoch by Redis's clock.
 */
export interface HttpJob extends Partial<JobPlace> {
  id: string;
  kind: 'job' | 'group';
  queue: string;
  model: string;
  /** Of the model: the version that ran the job, before that the requested one. */
  version?: number;
  state: JobState;
  rows: number;
  priority?: Priority;
  /** The value of a job of one row, otherwise a list in input order. For groups see `InferHttp.rows`. */
  result?: unknown;
  /** Indexes in `result`, from 0, of rows without a result. */
  failedRows?: number[];
  rowsDone?: number;
  /** Why it failed; for a job that will be retried, why the last attempt failed. */
  error?: FailureRecord;
  attempts?: number;
  worker?: string | null;
  device?: string | null;
  timing?: { queueMs: number; runMs: number | null; totalMs: number } | null;
  submittedAt?: number;
  startedAt?: number;
  finishedAt?: number;
  /** When its result expires. */
  expiresAt?: number;
  /** When a delayed job may start, or a job is retried. */
  nextRunAt?: number;
  /** For groups: number of chunk jobs. */
  jobs?: number;
  jobsCompleted?: number;
  jobsFailed?: number;
  /** For groups: whether all rows have been sent. */
  closed?: boolean;
  /** Name of the token that submitted it. */
  owner?: string;
  /** Addresses of the job, relative to the root of the server. */
  urls: { self: string; result: string; events: string; cancel: string };
}

/** A submitted job or group. */
export interface HttpSubmitted extends HttpJob {
  /** True if a job or group with this id already existed: nothing was added. */
  duplicate?: true;
}

/** Progress of a group. */
export type HttpProgress = Pick<HttpJob, 'id' | 'rows'> &
  Required<Pick<HttpJob, 'rowsDone' | 'jobs' | 'jobsCompleted' | 'jobsFailed'>>;

/**
 * Events of a job or group. `state`: its state changed, or it is retried; `position`: position of a waiting
 * job; `progress`: rows of a group that are done; `end`: the last event, with a result of up to 64 KiB.
 */
export type HttpJobEvent =
  | { event: 'state'; data: HttpJob }
  | { event: 'position'; data: JobPlace & { id: string } }
  | { event: 'progress'; data: HttpProgress }
  | { event: 'end'; data: Pick<HttpJob, 'id' | 'state'> & Partial<HttpJob> };
