import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../../src/lib/input/bytes.js';
import { openCsv } from '../../../src/lib/input/table/csv.js';
import type { OutputColumn, TableFormat } from '../../../src/lib/output/table/table.js';
import { formatOfName, openTableWriter } from '../../../src/lib/output/table/table-writer.js';

const text = (name: string): OutputColumn => ({ name, kind: 'text', depth: 0 });

async function written(
  format: TableFormat,
  columns: readonly OutputColumn[],
  rows: readonly unknown[][],
): Promise<string> {
  const parts: string[] = [];
  const sink = { write: async (part: string | Uint8Array) => void parts.push(String(part)) };
  const writer = await openTableWriter(format, sink, columns);
  await writer.write(rows);
  await writer.end();
  return parts.join('');
}

/** A reader of a text, split after every `cut` bytes. */
function reader(content: string, cut: number): ByteReader {
  const bytes = Buffer.from(content);
  let at = 0;
  const next = async () => {
    const block = bytes.subarray(at, at + cut);
    at += cut;
    return block.length === 0 ? undefined : block;
  };
  return new ByteReader('t.csv', next, async () => undefined);
}

const cell = fc.oneof(
  fc.string({
    unit: fc.constantFrom('a', ' ', ',', '\t', '"', '\n', '\r', ';', '1', 'é', '😀', '\ufeff'),
    maxLength: 6,
  }),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
);

describe('a table of text', () => {
  it('reads back as it was written, whatever its cells contain and wherever its blocks end', async () => {
    const table = fc
      .integer({ min: 1, max: 4 })
      .chain((width) =>
        fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 6 }),
      );
    await fc.assert(
      fc.asyncProperty(
        table,
        fc.constantFrom<TableFormat>('csv', 'tsv'),
        fc.integer({ min: 1, max: 40 }),
        async (rows, format, cut) => {
          const columns = (rows[0] as string[]).map((_, i) => text(`c ${i}`));
          const content = await written(format, columns, rows);
          const delimiter = format === 'tsv' ? '\t' : ',';
          const opened = await openCsv(
            reader(content, cut),
            { maxBytes: 1e6, delimiter, header: true },
            new Set(),
          );
          const read: unknown[][] = [];
          for await (const batch of opened.batches()) read.push(...batch.map(({ cells }) => cells));
          expect([opened.columns, read]).toEqual([columns.map(({ name }) => name), rows]);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('has lists and objects as JSON, and missing values as nothing', async () => {
    const columns = ['a', 'b', 'c', 'd'].map(text);
    const rows = [
      [[1, [2]], { x: 'y' }, null, undefined],
      [1.5, true, 10n, 'NaN'],
    ];
    expect(await written('csv', columns, rows)).toBe(
      'a,b,c,d\n"[1,[2]]","{""x"":""y""}",,\n1.5,true,10,NaN\n',
    );
    expect(await written('csv', [text('a')], [[null], ['x']])).toBe('a\n""\nx\n');
  });
});

describe('a table in NDJSON', () => {
  it('has one object a line: null for what is missing, no field for what is undefined', async () => {
    const columns = ['a', '__proto__', 'é"'].map(text);
    const rows = [
      [1, 'x', null],
      [undefined, [1], 'y\n'],
    ];
    expect(await written('ndjson', columns, rows)).toBe(
      '{"a":1,"__proto__":"x","é\\"":null}\n{"__proto__":[1],"é\\"":"y\\n"}\n',
    );
  });
});

describe('the format of a table', () => {
  it('is that of its name', () => {
    expect(['a.csv', 'b.TSV', 'c.jsonl', 'd.ndjson', 'e.txt', '-'].map(formatOfName)).toEqual([
      'csv',
      'tsv',
      'ndjson',
      'ndjson',
      undefined,
      undefined,
    ]);
  });
});
