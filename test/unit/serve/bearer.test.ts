import { describe, expect, it } from 'vitest';
import { bearerMatches } from '../../../src/lib/serve/auth/bearer.js';

describe('a bearer token', () => {
  it.each([
    ['Bearer s3cret', true],
    ['bearer s3cret', true],
    ['Bearer s3cre', false],
    ['Bearer s3cretx', false],
    ['Basic s3cret', false],
    ['Bearer ', false],
    [undefined, false],
  ])('is told from others: %s: %s', (header, matches) => {
    expect(bearerMatches(header, 's3cret')).toBe(matches);
  });
});
