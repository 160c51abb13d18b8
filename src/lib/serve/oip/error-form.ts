import type { ErrorForm } from '../http/app.js';
import { problemOf } from '../http/problem.js';

/** What is wrong with a request is one status in the protocol: 400. */
const VALIDATION: readonly number[] = [406, 422];
const BAD_REQUEST = 400;

/** Errors as clients of the protocol read them: JSON with `error`, and the fields of a problem beside it. */
export const oipErrorForm: ErrorForm = (error, path, basePath) => {
  const problem = problemOf(error, path, basePath);
  const status = VALIDATION.includes(problem.status) ? BAD_REQUEST : problem.status;
  return { contentType: 'application/json', status, body: { ...problem, status } };
};
