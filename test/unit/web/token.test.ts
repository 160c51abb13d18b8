import { describe, expect, it } from 'vitest';
import { adoptToken, forgetToken, keepToken, keptToken } from '../../../src/web/stream/token.js';

function tab(hash: string) {
  const kept = new Map<string, string>();
  const addresses: string[] = [];
  return {
    addresses,
    location: { hash, pathname: '/infer/', search: '' },
    history: { replaceState: (_: unknown, __: string, url: string) => void addresses.push(url) },
    sessionStorage: {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
      removeItem: (key: string) => void kept.delete(key),
    },
  };
}

describe('the token in a link', () => {
  it('is kept for the tab and removed from the address', () => {
    const place = tab('#token=inf_a%2Bb');
    adoptToken(place);
    expect(keptToken(place)).toBe('inf_a+b');
    expect(place.addresses).toEqual(['/infer/']);
  });

  it('leaves the page that the link names', () => {
    const place = tab('#token=inf_a&/jobs?state=failed');
    adoptToken(place);
    expect(place.addresses).toEqual(['/infer/#/jobs?state=failed']);
  });

  it('is not looked for elsewhere', () => {
    const place = tab('#/jobs?token=inf_a');
    adoptToken(place);
    expect(keptToken(place)).toBeUndefined();
    expect(place.addresses).toEqual([]);
  });

  it('is gone after signing out', () => {
    const place = tab('');
    keepToken(place, ' inf_a\n');
    expect(keptToken(place)).toBe('inf_a');
    forgetToken(place);
    expect(keptToken(place)).toBeUndefined();
  });
});
