import type { ErrorCode } from '../../core/error-table.js';

/* Codes that routes share, for their `errors` in the OpenAPI document. */

/** Redis cannot be read or written now. */
export const REDIS_AWAY: readonly ErrorCode[] = [
  'REDIS_UNREACHABLE',
  'REDIS_TIMEOUT',
  'REDIS_ERROR',
  'REDIS_BUSY',
  'REDIS_LOADING',
  'REDIS_READONLY',
  'REDIS_MISCONF',
  'REDIS_CLUSTER_DOWN',
  'REDIS_PERMISSION',
  'QUEUE_DAMAGED',
  'INSTALLATION_DAMAGED',
  'REDIS_WRONGTYPE',
];

/** The job or group does not exist, or cannot be read. */
export const NO_JOB: readonly ErrorCode[] = [
  'JOB_ID',
  'JOB_UNKNOWN',
  'JOB_LOST',
  'LAYOUT_NEWER',
  'JOB_DAMAGED',
  'GROUP_DAMAGED',
];

/** The model does not exist, or its inputs cannot be determined. */
export const NO_MODEL: readonly ErrorCode[] = [
  'MODEL_NEEDED',
  'MODEL_UNKNOWN',
  'MODELS_DIR',
  'NO_MODELS',
  'MODEL_LOADING',
  'MODEL_TIMEOUT',
  'MODEL_LOAD',
  'MODEL_MANIFEST',
  'MODEL_PATH',
  'MODEL_READ_FAILED',
  'MODEL_UNREADABLE',
  'MODELS_DIR_UNREADABLE',
];

/** Input that the model does not take. */
export const WRONG_INPUT: readonly ErrorCode[] = [
  'INPUT_EMPTY',
  'INPUT_NAMES',
  'INPUT_SHAPE',
  'INPUT_RAGGED',
  'INPUT_MIXED',
  'INPUT_TYPE',
  'INPUT_VALUE',
  'INPUT_MISMATCH',
  'INPUT_OIP',
  'TENSOR_BYTES',
];

/** Options of a submit. */
export const WRONG_OPTIONS: readonly ErrorCode[] = [
  'QUEUE_NAME',
  'JOB_ID',
  'PRIORITY_RANGE',
  'DELAY',
  'EXPIRES_RANGE',
  'RESULT_TTL_RANGE',
  'RETRIES_RANGE',
  'RETRY_DELAY_RANGE',
  'TIME_LIMIT_RANGE',
];

/** Work that is refused before it is queued. */
export const NOT_LET_IN: readonly ErrorCode[] = [
  'DRAINING',
  'TOKEN_MODEL',
  'QUEUES_FULL',
  'RATE_LIMIT',
  'JOBS_LIMIT',
  'WAITING_LIMIT',
  'QUEUE_FULL',
  'WAIT_TOO_LONG',
  'REDIS_FULL',
  'REDIS_NOREPLICAS',
];

/** Waits that are refused because too many are open. */
export const NO_WAIT: readonly ErrorCode[] = ['OPEN_LIMIT', 'SERVER_FULL'];

/** Ends of a job without a result; a handler may also refuse its input. */
export const JOB_FAILURES: readonly ErrorCode[] = [
  'RESULT_EXPIRED',
  'JOB_LOST',
  'CANCELLED',
  'RUN_ABORTED',
  'EXPIRED',
  'TIME_LIMIT',
  'SOFT_TIME_LIMIT',
  'RUN_FAILED',
  'HANDLER_FAILED',
  'ROWS_FAILED',
  'FAILED',
  'OUTPUT_ROWS',
  'OUTPUT_MIXED',
  'RESULT_TOO_LARGE',
  'INPUT_LOST',
  'JOB_DAMAGED',
  'MODEL_LOAD',
  'HANDLER_LOAD',
  'POISON',
  'RUNNER_DIED',
  'RUNNER_BROKEN',
  'DEVICE_ERROR',
  'MODEL_CHANGED',
  'MODEL_UNSERVED',
  'MODEL_REPLACED',
  'GPU_UNAVAILABLE',
  'INPUT_VALUE',
  'INPUT_MISMATCH',
  'NOT_OURS',
];

/** Orders to workers. */
export const ORDERS: readonly ErrorCode[] = [
  'NO_WORKERS',
  'WORKER_UNKNOWN',
  'NO_ANSWER',
  'CONTROL',
  'WORKER_ENDS',
  'AUTOSCALED',
  'NOT_AUTOSCALED',
  'LAST_MODEL',
];
