import type { ColumnMetaData, Compressors, SchemaTree } from 'hyparquet';
import type { ParquetColumn } from './columns.js';
import type { RandomFile } from './random-file.js';

type ColumnModule = typeof import('hyparquet/src/column.js');
type AssembleModule = typeof import('hyparquet/src/assemble.js');
type ConvertModule = typeof import('hyparquet/src/convert.js');
type Parsers = ConvertModule['DEFAULT_PARSERS'];

/** hyparquet's parts that decode one page; its public functions decode whole column chunks. */
export interface PageDecoding {
  parquetHeader: ColumnModule['parquetHeader'];
  readPage: ColumnModule['readPage'];
  assembleNested: AssembleModule['assembleNested'];
  convert: ConvertModule['convert'];
  parsers: Parsers;
  compressors: Compressors;
  /** Byte arrays without a type of their own are text. */
  utf8: boolean;
}

/** Bytes in which the header of a page is looked for first; statistics may make it longer. */
const HEADER_BYTES = 8 * 1024;
const MOST_HEADER_BYTES = 16 * 1024 * 1024;
/** Pages have 1 MB as a rule. Some writers make one page of a whole column chunk. */
const MOST_PAGE_BYTES = 512 * 1024 * 1024;
const MOST_PAGE_VALUES = 64 * 1024 * 1024;

/** The values of a column of one row group, a page at a time, so that memory does not grow with the group. */
export class ColumnPages {
  private at: number;
  private readonly end: number;
  private dictionary: ArrayLike<unknown> | undefined;
  /** The last row of the page before, which the next may continue. */
  private open: unknown[] = [];
  private readonly decoder: Parameters<ColumnModule['readPage']>[2];
  private readonly isFlat: boolean;

  constructor(
    private readonly file: RandomFile,
    private readonly column: ParquetColumn,
    path: SchemaTree[],
    meta: ColumnMetaData,
    private readonly decoding: PageDecoding,
  ) {
    const dictionary = Number(meta.dictionary_page_offset ?? 0);
    const data = Number(meta.data_page_offset);
    this.at = dictionary > 0 && dictionary < data ? dictionary : data;
    this.end = this.at + Number(meta.total_compressed_size);
    this.isFlat = column.depth === 0;
    const { compressors, parsers, utf8 } = decoding;
    this.decoder = {
      ...meta,
      pathInSchema: meta.path_in_schema,
      element: column.leaf,
      schemaPath: path,
      compressors,
      parsers,
      utf8,
    } as unknown as typeof this.decoder;
  }

  /** The next rows; undefined at the end. @throws Error of the decoder, RangeError where the file is cut. */
  async next(): Promise<ArrayLike<unknown> | undefined> {
    for (;;) {
      if (this.at >= this.end) {
        const last = this.open;
        this.open = [];
        return last.length === 0 ? undefined : this.finished(last);
      }
      const rows = await this.page();
      if (rows === undefined) continue;
      if (this.isFlat) return rows;
      // The last row may go on in the next page.
      const whole = Array.from(rows);
      this.open = whole.splice(-1);
      if (whole.length > 0) return this.finished(whole);
    }
  }

  private async page(): Promise<ArrayLike<unknown> | undefined> {
    const { header, size } = await this.header();
    const { compressed_page_size: compressed, uncompressed_page_size: uncompressed } = header;
    const values = header.data_page_header?.num_values ?? header.data_page_header_v2?.num_values ?? 0;
    if (!(compressed >= 0) || uncompressed > MOST_PAGE_BYTES || values > MOST_PAGE_VALUES)
      throw new RangeError(`a page of ${uncompressed} bytes`);
    const start = this.at + size;
    const bytes = await this.file.bytes(start, start + compressed);
    if (bytes.length < compressed) throw new RangeError('the file ends within a page');
    this.at = start + compressed;
    const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
    const dictionary = this.dictionary as Parameters<ColumnModule['readPage']>[3];
    const before = this.isFlat ? undefined : (this.open as Parameters<ColumnModule['readPage']>[4]);
    const { data } = this.decoding.readPage(reader, header, this.decoder, dictionary, before, 0);
    if (header.type === 'DICTIONARY_PAGE') {
      if (data !== undefined) this.dictionary = this.decoding.convert(data, this.decoder);
      return undefined;
    }
    return data as ArrayLike<unknown> | undefined;
  }

  private async header() {
    for (let size = HEADER_BYTES; ; size *= 8) {
      const bytes = await this.file.bytes(this.at, this.at + size);
      const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
      try {
        const header = this.decoding.parquetHeader(reader);
        return { header, size: reader.offset };
      } catch (error) {
        // Of a longer header.
        if (!(error instanceof RangeError) || bytes.length < size || size > MOST_HEADER_BYTES) throw error;
      }
    }
  }

  /** Lists without the levels of the schema between them. */
  private finished(rows: unknown[]): ArrayLike<unknown> {
    const { tree } = this.column;
    if (tree.children.length === 0) return rows;
    const path = (this.decoder as unknown as { pathInSchema: string[] }).pathInSchema;
    const columns = new Map<string, unknown[]>([[path.join('.'), rows]]);
    this.decoding.assembleNested(
      columns as Parameters<AssembleModule['assembleNested']>[0],
      tree,
      this.decoding.parsers,
    );
    return columns.get(tree.path.join('.')) ?? [];
  }
}
