import type { ErrorFacts, Trait } from './error-codes/facts.js';
import { HOST_ERRORS } from './error-codes/host.js';
import { DASHBOARD_ERRORS, HTTP_ERRORS, SERVE_ERRORS } from './error-codes/http.js';
import { HTTP_CLIENT_ERRORS } from './error-codes/http-client.js';
import { INPUT_ERRORS } from './error-codes/input.js';
import { JOB_ERRORS } from './error-codes/jobs.js';
import { MODEL_ERRORS } from './error-codes/models.js';
import { REDIS_ERRORS, TUNE_ERRORS } from './error-codes/redis.js';
import { USAGE_ERRORS } from './error-codes/usage.js';
import { ExitCode } from './exit-codes.js';

export type { ErrorFacts, Fault, Trait } from './error-codes/facts.js';

/** Every code by topic, in the order of docs/errors.md, which is generated from it. */
export const ERROR_TOPICS = {
  'Usage and configuration': USAGE_ERRORS,
  Input: INPUT_ERRORS,
  'Jobs and groups': JOB_ERRORS,
  'Models, runs and GPUs': MODEL_ERRORS,
  Redis: REDIS_ERRORS,
  'Tuning Redis': TUNE_ERRORS,
  'Workers and the host': HOST_ERRORS,
  'HTTP requests': HTTP_ERRORS,
  'Serving HTTP': SERVE_ERRORS,
  'The dashboard': DASHBOARD_ERRORS,
  'Calling a gateway': HTTP_CLIENT_ERRORS,
} as const;

/** THE table of errors: what every code means for shells, HTTP, retries and people. */
export const ERRORS = {
  ...USAGE_ERRORS,
  ...INPUT_ERRORS,
  ...JOB_ERRORS,
  ...MODEL_ERRORS,
  ...REDIS_ERRORS,
  ...TUNE_ERRORS,
  ...HOST_ERRORS,
  ...HTTP_ERRORS,
  ...SERVE_ERRORS,
  ...DASHBOARD_ERRORS,
  ...HTTP_CLIENT_ERRORS,
} as const satisfies Readonly<Record<string, ErrorFacts>>;

/** The codes of this release. */
export type ErrorCode = keyof typeof ERRORS;

/** Codes of invalid input data: a command exits with 65. */
export type InputCode = {
  [Code in ErrorCode]: (typeof ERRORS)[Code]['exitCode'] extends typeof ExitCode.BadInput ? Code : never;
}[ErrorCode];

/** Facts for a code that this release does not know: another release wrote it to Redis. */
const UNKNOWN: ErrorFacts = {
  exitCode: ExitCode.Negative,
  httpStatus: 500,
  retryable: false,
  fault: 'model',
  doc: 'errors.md',
  meaning: 'A code of another release.',
};

/** Whether this release has an error with that code. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

/** The table's row; codes in records come from any release, so they may have none. */
export function errorFacts(code: string): ErrorFacts {
  return isErrorCode(code) ? ERRORS[code] : UNKNOWN;
}

/** Whether a code has a trait; an unknown code has none. */
export function hasTrait(code: string, trait: Trait): boolean {
  return errorFacts(code).traits?.includes(trait) === true;
}
