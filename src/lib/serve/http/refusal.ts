import type { ErrorCode } from '../../core/error-table.js';
import { InferError, type InferErrorInit } from '../../core/errors.js';

export interface RefusalInit extends InferErrorInit {
  /** Response headers, with names in lower case. */
  headers?: Readonly<Record<string, string>>;
  /** Additional members of the problem, as RFC 9457 allows. */
  members?: Readonly<Record<string, unknown>>;
}

/** An error whose response also says when to retry, or how to authenticate. */
export class Refusal extends InferError {
  readonly headers: Readonly<Record<string, string>>;
  readonly members: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, { headers = {}, members = {}, ...init }: RefusalInit = {}) {
    super(code, message, init);
    this.headers = headers;
    this.members = members;
  }
}

const LONGEST_S = 60;

/** Whole seconds for `Retry-After`, 1 to 60; 60 if unknown. @param ms milliseconds */
export function retryAfter(ms: number | undefined): string {
  const seconds = ms === undefined ? LONGEST_S : Math.ceil(ms / 1000);
  return String(Math.min(LONGEST_S, Math.max(1, seconds)));
}
