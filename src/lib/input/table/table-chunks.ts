import { badInput, InferError } from '../../core/errors.js';
import { defaultOf } from '../../model/defaults.js';
import { encodeElements } from '../../model/elements.js';
import { isList } from '../../model/row-shape.js';
import { jsonNumber } from '../../model/rows.js';
import { type ModelSignature, type TensorSignature, takesJson } from '../../model/signature.js';
import { explainElement } from '../../model/value-words.js';
import type { Chunk, ChunkLimits } from '../chunk.js';
import { ChunkBuilder } from '../chunk-builder.js';
import type { ReadFile } from '../column.js';
import { jsonRowText } from '../json-row.js';
import { inputOf } from '../wanted.js';
import { decimal, hasDecimalComma, jsonCell, trimmed } from './cells.js';
import type { InputColumns, Mapping } from './mapping.js';
import { placeIn, type Table, type TableRow } from './table.js';

/**
 * The rows of a table as chunks for a model.
 * @throws InferError INPUT_* (65) naming file, line or row, and column. Chunks of the rows before are yielded
 *   first.
 */
export async function* tableChunks(
  table: Table,
  mapping: Mapping,
  signature: ModelSignature,
  limits: ChunkLimits & { maxDepth: number; readFile?: ReadFile | undefined },
): AsyncGenerator<Chunk, void, undefined> {
  const builder = new ChunkBuilder(signature, limits, (at) => placeIn(table, at), {
    readFile: limits.readFile,
  });
  const add = takesJson(signature)
    ? (row: TableRow) => builder.addValues([jsonRow(table, row, limits.maxDepth)], row.at)
    : adder(table, mapping, signature, builder);
  let empty = true;
  const used = takesJson(signature) ? undefined : mapping.flatMap((from) => from?.columns ?? []);
  for await (const rows of table.batches(used)) {
    empty = false;
    try {
      for (const row of rows) add(row);
    } catch (error) {
      yield* builder.drain();
      throw error;
    }
    yield* builder.drain();
  }
  if (empty) throw noRows(table);
  builder.flush();
  yield* builder.drain();
}

function noRows({ label, unit, named }: Table): InferError {
  const header = unit === 'line' && named;
  return badInput('INPUT_EMPTY', `${label} holds ${header ? 'a header and ' : ''}no rows`, {
    hint: header
      ? 'give one row or more; if its first line is a row, say so: --no-header'
      : 'give one row or more',
  });
}

/** All columns of a row as an object, for a model whose handler takes JSON. */
function jsonRow(table: Table, { cells, at }: TableRow, maxDepth: number): string {
  const entries = table.columns.map((name, index) => {
    const cell = cells[index];
    return [name, table.unit === 'line' ? jsonCell(cell as string) : typedCell(cell)] as const;
  });
  return jsonRowText(Object.fromEntries(entries), maxDepth, placeIn(table, at));
}

/** A typed value as JSON has it. */
function typedCell(cell: unknown): unknown {
  if (typeof cell === 'bigint') return jsonNumber(cell);
  if (Array.isArray(cell)) return cell.map(typedCell);
  return cell ?? null;
}

/** How one input gets its value from a row. */
interface Source {
  input: TensorSignature;
  from: InputColumns | undefined;
  /** For an empty cell: the default of the whole input, or of each element. */
  fallback: unknown;
}

function adder(
  table: Table,
  mapping: Mapping,
  signature: ModelSignature,
  builder: ChunkBuilder,
): (row: TableRow) => void {
  const sources: Source[] = signature.inputs.map((input, index) => ({
    input,
    from: mapping[index],
    fallback: defaultOf(input),
  }));
  const values: unknown[] = sources.map(() => undefined);
  return (row) => {
    for (const [index, source] of sources.entries())
      values[index] = inputValue(source, row, table, signature);
    try {
      builder.addValues(values, row.at);
    } catch (error) {
      throw error instanceof InferError
        ? (namingColumn(error, sources, values, row, table, signature) ?? error)
        : error;
    }
  };
}

