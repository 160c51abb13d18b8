import { describe, expect, it } from 'vitest';
import { describeError, errorLines } from '../../../src/lib/cli/output/error.js';
import { withoutCredentials } from '../../../src/lib/core/credentials.js';
import { explainRedisError } from '../../../src/lib/redis/errors.js';

describe('withoutCredentials', () => {
  it.each([
    ['at redis://user:pw@h:6379.', 'at redis://***@h:6379.'],
    ['redis://:p@ss@h', 'redis://***@h'],
    ['redis://:p/w@h and rediss://:x@y', 'redis://***@h and rediss://***@y'],
    ['redis-sentinel://:p@a,b/m', 'redis-sentinel://***@a,b/m'],
    ['https://me:pw@host/@scope/name', 'https://***@host/@scope/name'],
    ['https://host/@scope/name', 'https://host/@scope/name'],
    ['unix:///run/a@b.sock', 'unix:///run/a@b.sock'],
    ['ask ada@example.org', 'ask ada@example.org'],
  ])('masks %s', (text, wanted) => {
    expect(withoutCredentials(text)).toBe(wanted);
  });

  it('keeps placeholders, but nothing that only resembles one', () => {
    const hint = 'redis://:<password>@host or redis://<user>:<password>@host';
    expect(withoutCredentials(hint)).toBe(hint);
    expect(withoutCredentials('redis://:<pass@word>@h')).toBe('redis://***@h');
    expect(withoutCredentials('redis://user:password@h')).toBe('redis://***@h');
    expect(withoutCredentials('redis://<user>:s3cret@h')).toBe('redis://***@h');
  });
});

describe.each(['NOAUTH Authentication required.', 'WRONGPASS invalid username-password pair'])(
  '%s',
  (reply) => {
    it('is explained with what to type', () => {
      const target = { label: 'redis://h:6379', source: 'flag' } as const;
      const error = explainRedisError(Object.assign(new Error(reply), { name: 'ReplyError' }), target);
      const lines = errorLines(describeError(error, { command: 'infer inspect', debug: false })).join('\n');
      expect(lines).toContain('redis://:<password>@host:6379');
      expect(lines).toContain('INFER_REDIS_PASSWORD_FILE');
      expect(lines).not.toContain('***');
    });
  },
);
