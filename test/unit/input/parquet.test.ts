import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { SchemaElement } from 'hyparquet';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { InferError } from '../../../src/lib/core/errors.js';
import type { InputSource } from '../../../src/lib/input/bytes.js';
import { type KeptForm, openKept } from '../../../src/lib/input/kept/open-kept.js';
import { type ReadOptions, readInput } from '../../../src/lib/input/read.js';
import type { ModelSignature } from '../../../src/lib/model/signature.js';
import { concatRows, decodeStrings } from '../../../src/lib/model/tensor.js';
import type { OutputColumn } from '../../../src/lib/output/table/table.js';
import { openTableWriter } from '../../../src/lib/output/table/table-writer.js';
import { floats, input, jsonModel, model, payloads, stream, table } from './signatures.js';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'infer-parquet-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const three = model(input('x', 'float32', [3]));
type Options = Omit<Parameters<typeof parquetWriteBuffer>[0], 'columnData'>;

function file(columnData: ColumnSource[], options: Options = {}): string {
  const path = join(dir, 't.parquet');
  writeFileSync(path, Buffer.from(parquetWriteBuffer({ columnData, ...options })));
  return path;
}

async function read(source: string | InputSource, signature: ModelSignature, options: ReadOptions = {}) {
  const from = typeof source === 'string' ? { path: source } : source;
  return concatRows(await payloads(await readInput(from, signature, options)));
}

async function refusal(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
  } catch (error) {
    const { code, exitCode, message, hint } = error as InferError;
    expect([error, exitCode]).toEqual([expect.objectContaining({ name: 'InferError' }), 65]);
    return `${code} ${message} | ${hint}`;
  }
  return 'no error';
}

