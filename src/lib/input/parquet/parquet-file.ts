import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { Compressors, FileMetaData, SchemaElement, SchemaTree } from 'hyparquet';
import { badInput, InferError } from '../../core/errors.js';
import { shownName } from '../wanted.js';
import { ColumnPages, type PageDecoding } from './column-pages.js';
import { columnsOf, type ParquetColumn } from './columns.js';
import { RandomFile } from './random-file.js';

/** The footer of a file is held completely; that of 100,000 column chunks takes some 20 MB. */
const MOST_FOOTER_BYTES = 256 * 1024 * 1024;
const CODECS = new Set(['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI', 'ZSTD', 'LZ4', 'LZ4_RAW']);

/** `values`: as numbers, text, dates. `stored`: as they are in the file, to be written again unchanged. */
export type ValueReading = 'values' | 'stored';

/** A Parquet file whose rows are read in order, in memory that does not grow with it. */
export class ParquetFile {
  private constructor(
    readonly label: string,
    private readonly file: RandomFile,
    private readonly metadata: FileMetaData,
    private readonly root: SchemaTree,
    readonly columns: readonly ParquetColumn[],
  ) {}

  /** @throws InferError INPUT_PARQUET (65) */
  static async open(path: string, label: string): Promise<ParquetFile> {
    const file = await RandomFile.open(path);
    try {
      const { parquetSchema } = await import('hyparquet');
      const metadata = await footerOf(file, label);
      const root = parquetSchema(metadata);
      return new ParquetFile(label, file, metadata, root, columnsOf(root));
    } catch (error) {
      await file.close();
      throw error instanceof InferError ? error : damaged(label, 'its footer cannot be read', error);
    }
  }

  get rows(): number {
    return Number(this.metadata.num_rows);
  }

  close(): Promise<void> {
    return this.file.close();
  }

  /**
   * The rows as arrays of the cells of some columns, in pieces. A missing value is null or undefined.
   * @throws InferError INPUT_PARQUET (65) naming row and column
   */
  async *read(
    columns: readonly ParquetColumn[],
    reading: ValueReading,
  ): AsyncGenerator<unknown[][], void, undefined> {
    this.checkCodecs(columns);
    const decoding = await pageDecoding(reading);
    let before = 0;
    for (const group of this.metadata.row_groups) {
      const rows = Number(group.num_rows);
      const sources = columns.map((column) => this.pagesOf(column, group, decoding, reading));
      const buffers = columns.map(() => ({ values: [] as ArrayLike<unknown>, at: 0 }));
      for (let done = 0; done < rows; ) {
        let count = rows - done;
        for (const [index, buffer] of buffers.entries()) {
          if (buffer.at === buffer.values.length) {
            const name = columns[index]?.name ?? '';
            buffer.values = await this.next(sources[index] as ColumnPages, name, before + done);
            buffer.at = 0;
          }
          count = Math.min(count, buffer.values.length - buffer.at);
        }
        yield Array.from({ length: count }, (_, row) => buffers.map(({ values, at }) => values[at + row]));
        for (const buffer of buffers) buffer.at += count;
        done += count;
      }
      before += rows;
    }
  }

  private async next(source: ColumnPages, column: string, row: number): Promise<ArrayLike<unknown>> {
    const where = `row ${row + 1}, column '${shownName(column)}'`;
    let values: ArrayLike<unknown> | undefined;
    try {
      do values = await source.next();
      while (values?.length === 0);
    } catch (error) {
      if (error instanceof InferError) throw error;
      if (
        error instanceof TypeError &&
        (error as NodeJS.ErrnoException).code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
      )
        throw badInput('INPUT_ENCODING', 'text is not valid UTF-8', {
          where: `${this.label}, ${where} or after`,
          hint: 'write the column as UTF-8, or leave it out: --drop',
        });
      throw damaged(this.label, `${where}: its values cannot be decoded`, error);
    }
    if (values === undefined) throw damaged(this.label, `${where}: the column ends before its row group`);
    return values;
  }

  private pagesOf(
    column: ParquetColumn,
    group: FileMetaData['row_groups'][number],
    decoding: PageDecoding,
    reading: ValueReading,
  ): ColumnPages {
    const chunk = group.columns.find(({ meta_data: meta }) => meta?.path_in_schema[0] === column.name);
    if (chunk?.meta_data === undefined || chunk.file_path)
      throw damaged(this.label, `column '${shownName(column.name)}' is not in the file`);
    const stored = reading === 'stored' ? storedColumn(column) : column;
    const path = [this.root, ...pathTo(stored.tree)];
    return new ColumnPages(this.file, stored, path, chunk.meta_data, decoding);
  }

