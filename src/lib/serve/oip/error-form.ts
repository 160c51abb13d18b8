import type { ErrorForm } from '../http/app.js';
import { problemOf } from '../http/problem.js';

/** The protocol has one status for all invalid requests: 400. */
const VALIDATION: readonly number[] = [406, 422];
const BAD_REQUEST = 400;

/**
 * Errors in the form that clients of the protocol expect: JSON with `error`, in addition to the members of a
 * problem.
 */
export const oipErrorForm: ErrorForm = (error, path, basePath) => {
  const problem = problemOf(error, path, basePath);
  const status = VALIDATION.includes(problem.status) ? BAD_REQUEST : problem.status;
  return { contentType: 'application/json', status, body: { ...problem, status } };
};
