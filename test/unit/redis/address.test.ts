import { describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { formatRedisUrl, labelOf, maskUrl, parseRedisUrl } from '../../../src/lib/redis/address.js';

describe('parseRedisUrl', () => {
  it.each([
    ['redis://localhost', 'redis://localhost:6379'],
    ['redis://h:7000/2', 'redis://h:7000/2'],
    ['redis://h?db=3', 'redis://h:6379/3'],
    ['REDISS://h', 'rediss://h:6379'],
    ['redis://[::1]:7000', 'redis://[::1]:7000'],
    ['unix:///run/a@b/redis.sock?db=2', 'unix:///run/a@b/redis.sock?db=2'],
    ['unix://user:pw@/run/redis.sock', 'unix:///run/redis.sock'],
    ['unix:///run/my dir/redis.sock', 'unix:///run/my dir/redis.sock'],
    ['unix:///run/my%20dir/redis.sock', 'unix:///run/my dir/redis.sock'],
    ['unix:///run/a%2520b.sock', 'unix:///run/a%2520b.sock'],
    ['unix:///run/50%.sock', 'unix:///run/50%25.sock'],
    ['unix:///run/why%3F.sock?db=1', 'unix:///run/why%3F.sock?db=1'],
    ['unix:///run/a%1bb%E2%80%AEc.sock', 'unix:///run/a%1Bb%E2%80%AEc.sock'],
    ['redis-sentinel://:pw@a,b:26380/main/1', 'redis-sentinel://a:26379,b:26380/main/1'],
    ['rediss-cluster://a:7000,b', 'rediss-cluster://a:7000,b:6379'],
  ])('parses %s', (url, label) => {
    expect(labelOf(parseRedisUrl(url))).toBe(label);
    expect(maskUrl(url)).toBe(label);
    expect(parseRedisUrl(formatRedisUrl(parseRedisUrl(url)))).toEqual(parseRedisUrl(url));
  });

  it.each([
    ['redis://u:p%40ss@h', { username: 'u', password: 'p@ss' }],
    ['redis://:p@ss/w:rd@h', { password: 'p@ss/w:rd' }],
    ['redis://:50%off@h', { password: '50%off' }],
    ['redis://u@h', { username: 'u' }],
  ])('takes user and password from %s', (url, wanted) => {
    const { username, password } = parseRedisUrl(url);
    expect({ username, password }).toEqual({ username: undefined, password: undefined, ...wanted });
  });

  it.each([
    'localhost:6379',
    'http://h',
    'redis://:s3cret@',
    'redis://:s3cret@h:99999',
    'redis://:s3cret@h/one',
    'redis://:s3cret@h/1/2',
    'redis://:s3cret@h?timeout=3',
    'redis://:s3cret@a,b',
    'redis-sentinel://:s3cret@a',
    'redis-cluster://:s3cret@a/2',
    'unix://:s3cret@relative.sock',
    'redis:s3cret@h',
    'redis://:s3cret',
    'redis://user:s3cret',
    'redis:s3cret',
    'redis://:p@s3cret/word',
    'redis://:p@h?s3cret=1',
    // What comes before a / or ? looks like a host and port.
    'redis://user:12345/s3cret@h:99999',
    'redis://s3cret/word@h:99999',
    'redis://s3cret?word@h:99999',
    'redis://:p@s3cret:port',
    'redis://h:6379?password=s3cret',
    'redis://h:6379?db=1&password=p@s3cret',
    'redis-sentinel://:p@ss@s3cret',
    'http://user:p@s3cret/x',
  ])('refuses %s without showing the password', (url) => {
    const error = catching(() => parseRedisUrl(url));
    expect(error).toMatchObject({ code: 'REDIS_URL', exitCode: 78 });
    expect(`${error.message} ${error.hint}`).not.toContain('s3cret');
    expect(maskUrl(url)).not.toContain('s3cret');
    expect(error.hint).toContain('redis://<user>:<password>@host:6379');
  });

  it.each(['localhost:6379', 'redis://h:99999', 'redis://a,b', 'redis://h/one', 'unix://relative.sock'])(
    'shows %s, which contains no secret',
    (url) => {
      expect(catching(() => parseRedisUrl(url)).message).toContain(`'${url}'`);
    },
  );
});

function catching(run: () => unknown): InferError {
  try {
    run();
  } catch (error) {
    if (error instanceof InferError) return error;
    throw error;
  }
  throw new Error('it did not throw');
}