  private checkCodecs(columns: readonly ParquetColumn[]): void {
    const names = new Set(columns.map(({ name }) => name));
    for (const { columns: chunks } of this.metadata.row_groups) {
      for (const { meta_data: meta } of chunks) {
        const [name] = meta?.path_in_schema ?? [];
        if (meta === undefined || name === undefined || !names.has(name) || CODECS.has(meta.codec)) continue;
        throw badInput(
          'INPUT_PARQUET',
          `column '${shownName(name)}' of ${this.label} is compressed with ${shownName(String(meta.codec ?? 'an unknown codec'))}, which infer does not read`,
          {
            hint: 'write it again with zstd, snappy, gzip, brotli, lz4 or none',
          },
        );
      }
    }
  }
}

async function footerOf(file: RandomFile, label: string): Promise<FileMetaData> {
  const end = await file.bytes(Math.max(0, file.byteLength - 8), file.byteLength);
  const magic = Buffer.from(end.subarray(-4)).toString('latin1');
  if (magic === 'PARE') {
    throw badInput('INPUT_PARQUET', `${label} is encrypted`, { hint: 'decrypt it first' });
  }
  if (file.byteLength < 12 || magic !== 'PAR1') throw damaged(label, 'it is cut short: its end is missing');
  const size = new DataView(end.buffer, end.byteOffset).getUint32(end.length - 8, true);
  if (size > file.byteLength - 12) throw damaged(label, 'it is cut short: its footer is incomplete');
  if (size > MOST_FOOTER_BYTES)
    throw badInput('INPUT_TOO_LARGE', `the footer of ${label} has ${size} bytes`, {
      hint: 'write it again with fewer row groups or columns',
    });
  const { parquetMetadataAsync } = await import('hyparquet');
  const slice = async (start: number, stop = file.byteLength) =>
    (await file.bytes(start, stop)).buffer as ArrayBuffer;
  return parquetMetadataAsync(
    { byteLength: file.byteLength, slice },
    { geoparquet: false, initialFetchSize: size + 8 },
  );
}

/** The nodes from a column down to its values. */
function pathTo(tree: SchemaTree): SchemaTree[] {
  const [child] = tree.children;
  return child === undefined ? [tree] : [tree, ...pathTo(child)];
}

/** A column whose values are read as they are stored: the conversions of its type are left out. */
function storedColumn(column: ParquetColumn): ParquetColumn {
  const bare = (tree: SchemaTree): SchemaTree =>
    tree.children.length === 0
      ? { ...tree, element: bareElement(tree.element) }
      : { ...tree, children: tree.children.map(bare) };
  return { ...column, tree: bare(column.tree), leaf: bareElement(column.leaf) };
}

export function bareElement({
  converted_type: _c,
  logical_type: _l,
  ...element
}: SchemaElement): SchemaElement {
  return element;
}

async function pageDecoding(reading: ValueReading): Promise<PageDecoding> {
  const [column, assemble, convert, { compressors, decompressZstd }] = await Promise.all([
    import('hyparquet/src/column.js'),
    import('hyparquet/src/assemble.js'),
    import('hyparquet/src/convert.js'),
    import('hyparquet-compressors'),
  ]);
  const strict = new TextDecoder('utf-8', { fatal: true });
  // Those of Node are faster; all are held to the size that the page has by its header.
  const native: Compressors = {
    ...compressors,
    GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, length) }),
    BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, length) }),
    ZSTD: (input, length) => decompressZstd(input, new Uint8Array(length)),
  };
  return {
    parquetHeader: column.parquetHeader,
    readPage: column.readPage,
    assembleNested: assemble.assembleNested,
    convert: convert.convert,
    compressors: native,
    utf8: reading === 'values',
    parsers: {
      ...convert.DEFAULT_PARSERS,
      stringFromBytes: (bytes: Uint8Array) => bytes && strict.decode(bytes),
      // Of INT96, the only type that is converted although nothing says so.
      ...(reading === 'stored'
        ? { timestampFromNanoseconds: (nanos: bigint) => nanos as unknown as Date }
        : {}),
    },
  };
}

function damaged(label: string, what: string, cause?: unknown): InferError {
  // The words of a failed assumption in the library's code say nothing about the file.
  const isSaid = cause instanceof Error && !(cause instanceof TypeError || cause instanceof RangeError);
  const why = isSaid ? ` (${shownName(cause.message)})` : '';
  return badInput('INPUT_PARQUET', `${label} is a damaged Parquet file: ${what}${why}`, {
    hint: 'copy or write it again; parquet-tools or pyarrow.parquet.read_table(FILE) check it',
  });
}
