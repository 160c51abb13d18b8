import type { ModelSignature } from '../../model/signature.js';
import { decimal, trimmed } from '../table/cells.js';
import type { Mapping } from '../table/mapping.js';
import type { Table } from '../table/table.js';
import { chosen } from './choose.js';
import type { KeepWish, KeptColumn, KeptRows } from './kept.js';

/** Types whose every value is a number of JavaScript. */
const NUMBERS = new Set([
  'float64',
  'float32',
  'float16',
  'int32',
  'int16',
  'int8',
  'uint32',
  'uint16',
  'uint8',
]);

/**
 * The columns of a text table as they are kept. Their cells are text. With `typed`, for formats that have
 * types, those that make an input of numbers are numbers: any other column of digits may be a postal code.
 */
export function keptTable(
  table: Table,
  mapping: Mapping,
  { inputs }: ModelSignature,
  wish: KeepWish & { typed: boolean },
  close: () => Promise<void>,
): KeptRows {
  const indexes = chosen(table.columns, wish, table.label);
  const numbers = new Set(
    mapping.flatMap((from, input) => {
      const { type } = inputs[input] ?? {};
      return from !== undefined && !from.list && NUMBERS.has(type ?? '') ? from.columns : [];
    }),
  );
  const isNumber = indexes.map((index) => wish.typed && numbers.has(index));
  const columns: KeptColumn[] = indexes.map((index, at) => ({
    name: table.columns[index] as string,
    kind: isNumber[at] ? 'float64' : 'text',
    depth: 0,
  }));
  return {
    columns,
    async *batches() {
      for await (const rows of table.batches())
        yield rows.map(({ cells }) =>
          indexes.map((index, at) => kept(cells[index] as string, isNumber[at] === true)),
        );
    },
    close,
  };
}

function kept(cell: string, isNumber: boolean): unknown {
  if (cell === '') return null;
  return isNumber ? (decimal(trimmed(cell)) ?? (trimmed(cell) || null)) : cell;
}
