import { count } from '../../core/counts.js';

/** `9 of 40 rows have no result, the first is row 1`; row numbers from 0, `undefined` when unknown. */
export function failedRowsText(failed: number, rows: number, first?: number): string {
  const which =
    first === undefined ? '' : failed === 1 ? `: row ${first + 1}` : `, the first is row ${first + 1}`;
  return `${count(failed)} of ${count(rows)} row${rows === 1 ? '' : 's'} ${failed === 1 ? 'has' : 'have'} no result${which}`;
}
