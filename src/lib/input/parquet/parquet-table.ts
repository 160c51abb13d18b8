import { badInput } from '../../core/errors.js';
import type { Table, TableRow } from '../table/table.js';
import { shownName } from '../wanted.js';
import { isNumber, type ParquetColumn } from './columns.js';
import type { ParquetFile } from './parquet-file.js';

/**
 * A Parquet file as a table: typed values, and lists in cells. Only the columns that are asked for are read.
 * @throws InferError INPUT_PARQUET (65) if two columns have the same name.
 */
export function parquetTable(file: ParquetFile): Table {
  const { label, columns } = file;
  const names = columns.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) {
    throw badInput('INPUT_PARQUET', `${label} has two columns named '${shownName(twice)}'`, {
      hint: 'rename one of them',
    });
  }
  return {
    label,
    unit: 'row',
    columns: names,
    named: true,
    rows: file.rows,
    numeric: columns.map(({ depth, leaf }) => depth === 0 && isNumber(leaf)),
    lists: columns.map(({ depth, leaf }) => depth !== undefined && depth > 0 && isNumber(leaf)),
    batches: (wanted) => batches(file, wanted),
  };
}

async function* batches(
  file: ParquetFile,
  wanted: readonly number[] = file.columns.map((_, index) => index),
): AsyncGenerator<TableRow[], void, undefined> {
  const columns = wanted.map((index) => file.columns[index] as ParquetColumn);
  const nested = columns.find(({ depth }) => depth === undefined);
  if (nested !== undefined)
    throw nestedColumn(file.label, nested, 'write its fields as columns of their own');
  let at = 0;
  for await (const rows of file.read(columns, 'values')) {
    yield rows.map((values) => {
      const cells = new Array<unknown>(file.columns.length);
      for (const [i, index] of wanted.entries()) cells[index] = values[i];
      at += 1;
      return { cells, at };
    });
  }
}

/** INPUT_PARQUET for a column of structs or maps. */
export function nestedColumn(label: string, { name }: ParquetColumn, hint: string): Error {
  return badInput(
    'INPUT_PARQUET',
    `column '${shownName(name)}' of ${label} holds structs or maps, which infer does not read`,
    { hint },
  );
}
