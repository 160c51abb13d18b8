import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { gzipSink } from '../../../src/lib/output/gzip-sink.js';
import type { Sink } from '../../../src/lib/output/sink.js';

function target(fails?: Error) {
  const parts: Buffer[] = [];
  const calls: string[] = [];
  const sink: Sink = {
    partial: 'x.part',
    write: async (data) => {
      if (fails !== undefined) throw fails;
      parts.push(Buffer.from(data as Uint8Array));
    },
    commit: async () => void calls.push('commit'),
    discard: async () => void calls.push('discard'),
  };
  return { sink, parts, calls };
}

/** Text that gzip cannot make small. */
const block = (seed: number) =>
  Array.from({ length: 20_000 }, (_, i) => Math.sin(seed + i).toString(36)).join('');

describe('a packed sink', () => {
  it('writes gzip data, and is complete when it is committed', async () => {
    const { sink, parts, calls } = target();
    const packed = gzipSink(sink);
    expect(packed.partial).toBe('x.part');
    for (let i = 0; i < 4; i++) await packed.write(block(i));
    await packed.write(Buffer.from('end'));
    await packed.commit();
    expect(gunzipSync(Buffer.concat(parts)).toString()).toBe(`${[0, 1, 2, 3].map(block).join('')}end`);
    expect(calls).toEqual(['commit']);
  });

  it('throws the error of its target, and then discards it', async () => {
    const full = new Error('no space');
    const { sink, calls } = target(full);
    const packed = gzipSink(sink);
    const writing = async () => {
      for (let i = 0; i < 40; i++) await packed.write(block(i));
      await packed.commit();
    };
    await expect(writing()).rejects.toBe(full);
    await packed.discard();
    expect(calls).toEqual(['discard']);
  });
});
