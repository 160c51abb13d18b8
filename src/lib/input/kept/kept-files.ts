import { badInput } from '../../core/errors.js';
import { printable } from '../../core/job.js';
import type { ModelSignature } from '../../model/signature.js';
import type { NamedSource } from '../files/find-files.js';
import { type FileKind, namedError } from '../files/kinds.js';
import { chunksOf } from '../files/read-files.js';
import { type ReadOptions, readInput } from '../read.js';
import { shownName } from '../wanted.js';
import { chosen } from './choose.js';
import type { KeepWish, KeptColumn, KeptRows } from './kept.js';
import { type KeptForm, openKept } from './open-kept.js';

type Options = Pick<ReadOptions, 'format' | 'table' | 'maxBytes' | 'signal' | 'localFiles'>;

/** Name of the column that says which file a row came from. */
const FILE_COLUMN = 'file';

/** Rows in a batch of files that have no columns. */
const BATCH_ROWS = 1000;

/**
 * The columns of several files that are kept next to their predictions, after one that names the file of each row. A column
 * that a file does not have is missing in its rows. Files are opened one after the other.
 * @throws InferError as `openKept`; INPUT_PARQUET if files store a column differently.
 */
export async function openKeptFiles(
  files: readonly NamedSource[],
  kind: FileKind,
  signature: ModelSignature,
  options: Options,
  wish: KeepWish & { form: KeptForm },
): Promise<KeptRows> {
  const fileColumn: KeptColumn = { name: FILE_COLUMN, kind: 'text', depth: 0 };
  const { form } = wish;
  const all = new Map<string, KeptColumn>();
  const open = (file: NamedSource, known?: readonly KeptColumn[], keep?: readonly string[]) =>
    openKept(file.source, signature, options, { form, keep }, known).catch((error: unknown) => {
      throw namedError(error, file.name);
    });
  if (kind !== 'image') {
    for (const file of files) {
      const kept = await open(file);
      await kept.close();
      join(all, kept.columns, file.name);
    }
  }
  const names = [...all.keys()];
  const columns = (names.length === 0 ? [] : chosen(names, wish, 'the input')).map(
    (at) => all.get(names[at] as string) as KeptColumn,
  );
  return {
    columns: [fileColumn, ...columns],
    async *batches() {
      for (const file of files) {
        if (kind === 'image') {
          yield [[file.name]];
          continue;
        }
        const kept = await open(file, [...all.values()]);
        try {
          const from = columns.map(({ name }) => kept.columns.findIndex((column) => column.name === name));
          if (kept.columns.length > 0) {
            for await (const rows of kept.batches())
              yield rows.map((row) => [file.name, ...from.map((at) => (at < 0 ? undefined : row[at]))]);
          } else yield* bare(file, signature, options, columns.length);
        } finally {
          await kept.close();
        }
      }
    },
    close: async () => undefined,
  };
}

/** Rows of a file without columns, such as `.npy`: it is read to count them. */
async function* bare(
  file: NamedSource,
  signature: ModelSignature,
  options: Options,
  columns: number,
): AsyncGenerator<unknown[][], void, undefined> {
  const row = [file.name, ...new Array<undefined>(columns)];
  for await (const { rows } of chunksOf(await readInput(file.source, signature, options))) {
    for (let left = rows; left > 0; left -= BATCH_ROWS)
      yield Array.from({ length: Math.min(left, BATCH_ROWS) }, () => row);
  }
}

function join(all: Map<string, KeptColumn>, columns: readonly KeptColumn[], file: string): void {
  const isFirst = all.size === 0;
  for (const column of columns) {
    const known = all.get(column.name);
    all.set(column.name, known === undefined ? missing(column, !isFirst) : same(known, column, file));
  }
  for (const [name, known] of all)
    if (!columns.some((column) => column.name === name)) all.set(name, missing(known, true));
}

/** A column that some rows may not have. */
function missing(column: KeptColumn, some: boolean): KeptColumn {
  const [root, ...rest] = column.stored ?? [];
  if (!some || root === undefined) return column;
  return { ...column, stored: [{ ...root, repetition_type: 'OPTIONAL' }, ...rest] };
}

/** A column that is in several files. @throws InferError INPUT_PARQUET */
function same(known: KeptColumn, column: KeptColumn, file: string): KeptColumn {
  if (known.stored === undefined || column.stored === undefined) {
    const alike = known.kind === column.kind && known.depth === column.depth;
    return alike ? known : { name: known.name, kind: 'json', depth: 0 };
  }
  const [left, right] = [known, column].map((one) => JSON.stringify(missing(one, true).stored));
  if (left !== right) {
    throw badInput(
      'INPUT_PARQUET',
      `${printable(file)} stores column '${shownName(column.name)}' in another type than the files before it`,
      { hint: `leave it out: --drop ${shownName(column.name)}, or write CSV or NDJSON` },
    );
  }
  return missing(known, JSON.stringify(known.stored) !== JSON.stringify(column.stored));
}
