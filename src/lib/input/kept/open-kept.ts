import { type ModelSignature, takesText } from '../../model/signature.js';
import type { InputSource } from '../bytes.js';
import { bareInput } from '../left-out.js';
import { type OpenFormat, openFormat } from '../open-format.js';
import { openParquet } from '../parquet/open-parquet.js';
import { DEFAULT_MAX_BYTES, type ReadOptions } from '../read.js';
import { openTable } from '../table/open-table.js';
import type { KeepWish, KeptColumn, KeptRows } from './kept.js';
import { fieldsOf, keptLines } from './kept-lines.js';
import { keptParquet } from './kept-parquet.js';
import { keptTable } from './kept-table.js';

/** How the kept columns are written: as text, or as typed values. */
export type KeptForm = 'text' | 'json' | 'typed';

/**
 * Opens an input a second time, for the columns that are kept next to its predictions. Formats without
 * columns (`.npy`, JSON documents) have none.
 * @param known fields of NDJSON, where they have been found [they are looked for in all lines]
 * @throws InferError INPUT_* as `readInput`; INPUT_NAMES for a column that does not exist.
 */
export async function openKept(
  source: InputSource,
  signature: ModelSignature,
  options: Pick<ReadOptions, 'format' | 'table' | 'maxBytes' | 'signal'>,
  wish: KeepWish & { form: KeptForm },
  known?: readonly KeptColumn[],
): Promise<KeptRows> {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  const textLines = takesText(signature);
  const open = () => openFormat(source, { ...options, maxBytes, textLines });
  const opened = await open();
  const close = () => opened.reader.close();
  try {
    const { reader, format } = opened;
    if (format === 'csv' || format === 'tsv') {
      const { table, mapping } = await openTable(reader, format, signature, { ...options.table, maxBytes });
      return keptTable(table, mapping, signature, { ...wish, typed: wish.form !== 'text' }, close);
    }
    if (format === 'parquet') {
      const { file, close: end } = await openParquet(reader, source);
      return closedOnError(end, () => keptParquet(file, { ...wish, typed: wish.form === 'typed' }, end));
    }
    if (format === 'ndjson') {
      const bare = signature.inputs[bareInput(signature) ?? 0]?.name ?? 'row';
      const fields = known ?? (await fieldsIn(await open(), maxBytes, bare));
      return keptLines(reader, fields, bare, { ...wish, maxBytes, json: wish.form !== 'text' }, close);
    }
    await close();
    return { columns: [], batches: noBatches, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function fieldsIn({ reader }: OpenFormat, maxBytes: number, bare: string): Promise<KeptColumn[]> {
  return fieldsOf(reader, maxBytes, bare).finally(() => reader.close());
}

async function* noBatches(): AsyncGenerator<unknown[][], void, undefined> {
  // No columns, so nothing to read.
}

async function closedOnError<T>(close: () => Promise<void>, make: () => T): Promise<T> {
  try {
    return make();
  } catch (error) {
    await close();
    throw error;
  }
}
