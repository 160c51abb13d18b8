import { readdirSync, readSync } from 'node:fs';
import { tmpdir } from 'node:os';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { Arena } from '../../../src/lib/model/arena.js';
import { type Payload, sliceRows } from '../../../src/lib/model/tensor.js';
import { packPayloads, unpackPayload } from '../../../src/lib/model/wire.js';

const KB = 1024;

function payload(rows: number, bytesPerRow: number, seed: number): Payload {
  const data = Uint8Array.from({ length: rows * bytesPerRow }, (_, i) => (i * 31 + seed) % 251);
  return { rows, tensors: [{ name: 'x', type: 'uint8', shape: [bytesPerRow], data }] };
}

const opened: Arena[] = [];
afterEach(() => {
  for (const arena of opened.splice(0)) arena.close();
});

function open(bytes: number): Arena {
  const arena = Arena.open(bytes, tmpdir());
  if (arena === undefined) throw new Error('no arena here');
  opened.push(arena);
  return arena;
}

const reader = (arena: Arena) => (into: Buffer, at: number, from: number, bytes: number) => {
  readSync(arena.fd, into, at, bytes, from);
};

describe.runIf(process.platform === 'linux')('the arena', () => {
  it('transfers staged rows to the other side without sending their bytes through the pipe', () => {
    const arena = open(1024 * KB);
    const [a, b] = [payload(2, 40 * KB, 1), payload(3, 40 * KB, 2)];
    for (const one of [a, b]) arena.stage(one);
    const run = [sliceRows(a, 1, 2), sliceRows(b, 0, 2)];
    const packed = packPayloads(run);
    expect(packed.parts).toEqual([]);
    const [tensor] = unpackPayload(packed.payload, Buffer.alloc(0), reader(arena)).tensors;
    const wanted = Buffer.concat(run.map((part) => part.tensors[0]?.data as Uint8Array));
    expect(Buffer.compare(tensor?.data as Uint8Array, wanted)).toBe(0);
  });

  it('leaves small tensors to the pipe, and a whole run when one tensor does not fit', () => {
    const arena = open(100 * KB);
    const [small, large, late] = [payload(1, 2 * KB, 1), payload(1, 60 * KB, 2), payload(1, 60 * KB, 3)];
    for (const one of [small, large, late]) arena.stage(one);
    expect([small, large, late].map((one) => one.tensors[0]?.staged)).toEqual([undefined, 0, undefined]);
    const { payload: wire, parts } = packPayloads([large, late]);
    expect(wire.tensors[0]?.staged).toBeUndefined();
    expect(parts.reduce((sum, part) => sum + part.byteLength, 0)).toBe(120 * KB);
  });

  const at = (one: Payload) => one.tensors[0]?.staged;

  it('hands out successive ranges, and reuses one only after it was released', () => {
    const arena = open(128 * KB);
    const [a, b, c, d] = Array.from({ length: 4 }, (_, i) => payload(1, 32 * KB, i)) as [
      Payload,
      Payload,
      Payload,
      Payload,
    ];
    for (const one of [a, b, c, d]) arena.stage(one);
    expect([a, b, c, d].map(at)).toEqual([0, 32 * KB, 64 * KB, 96 * KB]);
    const late = payload(1, 32 * KB, 9);
    arena.stage(late);
    expect(at(late)).toBeUndefined();
    arena.release(b);
    // Released once, however often it is requested; another may have the range by then.
    arena.release(b);
    arena.stage(late);
    arena.release(b);
    const later = payload(1, 32 * KB, 10);
    arena.stage(later);
    expect([at(late), at(later)]).toEqual([32 * KB, undefined]);
    // What is already staged stays in place.
    arena.stage(late);
    expect(at(late)).toBe(32 * KB);
  });

  it.each([
    ['first to last', [0, 1, 2]],
    ['last to first', [2, 1, 0]],
    ['the middle last', [0, 2, 1]],
    ['the middle first', [1, 0, 2]],
  ])('merges adjacent released ranges, %s', (_, order) => {
    const arena = open(96 * KB);
    const all = Array.from({ length: 3 }, (_, i) => payload(1, 32 * KB, i));
    for (const one of all) arena.stage(one);
    for (const i of order) arena.release(all[i] as Payload);
    const whole = payload(1, 96 * KB, 9);
    arena.stage(whole);
    expect(at(whole)).toBe(0);
    const more = payload(1, 32 * KB, 10);
    arena.stage(more);
    expect(at(more)).toBeUndefined();
  });

  it('never gives the same bytes to two payloads, and is all free in the end', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 32, max: 90 }), fc.boolean()), { maxLength: 40 }),
        (steps) => {
          const arena = open(256 * KB);
          const live: Payload[] = [];
          for (const [kb, free] of steps) {
            if (free && live.length > 0) {
              arena.release(live.splice(kb % live.length, 1)[0] as Payload);
              continue;
            }
            const one = payload(1, kb * KB, kb);
            arena.stage(one);
            if (one.tensors[0]?.staged !== undefined) live.push(one);
          }
          const ranges = live
            .map(
              (one) => [one.tensors[0]?.staged as number, one.tensors[0]?.data.byteLength as number] as const,
            )
            .sort((x, y) => x[0] - y[0]);
          for (const [i, [from, bytes]] of ranges.entries()) {
            expect(from + bytes).toBeLessThanOrEqual(ranges[i + 1]?.[0] ?? 256 * KB);
          }
          for (const one of live) arena.release(one);
          const whole = payload(1, 256 * KB, 9);
          arena.stage(whole);
          expect(whole.tensors[0]?.staged).toBe(0);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('has no name in the file system', () => {
    open(64 * KB);
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`infer-${process.pid}-`))).toEqual([]);
  });

  it('is unavailable without a memory file system, or without space in it', () => {
    expect(Arena.open(KB, '/nowhere')).toBeUndefined();
    expect(Arena.open(2 ** 50, tmpdir())).toBeUndefined();
  });
});
