import type { SchemaElement } from 'hyparquet';

/** What the cells of a column are; with `depth`, lists of that. */
export type CellKind = 'text' | 'json' | 'boolean' | 'int32' | 'int64' | 'float32' | 'float64';

export interface OutputColumn {
  name: string;
  /**
   * For Parquet: its cells are stored values of a Parquet file, with these elements of a schema. Then `kind` does
   * not count.
   */
  stored?: SchemaElement[] | undefined;
  kind: CellKind;
  /** How deep the lists are in its cells; 0 for single values. */
  depth: number;
}

/** The formats of a table. */
export const TABLE_FORMATS = ['csv', 'tsv', 'ndjson', 'parquet'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

/** Writes rows, whose cells are in the order of its columns; null and undefined are missing values. */
export interface TableWriter {
  write(rows: readonly unknown[][]): Promise<void>;
  /** After the last row. The sink is not committed. */
  end(): Promise<void>;
}
