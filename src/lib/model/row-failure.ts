import type { InferError } from '../core/errors.js';

/** Why one row of a run has no output though the run itself went well: its handler threw, its scores hold NaN. */
export interface RowFailure {
  /** From 0, within the run. */
  row: number;
  error: InferError;
}
