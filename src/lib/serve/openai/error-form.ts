import type { ErrorForm } from '../http/app.js';
import { problemOf } from '../http/problem.js';

/** Errors in the form that OpenAI's clients expect. */
export const openaiErrorForm: ErrorForm = (error, path) => {
  const problem = problemOf(error, path);
  const { detail, hint, code } = problem;
  // There, all invalid requests have one status.
  const status = problem.status === 422 ? 400 : problem.status;
  const message = hint === undefined ? detail : `${detail}; ${hint}`;
  return {
    contentType: 'application/json',
    status,
    body: { error: { message, type: typeOf(status), code: CODES[code] ?? code, param: paramOf(detail) } },
  };
};

/** Codes that programs compare. */
const CODES: Readonly<Record<string, string>> = {
  MODEL_UNKNOWN: 'model_not_found',
  TOKEN: 'invalid_api_key',
  RATE_LIMIT: 'rate_limit_exceeded',
  JOBS_LIMIT: 'rate_limit_exceeded',
};

function typeOf(status: number): string {
  if (status === 429) return 'rate_limit_error';
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

/** The field that a message names before its colon. */
function paramOf(detail: string): string | null {
  return /^(model|input|encoding_format|dimensions|user)\b[^:\s]*: /.exec(detail)?.[1] ?? null;
}
