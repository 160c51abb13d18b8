import type { ModelSignature } from '../../model/signature.js';
import type { ByteReader, InputSource } from '../bytes.js';
import { openParquet } from '../parquet/open-parquet.js';
import type { ParquetFile } from '../parquet/parquet-file.js';
import { parquetTable } from '../parquet/parquet-table.js';
import { openCsv } from './csv.js';
import { knownNames, type Mapping, mapColumns } from './mapping.js';
import type { Table, TableOptions } from './table.js';

/**
 * Opens a table and finds which columns make the inputs of a model.
 * @throws InferError INPUT_TABLE, INPUT_NAMES, INPUT_SHAPE, INPUT_ENCODING (65).
 */
export async function openTable(
  reader: ByteReader,
  format: 'csv' | 'tsv',
  signature: ModelSignature,
  options: TableOptions & { maxBytes: number },
): Promise<{ table: Table; mapping: Mapping }> {
  const delimiter = options.delimiter ?? (format === 'tsv' ? '\t' : undefined);
  const known = knownNames(signature, options.columns);
  const table = await openCsv(reader, { ...options, delimiter }, known);
  return { table, mapping: mapColumns(table, signature, options.columns) };
}

/** The same for a Parquet file; `close` is to be called after the last row. */
export async function openParquetTable(
  reader: ByteReader,
  source: InputSource,
  signature: ModelSignature,
  options: TableOptions = {},
): Promise<{ table: Table; mapping: Mapping; file: ParquetFile; close(): Promise<void> }> {
  const { file, close } = await openParquet(reader, source);
  try {
    const table = parquetTable(file);
    return { table, mapping: mapColumns(table, signature, options.columns), file, close };
  } catch (error) {
    await close();
    throw error;
  }
}
