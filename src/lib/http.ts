/**
 * infer for programs without access to Redis: a client of `infer serve`, which loads no Redis client and no
 * ONNX Runtime.
 *
 *   import { InferHttp } from 'infer-queue/http';
 *   const infer = new InferHttp({ url: 'http://127.0.0.1:8000' });
 *   const { result } = await infer.run(pixels, { model: 'digits', priority: 9 });
 */
export type { RowResult } from './client/submit-rows.js';
export type { WaitOptions } from './client/waiting.js';
export type { WaitLimits } from './core/bounded.js';
export { type ErrorCode, type ErrorFacts, errorFacts, type Fault } from './core/error-table.js';
export { type FailureRecord, InferError } from './core/errors.js';
export { ExitCode } from './core/exit-codes.js';
export type { JobState, Priority, TerminalState } from './core/job.js';
export type { Eta, EtaSpread, JobPlace, NoEta, Why } from './deployment/place/job-place.js';
export { HttpError } from './http-client/http-error.js';
export { type HttpRows, InferHttp } from './http-client/infer-http.js';
export type { ResultOptions } from './http-client/result-rows.js';
export type {
  HttpJob,
  HttpJobEvent,
  HttpOptions,
  HttpProgress,
  HttpSubmitOptions,
  HttpSubmitted,
} from './http-client/types.js';
