import { describe, expect, it } from 'vitest';
import { checkJobId, idTime } from '../../../../src/lib/core/job.js';
import { digestOf, idempotencyKey, idOfKey } from '../../../../src/lib/serve/gateway/jobs/idempotency.js';

describe('Idempotency-Key', () => {
  it('is quoted or bare', () => {
    expect(idempotencyKey(undefined)).toBeUndefined();
    expect(idempotencyKey('"8e03978e-40d5"')).toBe('8e03978e-40d5');
    expect(idempotencyKey(' 8e03978e-40d5 ')).toBe('8e03978e-40d5');
    expect(idempotencyKey('"')).toBe('"');
    for (const wrong of ['', '""', 'k'.repeat(256)]) {
      expect(() => idempotencyKey(wrong)).toThrow(expect.objectContaining({ code: 'PARAMETER' }));
    }
  });

  it('names one job of each submitter, by an id that is no id of our own form', () => {
    const id = idOfKey('alice', 'k');
    expect(checkJobId(id)).toBe(idOfKey('alice', 'k'));
    expect(idTime(id)).toBeUndefined();
    const others = [
      idOfKey('bob', 'k'),
      idOfKey(undefined, 'k'),
      idOfKey('alice', 'l'),
      idOfKey('alicek', ''),
    ];
    expect(new Set([id, ...others]).size).toBe(5);
  });
});

describe('the digest of a request', () => {
  it('is that of its values, not of how they are written', () => {
    const digest = digestOf({ input: { b: [1, [2.5, 'x']], a: null }, priority: undefined, model: 'm' });
    expect(digest).toBe(digestOf({ model: 'm', input: { a: null, b: [1.0, [2.5, 'x']] } }));
    expect(digest).toHaveLength(22);
  });

  it.each([
    [{ input: [1, 2] }, { input: [2, 1] }],
    [{ input: [1, 2] }, { input: ['1', '2'] }],
    [{ input: [[1], 2] }, { input: [1, [2]] }],
    [
      { input: [1], priority: 1 },
      { input: [1], priority: 2 },
    ],
    [{ input: { a: 1 } }, { input: { b: 1 } }],
    [{ input: {} }, { input: [] }],
    [{ input: null }, { input: 0 }],
  ])('tells %j from %j', (one, other) => {
    expect(digestOf(one)).not.toBe(digestOf(other));
  });
});
