import type { OutputColumn } from '../../output/table/table.js';

/** A column of the input that is written next to the predictions. */
export type KeptColumn = OutputColumn;

/** The rows of an input as they are kept, in its order; read independently of those that are submitted. */
export interface KeptRows {
  columns: readonly KeptColumn[];
  /** Cells by column; can be read once. */
  batches(): AsyncGenerator<unknown[][], void, undefined>;
  close(): Promise<void>;
}

/** Which columns are kept [all]. */
export interface KeepWish {
  keep?: readonly string[] | undefined;
  drop?: readonly string[] | undefined;
}
