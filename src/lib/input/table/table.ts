import type { ColumnWishes } from './column-wishes.js';

/** What a caller says about a table; the rest is found out. */
export interface TableOptions {
  /** One character between two cells [found: comma, semicolon, tab or pipe]. */
  delimiter?: string | undefined;
  /** Whether the first line names the columns [found]. */
  header?: boolean | undefined;
  /** Which columns make an input of the model [by their names]. */
  columns?: ColumnWishes | undefined;
}

export interface TableRow {
  /** By column: text in CSV, typed values and null in Parquet. */
  cells: unknown[];
  /** Its line in a text file, or its number; from 1. */
  at: number;
}

/** Rows with named columns, read in pieces. */
export interface Table {
  /** Name of the file in messages. */
  readonly label: string;
  /** What `at` counts. */
  readonly unit: 'line' | 'row';
  /** Names of the columns, each once. */
  readonly columns: readonly string[];
  /** False when the names were made up: `column_1`, `column_2`, ... */
  readonly named: boolean;
  /** Total number of rows if the file says it. */
  readonly rows: number | undefined;
  /** By column, whether it holds lists of numbers [none does]. */
  readonly lists?: readonly boolean[] | undefined;
  /** By column, whether it holds numbers, as far as the first rows show. */
  readonly numeric: readonly boolean[];
  /**
   * All rows in order; can be read once. Rows before a faulty one are returned first.
   * @param columns those whose cells are needed [all]
   * @throws InferError INPUT_* (65) naming file and line
   */
  batches(columns?: readonly number[]): AsyncGenerator<TableRow[], void, undefined>;
}

/** `rows.csv, line 3, column 'age'`: where something is in a table. */
export function placeIn(table: Pick<Table, 'label' | 'unit'>, at: number, column?: string): string {
  return `${table.label}, ${table.unit} ${at}${column === undefined ? '' : `, column '${column}'`}`;
}
