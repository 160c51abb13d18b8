import { extname } from 'node:path';
import type { Sink } from '../sink.js';
import { CsvWriter } from './csv-writer.js';
import { NdjsonWriter } from './ndjson-writer.js';
import { ParquetTableWriter } from './parquet-writer.js';
import type { OutputColumn, TableFormat, TableWriter } from './table.js';

const FORMATS: Record<string, TableFormat> = {
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.tab': 'tsv',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.parquet': 'parquet',
  '.pq': 'parquet',
};

const GZIP = /\.gz$/i;

/** Whether the name of a file asks for gzip. */
export function isPackedName(path: string): boolean {
  return GZIP.test(path);
}

/** The format that the name of a file asks for; `.gz` at its end does not count. */
export function formatOfName(path: string): TableFormat | undefined {
  return FORMATS[extname(path.replace(GZIP, '')).toLowerCase()];
}

/** A writer of a format that writes to `sink`, piece by piece in flat memory. */
export async function openTableWriter(
  format: TableFormat,
  sink: Pick<Sink, 'write'>,
  columns: readonly OutputColumn[],
): Promise<TableWriter> {
  if (format === 'ndjson') return new NdjsonWriter(sink, columns);
  if (format === 'parquet') return ParquetTableWriter.open(sink, columns);
  return CsvWriter.open(sink, columns, format === 'tsv' ? '\t' : ',');
}
