import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RowMerge } from '../../../src/lib/client/row-merge.js';
import { REORDER_ROWS, rowNumbers } from '../../../src/lib/core/row-place.js';
import type { Chunk } from '../../../src/lib/input/chunk.js';
import { ChunkBuilder, DEFAULT_CHUNKS } from '../../../src/lib/input/chunk-builder.js';
import { readInput } from '../../../src/lib/input/read.js';
import type { ModelSignature } from '../../../src/lib/model/signature.js';
import { floats, input, model, payloads, stream } from './signatures.js';

const ids = model(input('ids', 'int32', [null]));
const scaled = model(input('x', 'float32', [2]), input('scale', 'float32', [], { shared: true }));

interface Built {
  chunks: Chunk[];
  /** Maximum rows, and bytes of them, in chunks not yet handed out. */
  heldRows: number;
  heldBytes: number;
}

function build(signature: ModelSignature, rows: Iterable<unknown>, limits = DEFAULT_CHUNKS): Built {
  const builder = new ChunkBuilder(signature, limits, () => undefined);
  const chunks: Chunk[] = [];
  const bytesOf = (all: readonly Chunk[]) =>
    all.reduce((sum, one) => sum + one.tensors.reduce((more, { data }) => more + data.byteLength, 0), 0);
  let added = 0;
  let addedBytes = 0;
  let out = 0;
  let outBytes = 0;
  const built = { chunks, heldRows: 0, heldBytes: 0 };
  for (const row of rows) {
    builder.addRow(row, ++added, 'refuse');
    addedBytes += Array.isArray(row) ? row.length * 4 : 0;
    const ready = builder.drain();
    out += ready.reduce((sum, chunk) => sum + chunk.rows, 0);
    outBytes += bytesOf(ready);
    chunks.push(...ready);
    built.heldRows = Math.max(built.heldRows, added - out);
    built.heldBytes = Math.max(built.heldBytes, addedBytes - outBytes);
  }
  builder.flush();
  chunks.push(...builder.drain());
  return built;
}

/** Rows numbered by their content, reordered by the reader of groups; and the most it held. */
function merged(chunks: readonly Chunk[]): { order: number[]; held: number } {
  const merge = new RowMerge();
  const order: number[] = [];
  let held = 0;
  let total = 0;
  const take = (pieces: ReturnType<RowMerge['add']>) => {
    for (const piece of pieces) {
      expect(piece.firstRow).toBe(order.length);
      order.push(...((piece.values ?? []) as number[]));
    }
  };
  for (const [index, chunk] of chunks.entries()) {
    total += chunk.rows;
    const place = chunk.place ?? { firstRow: 0 };
    take(merge.add({ index, rows: chunk.rows, place, values: rowNumbers(place, chunk.rows) }));
    held = Math.max(held, merge.held);
  }
  take(merge.end(total));
  return { order, held };
}

const firsts = (chunk: Chunk): number[] => {
  const { data, shape } = chunk.tensors[0] as { data: Uint8Array; shape: number[] };
  const all = new Int32Array(Uint8Array.from(data).buffer);
  return Array.from({ length: chunk.rows }, (_, row) => all[row * (shape[0] as number)] as number);
};

/** Lengths 1 to `most` that look random but are always the same. */
function* lengths(count: number, most: number): Generator<number> {
  let state = 1;
  for (let i = 0; i < count; i++) {
    state = (state * 48_271) % 2_147_483_647;
    yield 1 + (state % most);
  }
}

