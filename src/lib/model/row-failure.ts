import type { InferError } from '../core/errors.js';

/**
 * Why one row of a run has no output although the run succeeded: its handler threw, its scores contain NaN.
 */
export interface RowFailure {
  /** From 0, within the run. */
  row: number;
  error: InferError;
}