const list = (name: string, leaf: Omit<SchemaElement, 'name'>): SchemaElement[] => [
  { name, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', repetition_type: 'OPTIONAL', ...leaf },
];
const schema = (count: number, ...elements: SchemaElement[]): SchemaElement[] => [
  { name: 'root', num_children: count },
  ...elements,
];

const columns = (rows: number): ColumnSource[] => [
  { name: 'id', data: Array.from({ length: rows }, (_, i) => `row ${i}`), type: 'STRING' },
  ...[0, 1, 2].map(
    (at): ColumnSource => ({
      name: `x${at}`,
      data: Float32Array.from({ length: rows }, (_, i) => i * 3 + at),
      type: 'FLOAT',
      nullable: false,
    }),
  ),
];
const counted = (rows: number) => Array.from({ length: rows * 3 }, (_, i) => i);

describe('a Parquet file', () => {
  it.each([
    ['as it is', {}],
    ['in row groups and pages', { rowGroupSize: 70, pageSize: 100 }],
    ['without compression', { codec: 'UNCOMPRESSED' as const }],
    ['with gzip', { codec: 'GZIP' as const, compressors: { GZIP: (bytes: Uint8Array) => gzipSync(bytes) } }],
  ] as [string, Options][])('is read by its columns, %s', async (_, options) => {
    expect(floats(await read(file(columns(500), options), three))).toEqual(counted(500));
  });

  it('is read from a pipe and from gzip data', async () => {
    const bytes = readFileSync(file(columns(10)));
    expect(floats(await read({ stdin: stream(bytes, 7) }, three))).toEqual(counted(10));
    const packed = join(dir, 'p.parquet.gz');
    writeFileSync(packed, gzipSync(bytes));
    expect(floats(await read(packed, three))).toEqual(counted(10));
  });

  it('is read by a list column, whose rows go on from page to page', async () => {
    const rows = Array.from({ length: 300 }, (_, i) => [i * 3, i * 3 + 1, i * 3 + 2]);
    const elements = schema(2, ...list('vector', { type: 'FLOAT' }), {
      name: 'n',
      type: 'INT32',
      repetition_type: 'REQUIRED',
    });
    for (const options of [{}, { pageSize: 60 }, { pageSize: 64, rowGroupSize: 77 }]) {
      const path = file(
        [
          { name: 'vector', data: rows },
          { name: 'n', data: rows.map((_, i) => i) },
        ],
        { schema: elements, ...options },
      );
      expect(floats(await read(path, three))).toEqual(counted(300));
    }
  });

  it('gives text, long integers, decimals and booleans as an input takes them', async () => {
    const path = file([
      { name: 'name', data: ['a', 'ü'], type: 'STRING' },
      { name: 'age', data: [1n, 2n], type: 'INT64' },
    ]);
    const rows = await read(path, table);
    expect([decodeStrings(rows.tensors[1]?.data as Uint8Array), floats(rows)]).toEqual([
      ['a', 'ü'],
      [1, 2],
    ]);
    const wide = await read(file([{ name: 'n', data: [2n ** 60n + 1n] }]), model(input('n', 'int64', [])));
    expect(Buffer.from(wide.tensors[0]?.data as Uint8Array).readBigInt64LE()).toBe(2n ** 60n + 1n);
    const flags = await read(
      file([{ name: 'f', data: [true, false], type: 'BOOLEAN' }]),
      model(input('f', 'float32', [])),
    );
    expect(floats(flags)).toEqual([1, 0]);
  });

  it('gives a model that takes JSON an object of all columns', async () => {
    const path = file([
      { name: 'n', data: [2n ** 60n] },
      { name: 'at', data: [new Date(5)] },
      { name: 't', data: ['x'] },
      { name: 'none', data: [undefined], type: 'INT32' },
    ]);
    const rows = await read(path, jsonModel);
    expect(JSON.parse(decodeStrings(rows.tensors[0]?.data as Uint8Array)[0] ?? '')).toEqual({
      n: '1152921504606846976',
      at: '1970-01-01T00:00:00.005Z',
      t: 'x',
      none: null,
    });
  });

  it.each([
    [
      'a missing value',
      () => file([...columns(3).slice(0, 3), { name: 'x2', data: [1, undefined, 2], type: 'DOUBLE' }]),
      /^INPUT_VALUE t.parquet, row 2, column 'x2': the value is missing/,
    ],
    [
      'text where a number belongs',
      () => file([...columns(2).slice(0, 3), { name: 'x2', data: ['1', 'two'], type: 'STRING' }]),
      /^INPUT_TYPE t.parquet, row 2, column 'x2': the cell is text/,
    ],
    [
      'a missing element',
      () =>
        file(
          [
            {
              name: 'x',
              data: [
                [1, 2, 3],
                [1, null, 3],
              ],
            },
          ],
          { schema: schema(1, ...list('x', { type: 'FLOAT' })) },
        ),
      /^INPUT_VALUE t.parquet, row 2, column 'x': element 2 is null/,
    ],
    [
      'a list that is too short',
      () =>
        file(
          [
            {
              name: 'x',
              data: [
                [1, 2, 3],
                [1, 2],
              ],
            },
          ],
          { schema: schema(1, ...list('x', { type: 'FLOAT' })) },
        ),
      /^INPUT_SHAPE t.parquet, row 2, column 'x': 2 numbers found/,
    ],
    [
      'structs',
      () =>
        file([{ name: 'x', data: [{ a: 1 }] }], {
          schema: schema(
            1,
            { name: 'x', num_children: 1, repetition_type: 'OPTIONAL' },
            { name: 'a', type: 'INT32', repetition_type: 'OPTIONAL' },
          ),
        }),
      /^INPUT_PARQUET column 'x' of t.parquet holds structs or maps, which infer does not read \| write its fields as columns/,
    ],
    [
      'an unknown codec',
      () => replaced(file(columns(2), { codec: 'UNCOMPRESSED' })),
      /^INPUT_PARQUET column 'x0' of t.parquet is compressed with LZO, which infer does not read/,
    ],
    [
      'its end cut off',
      () => cut(file(columns(100)), 10),
      /^INPUT_PARQUET t.parquet is a damaged Parquet file: it is cut short: its end is missing/,
    ],
    [
      'nothing but its beginning',
      () => cut(file(columns(2)), 1e9),
      /^INPUT_PARQUET t.parquet is a damaged Parquet file: it is cut short/,
    ],
    [
      'its beginning cut out',
      () => hole(file(columns(5000))),
      /^INPUT_PARQUET t.parquet is a damaged Parquet file: (row|its footer)/,
    ],
    [
      'no column that fits',
      () => file([{ name: 'a', data: [1.5] }]),
      /^INPUT_NAMES t.parquet has no column for 'x'; .* there are 1 column of numbers among 'a'/,
    ],
    ['no rows', () => file(columns(0)), /^INPUT_EMPTY t.parquet holds no rows/],
  ] as [string, () => string, RegExp][])(
    'is refused with %s, naming row and column',
    async (_, make, expected) => {
      const path = make();
      expect(await refusal(() => read(path, three))).toMatch(expected);
    },
  );

  it('is not assumed for another file', async () => {
    expect(await refusal(() => read({ stdin: stream('[1]') }, three, { format: 'parquet' }))).toMatch(
      /^INPUT_FORMAT standard input is no Parquet file/,
    );
  });

  it('that is damaged anywhere is read or refused: it never crashes, hangs or fills the memory', async () => {
    const bytes = readFileSync(file(columns(200), { rowGroupSize: 50 }));
    const path = join(dir, 't.parquet');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 4, max: bytes.length - 9 }),
        fc.integer({ min: 0, max: 255 }),
        async (at, byte) => {
          const broken = Buffer.from(bytes);
          broken[at] = byte;
          writeFileSync(path, broken);
          await read(path, three).catch((error: InferError) => {
            expect(error.code).toMatch(/^INPUT_/);
            expect(error.message).not.toMatch(/not a function|of undefined|must be|out of range|Invalid/);
          });
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** The codec of every chunk becomes LZO. */
function replaced(path: string): string {
  const bytes = readFileSync(path);
  const footer = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
  // In the metadata of a chunk: field 4, an i32, after the list of names: 0x15 and the zigzag of 0; LZO is 3.
  for (const name of ['x0', 'x1', 'x2', 'id']) {
    const at = bytes.indexOf(Buffer.from(`\x19\x18\x02${name}\x15\x00`, 'latin1'), footer);
    if (at >= 0) bytes[at + 6] = 6;
  }
  writeFileSync(path, bytes);
  return path;
}

function cut(path: string, bytes: number): string {
  const all = readFileSync(path);
  writeFileSync(path, all.subarray(0, Math.max(6, all.length - bytes)));
  return path;
}

function hole(path: string): string {
  const all = readFileSync(path);
  writeFileSync(path, Buffer.concat([all.subarray(0, 100), all.subarray(5000)]));
  return path;
}

describe('the columns of a Parquet file that are kept', () => {
  const micros = 1_700_000_000_123_456n;
  const stored: { element: SchemaElement; value: unknown; shown: unknown }[] = [
    { element: { name: 'text', type: 'BYTE_ARRAY', converted_type: 'UTF8' }, value: 'ü', shown: 'ü' },
    { element: { name: 'day', type: 'INT32', converted_type: 'DATE' }, value: 19_000, shown: '2022-01-08' },
    {
      element: { name: 'at', type: 'INT64', converted_type: 'TIMESTAMP_MICROS' },
      value: micros,
      shown: '2023-11-14T22:13:20.123456Z',
    },
    { element: { name: 'big', type: 'INT64' }, value: 2n ** 62n, shown: '4611686018427387904' },
    {
      element: { name: 'money', type: 'INT32', converted_type: 'DECIMAL', scale: 2, precision: 9 },
      value: -1234n,
      shown: '-12.34',
    },
    { element: { name: 'real', type: 'FLOAT' }, value: Math.fround(0.1), shown: 0.1 },
    { element: { name: 'flag', type: 'BOOLEAN' }, value: true, shown: true },
  ];
  const elements = schema(
    stored.length + 1,
    ...stored.map(({ element }): SchemaElement => ({ repetition_type: 'OPTIONAL', ...element })),
    ...list('tags', { type: 'BYTE_ARRAY', converted_type: 'UTF8' }),
  );
  const data = (): ColumnSource[] => [
    ...stored.map(({ element, value }): ColumnSource => ({ name: element.name, data: [value, null, value] })),
    { name: 'tags', data: [['a', null], null, []] },
  ];
  const anyModel = model(input('real', 'float32', []));

  async function kept(path: string, form: KeptForm) {
    const opened = await openKept({ path }, anyModel, {}, { form });
    const rows: unknown[][] = [];
    for await (const batch of opened.batches()) rows.push(...batch);
    await opened.close();
    return { columns: opened.columns, rows };
  }

  it('are shown in full: time to the microsecond, decimals, long integers', async () => {
    const { rows } = await kept(file(data(), { schema: elements }), 'json');
    expect(rows[0]).toEqual([...stored.map(({ shown }) => shown), ['a', null]]);
    expect(rows[1]).toEqual([...stored.map(() => null), null]);
  });

  it('are written to Parquet again as they are stored, next to other columns', async () => {
    const { columns: before, rows } = await kept(file(data(), { schema: elements }), 'typed');
    const added: OutputColumn[] = [
      { name: 'score', kind: 'float32', depth: 1 },
      { name: 'grid', kind: 'int64', depth: 2 },
      { name: 'answer', kind: 'json', depth: 0 },
    ];
    const parts: Uint8Array[] = [];
    const sink = { write: async (part: string | Uint8Array) => void parts.push(part as Uint8Array) };
    const writer = await openTableWriter('parquet', sink, [...before, ...added]);
    await writer.write(
      rows.map((row, at) => [
        ...row,
        at === 1 ? null : [0.5, 'NaN'],
        [[1], ['9007199254740993']],
        { a: [at] },
      ]),
    );
    await writer.end();
    const path = join(dir, 'again.parquet');
    writeFileSync(path, Buffer.concat(parts));
    const again = await kept(path, 'json');
    expect(again.rows[0]).toEqual([
      ...stored.map(({ shown }) => shown),
      ['a', null],
      [0.5, 'NaN'],
      [[1], ['9007199254740993'].map(String)],
      '{"a":[0]}',
    ]);
    const typed = await kept(path, 'typed');
    expect(typed.rows.map((row) => row.slice(0, before.length))).toEqual(rows);
    const types = (columns: readonly OutputColumn[]) =>
      columns
        .slice(0, before.length)
        .map(({ stored: found }) => found?.map(({ type, converted_type: converted }) => [type, converted]));
    expect(types(typed.columns)).toEqual(types(before));
  });
});

describe('a table in Parquet', () => {
  it('reads back as it was written, whatever its values and however many row groups it has', async () => {
    const value = fc.record({
      text: fc.option(fc.string({ unit: 'grapheme' })),
      real: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
      long: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      list: fc.option(
        fc.array(fc.option(fc.float({ noNaN: true, noDefaultInfinity: true })), { maxLength: 5 }),
      ),
    });
    const added: OutputColumn[] = [
      { name: 'text', kind: 'text', depth: 0 },
      { name: 'real', kind: 'float64', depth: 0 },
      { name: 'long', kind: 'int64', depth: 0 },
      { name: 'list', kind: 'float32', depth: 1 },
    ];
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 30 }), async (rows) => {
        const parts: Uint8Array[] = [];
        const writer = await openTableWriter(
          'parquet',
          { write: async (part) => void parts.push(part as Uint8Array) },
          added,
        );
        await writer.write(rows.map(({ text, real, long, list: items }) => [text, real, long, items]));
        await writer.end();
        const path = join(dir, 'r.parquet');
        writeFileSync(path, Buffer.concat(parts));
        const opened = await openKept(
          { path },
          model(input('real', 'float64', [], { default: 0 })),
          {},
          { form: 'typed' },
        );
        const found: unknown[][] = [];
        for await (const batch of opened.batches()) found.push(...batch);
        await opened.close();
        const plain = found.map(([text, ...others]) => [
          text === null || text === undefined ? null : Buffer.from(text as Uint8Array).toString(),
          ...others.map((one) => one ?? null),
        ]);
        expect(plain).toEqual(rows.map(({ text, real, long, list: items }) => [text, real, long, items]));
      }),
      { numRuns: 100 },
    );
  });
});