describe('rows of mixed shapes', () => {
  it('share chunks by shape, each row in exactly one, with its number', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 4, max: 200 }),
        (sizes, chunkRows, chunkBytes) => {
          const rows = sizes.map((size, at) => Array.from({ length: size }, () => at));
          const { chunks } = build(ids, rows, { chunkRows, chunkBytes });
          for (const chunk of chunks) {
            const numbers = rowNumbers(chunk.place ?? { firstRow: 0 }, chunk.rows);
            expect(firsts(chunk)).toEqual(numbers);
            expect(chunk.rows).toBeLessThanOrEqual(chunkRows);
            expect(numbers.every((row) => sizes[row] === chunk.tensors[0]?.shape[0])).toBe(true);
            if (chunk.rows > 1) expect(chunk.tensors[0]?.data.byteLength).toBeLessThanOrEqual(chunkBytes);
          }
          expect(merged(chunks).order).toEqual(rows.map((_, at) => at));
          expect(build(ids, rows, { chunkRows, chunkBytes }).chunks).toEqual(chunks);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('make a few hundred chunks of 20,000 rows in 102 lengths, with few rows held on either side', () => {
    const rows = [...lengths(20_000, 102)].map((size) => new Int32Array(size));
    const { chunks, heldRows } = build(ids, rows);
    expect(chunks.length).toBeLessThan(330);
    expect(heldRows).toBeLessThanOrEqual(REORDER_ROWS + DEFAULT_CHUNKS.chunkRows);
    const { order, held } = merged(chunks);
    expect(order).toHaveLength(20_000);
    expect(order.every((row, at) => row === at)).toBe(true);
    expect(held).toBeLessThanOrEqual(REORDER_ROWS + DEFAULT_CHUNKS.chunkRows);
  });

  it('of a rare shape do not hold up the others, here or at the reader', () => {
    const rows = Array.from({ length: 30_000 }, (_, at) => new Int32Array(at === 5 ? 7 : 3));
    const { chunks, heldRows } = build(ids, rows);
    expect(heldRows).toBeLessThanOrEqual(2 * DEFAULT_CHUNKS.chunkRows);
    const { order, held } = merged(chunks);
    expect(order).toHaveLength(30_000);
    expect(held).toBeLessThanOrEqual(REORDER_ROWS + DEFAULT_CHUNKS.chunkRows);
  });

  it('are bounded by bytes when large, and by number when shapes never repeat', () => {
    const large = Array.from({ length: 100 }, (_, at) => Array<number>(250_000 + at).fill(0));
    const { heldBytes, chunks } = build(ids, large);
    expect(chunks).toHaveLength(100);
    expect(heldBytes).toBeLessThanOrEqual(18 * 1024 * 1024);
    const rows = Array.from({ length: 3000 }, (_, at) => new Int32Array(1 + at));
    const { heldRows } = build(ids, rows);
    expect(heldRows).toBeLessThanOrEqual(1024);
  });

  it('of one shape form consecutive chunks, however many', () => {
    const { chunks } = build(
      ids,
      Array.from({ length: 1000 }, () => [1, 2]),
    );
    expect(chunks.map(({ rows, place }) => [rows, place])).toEqual([
      [256, { firstRow: 0 }],
      [256, { firstRow: 256 }],
      [256, { firstRow: 512 }],
      [232, { firstRow: 768 }],
    ]);
  });

  it('with a shared list that the caller reuses have its value at each row', () => {
    const pairs = model(input('x', 'float32', [1]), input('t', 'float32', [2], { shared: true }));
    const builder = new ChunkBuilder(pairs, DEFAULT_CHUNKS, () => undefined, { copies: true });
    const t = [10, 10];
    builder.addRow({ x: [1], t }, 1, 'refuse');
    t.fill(20);
    builder.addRow({ x: [2], t }, 2, 'refuse');
    builder.flush();
    expect(builder.drain().map((chunk) => floats(chunk, 1))).toEqual([
      [10, 10],
      [20, 20],
    ]);
  });

  it('are grouped by shared value as by shape', () => {
    const rows = Array.from({ length: 10 }, (_, at) => ({ x: [at, at], scale: at % 2 }));
    const { chunks } = build(scaled, rows);
    expect(chunks.map((chunk) => rowNumbers(chunk.place ?? { firstRow: 0 }, chunk.rows))).toEqual([
      [0, 2, 4, 6, 8],
      [1, 3, 5, 7, 9],
    ]);
    expect(chunks.map((chunk) => chunk.tensors[1]?.data.byteLength)).toEqual([4, 4]);
  });

  it('form the same chunks from NDJSON and a JSON document', async () => {
    const rows = [[1], [1, 2], [3], [4, 5, 6], [7, 8], [9]];
    const read = async (text: string) => payloads(await readInput({ stdin: stream(text) }, ids));
    const lines = await read(rows.map((row) => JSON.stringify(row)).join('\n\n'));
    expect(lines.map((chunk: Chunk) => chunk.place)).toEqual([
      { firstRow: 0, steps: [2, 3] },
      { firstRow: 1, steps: [3] },
      { firstRow: 3 },
    ]);
    expect(await read(`${JSON.stringify(rows)}\n`)).toEqual(lines);
  });
});
