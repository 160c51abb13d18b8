import { EventEmitter } from 'node:events';
import type { FastifyReply } from 'fastify';
import { describe, expect, it } from 'vitest';
import { BodyMemory } from '../../../src/lib/serve/http/body-memory.js';
import { holdResults } from '../../../src/lib/serve/http/result-memory.js';
import { thrown } from '../../support/thrown.js';

const KB = 1024;
const memory = () => new BodyMemory(1000 * KB, 'large results');

/** A request, and the end of its response. */
const hold = (of: BodyMemory) => {
  const raw = new EventEmitter();
  return { held: holdResults({ raw } as unknown as FastifyReply, of), close: () => raw.emit('close') };
};
const codeOf = (work: () => void) => thrown(work).code;

describe('the memory for the results of a request', () => {
  it('counts from 64 KB on, all of them together, until the response is over', () => {
    const all = memory();
    const { held, close } = hold(all);
    held.take(40 * KB);
    expect(all.bytes).toBe(0);
    held.take(40 * KB);
    expect(all.bytes).toBe(80 * KB);
    held.take(1);
    expect(all.bytes).toBe(80 * KB + 1);
    close();
    expect(all.bytes).toBe(0);
    // What still arrives for a caller that has left is discarded.
    held.take(500 * KB);
    expect(all.bytes).toBe(0);
  });

  it('refuses what has no room beside others, and reserves nothing for it', () => {
    const all = memory();
    const one = hold(all);
    const other = hold(all);
    one.held.take(600 * KB);
    expect(codeOf(() => other.held.take(500 * KB))).toBe('BODIES_FULL');
    expect(codeOf(() => other.held.check(500 * KB))).toBe('BODIES_FULL');
    expect(all.bytes).toBe(600 * KB);
    other.held.take(300 * KB);
    expect(codeOf(() => other.held.take(200 * KB))).toBe('BODIES_FULL');
    one.close();
    other.held.take(200 * KB);
    expect(all.bytes).toBe(500 * KB);
  });

  it('has room for results of one request alone, however large', () => {
    const all = memory();
    const { held } = hold(all);
    held.take(3000 * KB);
    held.take(3000 * KB);
    expect(all.bytes).toBe(6000 * KB);
  });

  it('counts chunks of a group while they are ahead of its reader, which may be few', () => {
    const all = memory();
    const { held, close } = hold(all);
    expect(held.chunks.hasRoom).toBe(false);
    const large = new BodyMemory(3 * 1024 * KB, 'large results');
    const reader = hold(large);
    expect(reader.held.chunks.hasRoom).toBe(true);
    for (let i = 0; i < 3; i++) reader.held.chunks.took(900 * KB);
    expect([large.bytes, reader.held.chunks.hasRoom]).toEqual([2700 * KB, false]);
    reader.held.chunks.gave(900 * KB);
    expect([large.bytes, reader.held.chunks.hasRoom]).toEqual([1800 * KB, true]);
    reader.close();
    reader.held.chunks.took(900 * KB);
    expect(large.bytes).toBe(0);
    close();
  });

  it('counts a response that is larger than its result, and does not refuse it', () => {
    const all = memory();
    const one = hold(all);
    const other = hold(all);
    one.held.take(900 * KB);
    other.held.take(10 * KB);
    other.held.sends(20 * KB);
    expect(all.bytes).toBe(900 * KB);
    other.held.sends(300 * KB);
    expect(all.bytes).toBe(1200 * KB);
    one.held.sends(100 * KB);
    expect(all.bytes).toBe(1200 * KB);
    other.close();
    expect(all.bytes).toBe(900 * KB);
  });
});
