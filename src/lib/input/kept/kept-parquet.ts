import type { ParquetColumn } from '../parquet/columns.js';
import { bareElement, type ParquetFile } from '../parquet/parquet-file.js';
import { nestedColumn } from '../parquet/parquet-table.js';
import { shownAs } from '../parquet/stored-values.js';
import { chosen } from './choose.js';
import type { KeepWish, KeptColumn, KeptRows } from './kept.js';

/**
 * The columns of a Parquet file as they are kept: with `typed` exactly as they are stored, to be written to
 * Parquet again, else as JSON values.
 * @throws InferError INPUT_PARQUET (65) for a column of structs or maps.
 */
export function keptParquet(
  file: ParquetFile,
  wish: KeepWish & { typed: boolean },
  close: () => Promise<void>,
): KeptRows {
  const names = file.columns.map(({ name }) => name);
  const kept = chosen(names, wish, file.label).map((index) => file.columns[index] as ParquetColumn);
  const nested = kept.find(({ depth }) => depth === undefined);
  if (nested !== undefined) throw nestedColumn(file.label, nested, `leave it out: --drop ${nested.name}`);
  const shown = kept.map(({ leaf }) => shownAs(leaf));
  return {
    columns: kept.map(
      ({ name, elements, leaf, depth = 0 }): KeptColumn => ({
        name,
        kind: 'text',
        depth,
        ...(wish.typed ? { stored: storedSchema(elements, leaf) } : {}),
      }),
    ),
    async *batches() {
      for await (const rows of file.read(kept, 'stored'))
        yield wish.typed ? rows : rows.map((row) => row.map((value, at) => shown[at]?.(value)));
    },
    close,
  };
}

/** The elements of a column as it is written again. INT96 is a time that no one writes any more. */
function storedSchema(
  elements: ParquetColumn['elements'],
  leaf: ParquetColumn['leaf'],
): ParquetColumn['elements'] {
  if (leaf.type !== 'INT96') return elements;
  const time = {
    ...bareElement(leaf),
    type: 'INT64' as const,
    logical_type: { type: 'TIMESTAMP' as const, isAdjustedToUTC: true, unit: 'NANOS' as const },
  };
  return [...elements.slice(0, -1), time];
}
