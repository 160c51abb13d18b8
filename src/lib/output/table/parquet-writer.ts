import type { SchemaElement } from 'hyparquet';
import type { ByteWriter, ColumnSource, ParquetWriter as Library } from 'hyparquet-writer';
import type { Sink } from '../sink.js';
import type { CellKind, OutputColumn, TableWriter } from './table.js';

/** A row group is held completely before it is written: so many rows, or about so many bytes. */
const GROUP_ROWS = 50_000;
const GROUP_BYTES = 16 * 1024 * 1024;

const ELEMENTS: Record<CellKind, Omit<SchemaElement, 'name'>> = {
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } },
  json: { type: 'BYTE_ARRAY', converted_type: 'JSON' },
  boolean: { type: 'BOOLEAN' },
  int32: { type: 'INT32' },
  int64: { type: 'INT64' },
  float32: { type: 'FLOAT' },
  float64: { type: 'DOUBLE' },
};

/** A Parquet file, compressed with Snappy, written one row group at a time. */
export class ParquetTableWriter implements TableWriter {
  private rows: unknown[][] = [];
  private bytes = 0;
  private readonly cellsOf: ((value: unknown) => unknown)[];

  private constructor(
    private readonly sink: Pick<Sink, 'write'>,
    private readonly columns: readonly OutputColumn[],
    private readonly writer: ByteWriter,
    private readonly library: Library,
  ) {
    this.cellsOf = columns.map(({ kind, stored }) =>
      stored === undefined ? cellOf(kind) : (value) => value ?? null,
    );
  }

  static async open(
    sink: Pick<Sink, 'write'>,
    columns: readonly OutputColumn[],
  ): Promise<ParquetTableWriter> {
    const { ByteWriter, ParquetWriter } = await import('hyparquet-writer');
    const writer = new ByteWriter();
    // Values that are written as they were stored need no conversion, which the types would ask for.
    const schema = schemaOf(columns, true);
    const library = new ParquetWriter({ writer, schema, createdBy: 'infer' });
    return new ParquetTableWriter(sink, columns, writer, library);
  }

  async write(rows: readonly unknown[][]): Promise<void> {
    for (const row of rows) {
      this.rows.push(row);
      for (const cell of row) this.bytes += sizeOf(cell);
      if (this.rows.length >= GROUP_ROWS || this.bytes >= GROUP_BYTES) await this.flush();
    }
  }

  async end(): Promise<void> {
    await this.flush();
    this.library.schema = schemaOf(this.columns, false);
    await this.library.finish();
    await this.send();
  }

  private async flush(): Promise<void> {
    const { rows } = this;
    if (rows.length === 0) return;
    this.rows = [];
    this.bytes = 0;
    const columnData: ColumnSource[] = this.columns.map(({ name, stored }, index) => {
      const cell = this.cellsOf[index] as (value: unknown) => unknown;
      return {
        name,
        data: rows.map((row) => cell(row[index])),
        // Their order is that of a type which is not known here.
        ...(stored === undefined ? {} : { statistics: false }),
      };
    });
    await this.library.write({ columnData, rowGroupSize: rows.length });
    await this.send();
  }

  private async send(): Promise<void> {
    const bytes = this.writer.getBytes().slice();
    this.writer.index = 0;
    if (bytes.length > 0) await this.sink.write(bytes);
  }
}

function schemaOf(columns: readonly OutputColumn[], bare: boolean): SchemaElement[] {
  const elements = columns.flatMap((column) => {
    if (column.stored === undefined) return elementsOf(column);
    return bare ? column.stored.map(bareLeaf) : column.stored;
  });
  return [{ name: 'schema', num_children: columns.length }, ...elements];
}

/** The leaf of a stored column without its logical type; groups keep theirs, which says that they are lists. */
function bareLeaf(element: SchemaElement): SchemaElement {
  if (element.type === undefined) return element;
  const { converted_type: _c, logical_type: _l, ...bare } = element;
  return bare;
}

function elementsOf({ name, kind, depth }: Pick<OutputColumn, 'name' | 'kind' | 'depth'>): SchemaElement[] {
  if (depth === 0) return [{ name, ...ELEMENTS[kind], repetition_type: 'OPTIONAL' }];
  return [
    {
      name,
      repetition_type: 'OPTIONAL',
      num_children: 1,
      converted_type: 'LIST',
      logical_type: { type: 'LIST' },
    },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    ...elementsOf({ name: 'element', kind, depth: depth - 1 }),
  ];
}

function cellOf(kind: CellKind): (value: unknown) => unknown {
  const one = CELLS[kind];
  const deep = (value: unknown): unknown =>
    value === null || value === undefined
      ? null
      : Array.isArray(value) && kind !== 'json'
        ? value.map(deep)
        : one(value);
  return deep;
}

/** Values as JSON has them: numbers that it does not have are text. */
const CELLS: Record<CellKind, (value: unknown) => unknown> = {
  text: (value) => (typeof value === 'string' ? value : JSON.stringify(value)),
  json: (value) => value,
  boolean: (value) => value,
  int32: Number,
  int64: (value) => BigInt(value as string | number | bigint),
  float32: Number,
  float64: Number,
};

function sizeOf(cell: unknown): number {
  if (typeof cell === 'string') return cell.length + 16;
  if (cell instanceof Uint8Array) return cell.length + 64;
  if (Array.isArray(cell)) return cell.reduce<number>((sum, item) => sum + sizeOf(item), 32);
  return 8;
}
