import type { KeyCount } from './key-bounds.js';

/** The number of keys of each kind at the end, and those that stay, with their bound. */
export function keyLines(kinds: readonly KeyCount[]): string[] {
  const sorted = [...kinds].sort((a, b) => b.keys - a.keys);
  const staying = sorted.filter(({ permanent }) => permanent > 0);
  return [
    `keys         ${sorted.map(({ kind, keys }) => `${keys} ${kind}`).join(', ')}`,
    `without TTL  ${staying.map(({ kind, largest, most }) => `${kind} ${largest}${most === undefined ? '' : `/${Math.floor(most)}`}`).join(', ')}`,
  ];
}
