import { describe, expect, it } from 'vitest';
import { checkJobId, idTime } from '../../../../src/lib/core/job.js';
import { ENVELOPE, ID_PARAMS, SUBMIT_QUERY } from '../../../../src/lib/serve/gateway/jobs/fields.js';
import {
  digestOf,
  idempotencyKey,
  idOfKey,
  isKeyId,
} from '../../../../src/lib/serve/gateway/jobs/idempotency.js';

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

  it('identifies one job of each submitter, by an id that infer does not generate itself', () => {
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

  it('has ids that no caller can take', () => {
    expect(isKeyId(idOfKey('alice', 'k'))).toBe(true);
    const own = ['key-1', 'order-0', 'key-0123456789abcdef0123456789abcdef0'];
    expect(own.map(isKeyId)).toEqual([false, false, false]);
  });
});

it('names in a request are no longer than names can be', () => {
  const long = 'x'.repeat(129);
  for (const field of ['id', 'queue']) {
    expect(ENVELOPE.safeParse({ input: 1, [field]: long }).success).toBe(false);
    expect(SUBMIT_QUERY.safeParse({ [field]: long }).success).toBe(false);
  }
  expect(ENVELOPE.safeParse({ input: 1, model: 'x'.repeat(141) }).success).toBe(false);
  expect(ID_PARAMS.safeParse({ id: 'x'.repeat(513) }).success).toBe(false);
  const longest = { id: 'x'.repeat(128), queue: 'q'.repeat(64), model: `${'m'.repeat(128)}@123456789` };
  expect(ENVELOPE.safeParse({ input: 1, ...longest }).success).toBe(true);
});

it.each([null, true, '', [9], '9'])('a number of a document is a number, and not %j', (value) => {
  for (const field of ['priority', 'retries'])
    expect(ENVELOPE.safeParse({ input: 1, [field]: value }).success).toBe(false);
  expect(ENVELOPE.parse({ input: 1, priority: 9, retries: 3 })).toMatchObject({ priority: 9, retries: 3 });
  expect(SUBMIT_QUERY.parse({ priority: '9', retries: '3' })).toEqual({ priority: 9, retries: 3 });
});

describe('the digest of a request', () => {
  it('depends on its values, not on how they are written', () => {
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
