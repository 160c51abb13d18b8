/**
 * How many rows a chunk may reach back over; see `ChunkBuilder` and the reader of groups, which hold as many.
 */
export const REORDER_ROWS = 8192;

/** The positions of a chunk's rows in their input: numbers from 0, ascending. */
export interface RowPlace {
  firstRow: number;
  /** From the second row on, the distance to the previous one; absent when all are consecutive. */
  steps?: number[] | undefined;
}

/** The place of rows with these numbers, at least one. */
export function placeOf(numbers: readonly number[]): RowPlace {
  const [firstRow = 0] = numbers;
  if ((numbers.at(-1) ?? firstRow) - firstRow === numbers.length - 1) return { firstRow };
  return { firstRow, steps: numbers.slice(1).map((row, at) => row - (numbers[at] as number)) };
}

/** The numbers of the `rows` rows at a place. */
export function rowNumbers({ firstRow, steps }: RowPlace, rows: number): number[] {
  let row = firstRow;
  return Array.from({ length: rows }, (_, at) => {
    if (at > 0) row += steps?.[at - 1] ?? 1;
    return row;
  });
}
