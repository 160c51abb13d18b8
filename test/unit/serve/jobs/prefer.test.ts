import { describe, expect, it } from 'vitest';
import { preferenceOf, prefersAsync } from '../../../../src/lib/serve/gateway/jobs/prefer.js';

describe('Prefer', () => {
  it.each([
    [undefined, undefined, undefined],
    ['', undefined, undefined],
    ['wait=10', 10_000, 'wait=10'],
    ['wait', 60_000, 'wait=60'],
    ['Wait = 10', 10_000, 'wait=10'],
    ['wait="10"', 10_000, 'wait=10'],
    ['wait=0', undefined, 'wait=0'],
    ['wait=100000', 60_000, 'wait=60'],
    ['respond-async', undefined, 'respond-async'],
    ['respond-async, wait=5', 5000, 'wait=5'],
    ['handling=lenient; foo=bar, wait=5', 5000, 'wait=5'],
    ['handling=lenient; wait=5', undefined, undefined],
    ['wait=5; foo=bar', 5000, 'wait=5'],
    ['wait=soon', undefined, undefined],
    ['wait=-1', undefined, undefined],
    ['return=minimal', undefined, undefined],
  ])('%j', (header, waitMs, applied) => {
    expect(preferenceOf(header, 60_000)).toEqual({ waitMs, applied });
  });

  it.each([
    ['respond-async', true],
    ['Respond-Async, wait=10', true],
    ['wait=10, respond-async', true],
    ['respond-async; foo=bar', true],
    [['wait=1', 'respond-async'], true],
    ['wait=10', false],
    ['foo=respond-async', false],
    ['not-respond-async', false],
    [undefined, false],
  ])('%j asks for the job as the answer: %s', (header, wanted) => {
    expect(prefersAsync(header)).toBe(wanted);
  });

  it('comes in several lines, too', () => {
    expect(preferenceOf(['return=minimal', 'wait=3'], 60_000).waitMs).toBe(3000);
  });
});