function inputValue(
  { input, from, fallback }: Source,
  row: TableRow,
  table: Table,
  signature: ModelSignature,
): unknown {
  if (from === undefined) return fallback;
  const { columns, list } = from;
  const [only] = columns;
  if (columns.length === 1 && only !== undefined) {
    const cell = row.cells[only];
    if (isMissing(cell)) return fallback ?? missing(only, row, table, input, signature);
    return list ? listOf(cell, only, row, table, input) : element(cell, input);
  }
  const values = new Array<unknown>(columns.length);
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i] as number;
    const cell = row.cells[column];
    if (!isMissing(cell)) values[i] = element(cell, input);
    else if (fallback === undefined) missing(column, row, table, input, signature);
    else values[i] = isList(fallback) ? fallback[i] : fallback;
  }
  return values;
}

function isMissing(cell: unknown): boolean {
  return (
    cell === '' || cell === null || cell === undefined || (typeof cell === 'string' && trimmed(cell) === '')
  );
}

/** Text that is not a number stays text: the type decides whether it is valid (`NaN`, a long integer). */
function element(cell: unknown, input: TensorSignature): unknown {
  if (typeof cell === 'boolean' && input.type !== 'bool') return Number(cell);
  if (typeof cell !== 'string' || input.type === 'string') return cell;
  const text = trimmed(cell);
  if (input.type === 'bool') return BOOLEANS.get(text.toLowerCase()) ?? text;
  if (input.type === 'int64' || input.type === 'uint64') return wide(text);
  return decimal(text) ?? text;
}

const BOOLEANS = new Map<string, boolean>([
  ['true', true],
  ['false', false],
  ['1', true],
  ['0', false],
]);

/** A whole number keeps all its digits as text; `5.0` is 5. */
function wide(text: string): unknown {
  const number = decimal(text);
  return number === undefined || Number.isSafeInteger(number) ? (number ?? text) : text.replace(/^\+/, '');
}

/** A list in one cell: JSON in text, a list column in Parquet. */
function listOf(cell: unknown, column: number, row: TableRow, table: Table, input: TensorSignature): unknown {
  if (typeof cell !== 'string' || (input.type === 'string' && !cell.trimStart().startsWith('['))) return cell;
  const text = trimmed(cell);
  if (!text.startsWith('[')) return element(text, input);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw badInput('INPUT_JSON', 'the cell is not a JSON list', {
      where: placeIn(table, row.at, table.columns[column]),
      hint: 'write it as a list of numbers with commas, in quotes: "[0, 0.5, 1]"',
    });
  }
}

function missing(
  column: number,
  row: TableRow,
  table: Table,
  input: TensorSignature,
  signature: ModelSignature,
): never {
  throw badInput('INPUT_VALUE', `the value is missing; ${inputOf(input, signature.name)} has no default`, {
    where: placeIn(table, row.at, table.columns[column]),
    hint: `fill it in, or give the input a default in model.json: "inputs": {"${input.name}": {"default": 0}}`,
  });
}

/** The error of a refused row in terms of its columns; undefined if no single cell is the cause. */
function namingColumn(
  error: InferError,
  sources: readonly Source[],
  values: readonly unknown[],
  row: TableRow,
  table: Table,
  { name }: ModelSignature,
): InferError | undefined {
  for (const [index, { input, from }] of sources.entries()) {
    if (from === undefined) continue;
    if (from.list) {
      if (sources.length === 1) return ofList(error, table, row, from);
      continue;
    }
    const cells = from.columns.length === 1 ? [values[index]] : (values[index] as unknown[]);
    const encoded = encodeElements(input.type, cells);
    if ('data' in encoded) continue;
    const column = from.columns[encoded.refused] as number;
    const { code, found, takes, hint } = explainElement(cells[encoded.refused], input.type);
    const cell = row.cells[column];
    const comma = typeof cell === 'string' && hasDecimalComma(trimmed(cell));
    return badInput(code, `the cell is ${found}; ${inputOf(input, name)} takes ${takes}`, {
      where: placeIn(table, row.at, table.columns[column]),
      hint: comma ? 'write numbers with a decimal point: 0.5, not 0,5' : hint,
    });
  }
  return undefined;
}

/** The error of a list in one column, which names its element. */
function ofList(error: InferError, table: Table, row: TableRow, { columns }: InputColumns): InferError {
  const place = placeIn(table, row.at);
  const [only = 0] = columns;
  return error.message.startsWith(`${place}: `)
    ? error.reworded(`${placeIn(table, row.at, table.columns[only])}${error.message.slice(place.length)}`)
    : error;
}
