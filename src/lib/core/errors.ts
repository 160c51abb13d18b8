import { type ErrorCode, type ErrorFacts, errorFacts, type InputCode } from './error-table.js';
import type { ExitCode } from './exit-codes.js';

export interface InferErrorInit {
  /** What the user types or changes to fix it; shown as `Try:`. */
  hint?: string | undefined;
  /** The underlying error; kept for `INFER_DEBUG=1`, never printed otherwise. */
  cause?: unknown;
}

/**
 * An expected failure: a stable code (`REDIS_UNREACHABLE`), what happened in plain words, and the fix.
 * Everything else is in the table row of its code: see error-table.ts and docs/errors.md. Messages must not
 * contain payloads, passwords or driver internals, because they reach terminals and logs.
 */
export class InferError extends Error {
  override readonly name = 'InferError';
  /** A code from the table; for a record from Redis, any code its release wrote. */
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;

  constructor(code: ErrorCode, message: string, init: InferErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = code;
    this.hint = init.hint;
    this.exitCode = errorFacts(code).exitCode;
  }

  /** A stored failure as an error. A code that this release does not know is kept: exit 1, not retryable. */
  static of({ code, message, hint }: FailureRecord): InferError {
    return new InferError(code as ErrorCode, message, { hint });
  }

  /** Exit code, HTTP status, fault and page of its code. */
  get facts(): ErrorFacts {
    return errorFacts(this.code);
  }

  /** The same error with another message, for a caller that knows more; the hint is kept by default. */
  reworded(message: string, hint = this.hint): InferError {
    return new InferError(this.code, message, { hint, cause: this });
  }
}

/** Invalid input data: exit 65. `where` is a place such as `line 12`, prefixed to the message. */
export function badInput(
  code: InputCode,
  message: string,
  options: { hint?: string | undefined; where?: string | undefined } = {},
): InferError {
  const text = options.where === undefined ? message : `${options.where}: ${message}`;
  return new InferError(code, text, { hint: options.hint });
}

/** The text of anything thrown, without stack, command arguments or payload. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * What is stored and shown of a failure that ended a job; no stack, at most 500 characters. Records that were
 * read may have a code of another release; those created here have one from the table (`OwnFailure`).
 */
export interface FailureRecord<Code extends string = string> {
  code: Code;
  message: string;
  hint?: string | undefined;
}

/** A failure created by this release. */
export type OwnFailure = FailureRecord<ErrorCode>;

const FAILURE_TEXT_MAX = 500;

export function toFailureRecord(error: unknown, fallbackCode: ErrorCode = 'RUN_FAILED'): OwnFailure {
  const message = messageOf(error).slice(0, FAILURE_TEXT_MAX);
  if (error instanceof InferError) {
    return error.hint === undefined
      ? { code: error.code, message }
      : { code: error.code, message, hint: error.hint };
  }
  return { code: fallbackCode, message };
}
