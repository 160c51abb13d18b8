import { describe, expect, it } from 'vitest';
import { KeptTokenizers } from '../../../src/lib/prepare/kept-tokenizers.js';

/** Opens tokenizers of these sizes, by key, and tells which stay loaded. */
async function keptOf(sizes: Record<string, number>, used: readonly string[] = []): Promise<string[]> {
  const kept = new KeptTokenizers<string>();
  for (const [key, chars] of Object.entries(sizes)) {
    await kept.open(key, 'x'.repeat(chars), async () => `tokenizer ${key}`);
    for (const one of used) kept.get(one);
  }
  return Object.keys(sizes).filter((key) => kept.get(key) === `tokenizer ${key}`);
}

describe('tokenizers of a preparing process', () => {
  it('stay loaded, but not more than the three that were used last', async () => {
    expect(await keptOf({ a: 1, b: 1, c: 1 })).toEqual(['a', 'b', 'c']);
    expect(await keptOf({ a: 1, b: 1, c: 1, d: 1 })).toEqual(['b', 'c', 'd']);
    expect(await keptOf({ a: 1, b: 1, c: 1, d: 1 }, ['a'])).toEqual(['a', 'c', 'd']);
  });

  it('stay loaded only as far as their vocabularies fit into its memory', async () => {
    // As large as one of 250,000 pieces.
    const large = 8_000_000;
    expect(await keptOf({ a: large, b: large })).toEqual(['a', 'b']);
    expect(await keptOf({ a: large, b: large, c: large })).toEqual(['b', 'c']);
    expect(await keptOf({ a: 1, b: large, c: 40_000_000 })).toEqual(['c']);
  });

  it('make room before the next is opened', async () => {
    const kept = new KeptTokenizers<string>();
    await kept.open('a', 'x'.repeat(15_000_000), async () => 'a');
    await kept.open('b', 'x'.repeat(15_000_000), async () => {
      expect(kept.get('a')).toBeUndefined();
      return 'b';
    });
    expect(kept.get('b')).toBe('b');
  });
});
