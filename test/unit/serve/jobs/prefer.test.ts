import { describe, expect, it } from 'vitest';
import { preferenceOf } from '../../../../src/lib/serve/gateway/jobs/prefer.js';

describe('Prefer', () => {
  it.each([
    [undefined, undefined, undefined],
    ['', undefined, undefined],
    ['wait=10', 10_000, 'wait=10'],
    ['wait', 60_000, 'wait=60'],
    ['Wait = 10', 10_000, 'wait=10'],
    ['wait="10"', 10_000, 'wait=10'],
    ['wait=0', 0, 'wait=0'],
    ['wait=100000', 60_000, 'wait=60'],
    ['respond-async', undefined, 'respond-async'],
    ['respond-async, wait=5', 5000, 'wait=5'],
    ['handling=lenient; foo=bar, wait=5', 5000, 'wait=5'],
    ['wait=soon', undefined, undefined],
    ['wait=-1', undefined, undefined],
    ['return=minimal', undefined, undefined],
  ])('%j', (header, waitMs, applied) => {
    expect(preferenceOf(header, 60_000)).toEqual({ waitMs, applied });
  });

  it('comes in several lines, too', () => {
    expect(preferenceOf(['return=minimal', 'wait=3'], 60_000).waitMs).toBe(3000);
  });
});
