/**
 * infer as a library: for API servers.
 *
 *   const infer = await InferClient.connect();
 *   const answer = await infer.run(pixels, { model: 'digits', priority: 9 });
 */
export { InferClient } from './client/client.js';
export type { RowResult, SubmittedRows } from './client/submit-rows.js';
export type {
  ConnectOptions,
  DataLoss,
  GroupChunk,
  JobResult,
  JobTensors,
  RetryOptions,
  SteerOptions,
  SubmitOptions,
  SubmittedGroup,
  SubmittedJob,
} from './client/types.js';
export type { WaitOptions } from './client/waiting.js';
export { type ErrorCode, type ErrorFacts, errorFacts, type Fault } from './core/error-table.js';
export { type FailureRecord, InferError } from './core/errors.js';
export { ExitCode } from './core/exit-codes.js';
export type { JobState, Priority, TerminalState } from './core/job.js';
export type { Eta, EtaSpread, JobPlace, NoEta, Why } from './deployment/place/job-place.js';
export type { TypedValue } from './model/rows.js';
export type { ModelSignature, TensorSignature } from './model/signature.js';
export type { DataType, Payload, RowTensor } from './model/tensor.js';
export type { GroupRecord } from './queue/types.js';
