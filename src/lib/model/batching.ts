/**
 * Whether rows of several requests may share a run of a model and, if not, why: defines all reasons and their
 * texts.
 */

/**
 * - `declared`: model.json says `"batchable": false`
 * - `fixed`: no input has a dimension that could be the batch
 * - `mixes`: a row's output depends on the other rows of its run
 * - `unsteady`: the same row alone gets a different answer each time (random, or state kept between runs)
 * - `shapes`: the outputs have no axis along which rows run
 * - `failed`: no trial run succeeded
 */
export type UnbatchedReason = 'declared' | 'fixed' | 'mixes' | 'unsteady' | 'shapes' | 'failed';

/** The largest difference found in an output of one row. */
export interface OutputDifference {
  output: string;
  /**
   * Relative to the value; for values below a twentieth of the row's largest, relative to that twentieth. For
   * integers, booleans and strings: the share of the row's elements that differ. At least 0; Infinity if one
   * of the two is not a finite number.
   */
  difference: number;
  /** Considered float noise up to this, in the same unit. */
  tolerance: number;
}

export type Batching =
  | { ok: true }
  | {
      ok: false;
      reason: UnbatchedReason;
      /** One clause: `output y of a row changes by 12 % …`. */
      text: string;
      found?: OutputDifference;
    };

/** Above this the figure is meaningless: the two are unrelated. */
const MOST_SHARE = 10;

/** `by 12 %`, `by 0.31 %`: two significant digits. */
function percent(share: number): string {
  if (!Number.isFinite(share)) return 'to or from NaN or infinity';
  if (share > MOST_SHARE) return 'by more than 1000 %';
  return `by ${Number((share * 100).toPrecision(2))} %`;
}

function toleranceText(tolerance: number): string {
  return `${Number((tolerance * 100).toPrecision(2))} %`;
}

/** `output y of a row changes by 12 % when other rows share its run (0.05 % is tolerated)` */
export function mixesText({ output, difference, tolerance }: OutputDifference): string {
  return `output ${output} of a row changes ${percent(difference)} when other rows share its run (${toleranceText(tolerance)} is tolerated)`;
}

export function mixes(found: OutputDifference): Batching {
  return { ok: false, reason: 'mixes', text: mixesText(found), found };
}

/**
 * For an output without a batch axis that is not the same for all rows either, such as a mean over the batch.
 */
export function overRows(found: OutputDifference): Batching {
  const { output, difference, tolerance } = found;
  const text = `output ${output} does not grow with the rows and changes ${percent(difference)} with them (${toleranceText(tolerance)} is tolerated)`;
  return { ok: false, reason: 'mixes', text, found };
}

export function unsteady(found: OutputDifference): Batching {
  const text = `the same row gets another answer each time (output ${found.output} changes ${percent(found.difference)}): the model is random or keeps state between runs`;
  return { ok: false, reason: 'unsteady', text, found };
}

export const DECLARED: Batching = {
  ok: false,
  reason: 'declared',
  text: 'model.json says "batchable": false',
};

export const FIXED: Batching = {
  ok: false,
  reason: 'fixed',
  text: 'no input has an open dimension that is the batch: neither the first one, nor one named batch or N',
};

/** The warning for users; undefined if rows are batched, or the model was made for one row per run. */
export function batchingWarning(batching: Batching): string | undefined {
  if (batching.ok || batching.reason === 'declared' || batching.reason === 'fixed') return undefined;
  return `runs one row at a time: ${batching.text}`;
}

/**
 * The note in a worker's banner for a model made for one row per run; undefined for others, which cause a
 * warning.
 */
export function oneRowNote(batching: Batching | undefined): string | undefined {
  if (batching === undefined || batching.ok) return undefined;
  if (batching.reason === 'declared') return `one row a run: ${batching.text}`;
  return batching.reason === 'fixed' ? 'one row a run: no dimension is the batch' : undefined;
}

/** `ROWS_MIXED`: a check while serving proved what the trial at load did not find. */
export type AloneReason = UnbatchedReason | 'ROWS_MIXED';

/** A two-word note for a table; undefined if the model was made for one row per run. */
export function batchingNote(reason: AloneReason): string | undefined {
  return NOTES[reason];
}

const NOTES: Partial<Record<AloneReason, string>> = {
  mixes: 'rows mix',
  ROWS_MIXED: 'rows mixed',
  unsteady: 'random',
  shapes: 'no batch axis',
  failed: 'not tried',
};
