import { ExitCode } from './exit-codes.js';

export interface InferErrorInit {
  /** What the user types or changes to get past this; shown as `Try:`. */
  hint?: string | undefined;
  exitCode?: ExitCode | undefined;
  /** The underlying error; kept for `INFER_DEBUG=1`, never printed otherwise. */
  cause?: unknown;
}

/**
 * An expected failure: a stable code (`REDIS_UNREACHABLE`), what happened in plain words, and the
 * fix. Messages must hold no payload, password or driver internals: they reach terminals and logs.
 */
export class InferError extends Error {
  override readonly name = 'InferError';
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;

  constructor(code: string, message: string, init: InferErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = code;
    this.hint = init.hint;
    this.exitCode = init.exitCode ?? ExitCode.Negative;
  }
}

/** Code of what ended because its job's soft time limit was reached. */
export const SOFT_TIME_LIMIT = 'SOFT_TIME_LIMIT';

/** Bad input data: exit 65. `where` is a place such as `line 12`, put before the message. */
export function badInput(
  code: string,
  message: string,
  options: { hint?: string | undefined; where?: string | undefined } = {},
): InferError {
  const text = options.where === undefined ? message : `${options.where}: ${message}`;
  return new InferError(code, text, { hint: options.hint, exitCode: ExitCode.BadInput });
}

/** The text of anything thrown, without stack, command arguments or payload. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What is stored and shown of a failure that ended a job; no stack, at most 500 characters. */
export interface FailureRecord {
  code: string;
  message: string;
  hint?: string | undefined;
}

const FAILURE_TEXT_MAX = 500;

export function toFailureRecord(error: unknown, fallbackCode = 'RUN_FAILED'): FailureRecord {
  const message = messageOf(error).slice(0, FAILURE_TEXT_MAX);
  if (error instanceof InferError) {
    return error.hint === undefined
      ? { code: error.code, message }
      : { code: error.code, message, hint: error.hint };
  }
  return { code: fallbackCode, message };
}
