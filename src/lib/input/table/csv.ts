import { count } from '../../core/counts.js';
import { badInput } from '../../core/errors.js';
import type { ByteReader } from '../bytes.js';
import { decimal, trimmed } from './cells.js';
import { CsvRows } from './csv-rows.js';
import { findDelimiter, likelyDelimiter } from './dialect.js';
import { columnNames, isHeader, madeUpName } from './header.js';
import { placeIn, type Table, type TableOptions, type TableRow } from './table.js';

/** Enough for the delimiter, and for a header of some thousand columns. */
const LOOKED_AT = 64 * 1024;
/** Rows whose cells tell which columns hold numbers. */
const SAMPLE_ROWS = 100;

interface CsvLimits {
  /** Maximum bytes of one row. */
  maxBytes: number;
}

/**
 * Opens a table of separated values: RFC 4180, with any of four delimiters and line ends. Empty lines are
 * skipped. Memory holds a block and its rows.
 * @param known names of inputs and of columns that a header may contain
 * @throws InferError INPUT_TABLE, INPUT_ENCODING, INPUT_TOO_LARGE (65) for the first rows; for later ones
 *   from `batches`.
 */
export async function openCsv(
  reader: ByteReader,
  options: TableOptions & CsvLimits,
  known: ReadonlySet<string>,
): Promise<Table> {
  const { label } = reader;
  const delimiter = options.delimiter ?? (await delimiterOf(reader, options.maxBytes));
  const rows = new CsvRows(reader, delimiter, options.maxBytes);
  const early: TableRow[] = [];
  let failure: unknown;
  try {
    // The second row helps to tell a header from a row.
    while (early.length < 2) {
      const batch = await rows.next();
      if (batch === undefined) break;
      early.push(...batch);
    }
  } catch (error) {
    failure = error;
  }
  const texts = early.map(({ cells }) => cells as string[]);
  const [first] = texts;
  if (first === undefined) {
    throw (
      failure ??
      badInput('INPUT_EMPTY', `${label} holds nothing but blank lines`, { hint: 'give one row or more' })
    );
  }
  const named = options.header ?? isHeader(first, texts[1], known);
  const columns = named ? columnNames(first, label) : first.map((_, index) => madeUpName(index));
  const body = named ? early.slice(1) : early;
  const table = { label, unit: 'line' as const, columns, named, rows: undefined };
  const numeric = columns.map((_, column) => isNumeric(texts.slice(named ? 1 : 0, SAMPLE_ROWS), column));
  async function* batches(): AsyncGenerator<TableRow[], void, undefined> {
    yield* checked(body, table);
    if (failure !== undefined) throw failure;
    for (let batch = await rows.next(); batch !== undefined; batch = await rows.next())
      yield* checked(batch, table);
  }
  return { ...table, numeric, batches };
}

/** The rows of a batch up to the first that has another number of cells than there are columns. */
function* checked(
  batch: TableRow[],
  table: Pick<Table, 'label' | 'unit' | 'columns' | 'named'>,
): Generator<TableRow[]> {
  const wanted = table.columns.length;
  const odd = batch.findIndex(({ cells }) => cells.length !== wanted);
  const good = odd < 0 ? batch : batch.slice(0, odd);
  if (good.length > 0) yield good;
  const row = batch[odd];
  if (row === undefined) return;
  const cells = row.cells.length;
  throw badInput(
    'INPUT_TABLE',
    `${count(cells)} cell${cells === 1 ? '' : 's'} found where the ${table.named ? 'header' : 'first line'} has ${count(wanted)}`,
    {
      where: placeIn(table, row.at),
      hint:
        cells > wanted
          ? 'put a cell that contains the delimiter in double quotes, or name another one: --delimiter'
          : 'complete that line; if its cells are separated by something else, name it: --delimiter',
    },
  );
}

function isNumeric(rows: readonly string[][], column: number): boolean {
  const cells = rows.map((row) => trimmed(row[column] ?? '')).filter((cell) => cell !== '');
  return cells.length > 0 && cells.every((cell) => decimal(cell) !== undefined);
}

async function delimiterOf(reader: ByteReader, maxBytes: number): Promise<string> {
  for (let most = LOOKED_AT; ; most *= 4) {
    const look = await reader.exactly(Math.min(most, maxBytes));
    reader.unread(look);
    const complete = look.length < most;
    // The last line may be incomplete.
    const end = look.lastIndexOf(0x0a);
    if (end <= 0 && !complete && most < maxBytes) continue;
    const text = look.toString('utf8');
    const found = findDelimiter(
      complete || end <= 0 ? text : text.slice(0, text.lastIndexOf('\n') + 1),
      complete,
    );
    return found ?? likelyDelimiter(text);
  }
}
