import { describe, expect, it } from 'vitest';
import { bullBase, groupKey, inputKey, queueTag, requestKey, resultKey } from '../../src/lib/queue/keys.js';
import { useRedis } from '../support/redis.js';
import { checkBounds, type KeyFacts, readKeyFacts } from './key-bounds.js';
import { ChaosRedis } from './redis-server.js';

const PREFIX = 'chaos';
const TAG = queueTag(PREFIX, 'batch');
const BASE = bullBase(PREFIX, 'batch');
const KNOWN = { queues: 2, models: 4, workers: 3 };

const fact = (key: string, fields: Partial<KeyFacts> = {}): KeyFacts => ({
  key,
  ttl: 60,
  size: 1,
  open: false,
  ...fields,
});

/** All that a queue may hold, while a job waits and another has ended. */
const good: readonly KeyFacts[] = [
  fact(`{${PREFIX}}:queues`, { ttl: -1, size: 2 }),
  fact(`{${PREFIX}}:models`, { ttl: -1, size: 4 }),
  fact(`{${PREFIX}}:versions`, { ttl: -1, size: 4 }),
  fact(`{${PREFIX}}:starting`, { ttl: -1, size: 1 }),
  fact(`{${PREFIX}}:workers`, { ttl: -1, size: 3 }),
  fact(`{${PREFIX}}:worker:w1`),
  fact(`{${PREFIX}}:audit`, { ttl: -1, size: 10_050 }),
  fact(`${BASE}meta`, { ttl: -1, size: 2 }),
  fact(`${BASE}events`, { ttl: -1, size: 1100 }),
  fact(`${BASE}marker`, { ttl: -1 }),
  fact(`${BASE}prioritized`, { ttl: -1, size: 1 }),
  fact(`${BASE}completed`, { ttl: -1, size: 1 }),
  fact(`${TAG}:expired`, { ttl: -1, size: 900 }),
  fact(`${TAG}:deadlines`, { ttl: -1, size: 1 }),
  fact(`${TAG}:stats:17`, { size: 4 }),
  fact(`{${PREFIX}}:data`, { ttl: -1, size: 8 }),
  fact(`${TAG}:filed`, { ttl: -1, size: 5 }),
  fact(`${TAG}:bymodel:digits`, { ttl: -1, size: 1 }),
  fact(`${TAG}:wake:digits`, { ttl: -1 }),
  fact(`${TAG}:wake:@w1`),
  fact(`${TAG}:damaged`, { size: 3 }),
  fact(`${BASE}waits`, { ttl: -1, open: true, size: 9 }),
  fact(inputKey(TAG, 'waits'), { ttl: -1, open: true }),
  fact(groupKey(TAG, 'g'), { ttl: -1, open: true, size: 9 }),
  fact(`${BASE}ended`, { size: 9 }),
  fact(`${BASE}ended:lock`),
  fact(resultKey(TAG, 'ended')),
];

const unbounded = (planted: readonly KeyFacts[], from = good) =>
  checkBounds([...from, ...planted], PREFIX, KNOWN).unbounded;

describe('the bounds of keys', () => {
  it('hold for a working queue, and its keys are counted by kind', () => {
    const { unbounded, counts } = checkBounds(good, PREFIX, KNOWN);
    expect(unbounded).toEqual([]);
    expect(counts).toContainEqual({ kind: 'job', keys: 2, permanent: 1, largest: 9, most: undefined });
    expect(counts).toContainEqual({ kind: 'events', keys: 1, permanent: 1, largest: 1100, most: 1200 });
    expect(counts.reduce((sum, { keys }) => sum + keys, 0)).toBe(good.length);
  });

  it.each<[string, KeyFacts, RegExp]>([
    ['an input that outlives its job', fact(inputKey(TAG, 'ended'), { ttl: -1 }), /in:ended .*has ended/],
    ['an input of no job', fact(inputKey(TAG, 'never'), { ttl: -1 }), /in:never/],
    ['the record of a job that has ended', fact(`${BASE}kept`, { ttl: -1 }), /kept \(job\)/],
    ['a group that has ended', fact(groupKey(TAG, 'old'), { ttl: -1 }), /grp:old/],
    ['a result', fact(resultKey(TAG, 'kept'), { ttl: -1 }), /\(result\) has no TTL/],
    ['a lock', fact(`${BASE}ended:lock`, { ttl: -1 }), /\(lock\) has no TTL/],
    ['a request', fact(requestKey(TAG, 't'), { ttl: -1 }), /\(request\) has no TTL/],
    ['a bucket of statistics', fact(`${TAG}:stats:18`, { ttl: -1 }), /\(statistics\) has no TTL/],
    ['a key of the installation', fact(`{${PREFIX}}:ctl:w1`, { ttl: -1 }), /order to a worker/],
    ['a time to live of years', fact(resultKey(TAG, 'kept'), { ttl: 99_999_999 }), /lives for 99999999 s/],
    ['a call to a worker that is gone', fact(`${TAG}:wake:@w2`, { ttl: -1 }), /call to a worker/],
    ['an index by model that keeps', fact(`${TAG}:bymodel:x`, { ttl: -1, size: 1002 }), /1002 elements/],
    ['a key of no known kind', fact(`${TAG}:novelty:1`), /novelty:1 is of no known kind/],
    ['one of another queue', fact(`{${PREFIX}:other}:batch:x:y:z`), /no known kind/],
    [
      'an index that is not swept',
      fact(`${BASE}failed`, { ttl: -1, size: 1002 }),
      /1002 elements, 1001 at most/,
    ],
    ['deadlines of jobs that have ended', fact(`${TAG}:deadlines`, { ttl: -1, size: 2 }), /2 elements, 1 at/],
    ['more workers than there were', fact(`{${PREFIX}}:workers`, { ttl: -1, size: 4 }), /4 elements, 3 at/],
    ['events without end', fact(`${BASE}events`, { ttl: -1, size: 1300 }), /1300 elements/],
    ['statistics by id', fact(`${TAG}:stats:18`, { size: 500 }), /500 elements/],
  ])('report %s', (_, planted, expected) => {
    expect(unbounded([planted])).toEqual([expect.stringMatching(expected)]);
  });

  it('report a group that waits for chunks when none is left', () => {
    const rest = good.filter(({ open }) => !open).map((one) => ({ ...one, size: Math.min(one.size, 1) }));
    const orphan = fact(groupKey(TAG, 'g'), { ttl: -1, open: true });
    const none = [fact(`${BASE}prioritized`), fact(`${TAG}:deadlines`)].map(({ key }) => key);
    const kept = rest.filter(({ key }) => !none.includes(key));
    expect(unbounded([], kept)).toEqual([]);
    expect(unbounded([orphan], kept)).toEqual([expect.stringMatching(/grp:g \(group\) has no TTL/)]);
  });
});

describe('leaks planted in Redis', () => {
  const server = useRedis({ port: true, password: 'p' });

  it('are found, and bounded keys are not reported', async () => {
    const redis = ChaosRedis.connect(server.port as number, 'p');
    try {
      await redis.hset(`${BASE}waits`, 'name', 'digits#1');
      await redis.set(inputKey(TAG, 'waits'), 'x');
      await redis.hset(`${BASE}ended`, 'name', 'digits#1', 'st', 'completed');
      await redis.expire(`${BASE}ended`, 60);
      await redis.zadd(`${BASE}prioritized`, 1, 'waits');
      await redis.zadd(`${BASE}completed`, 1, 'ended');
      await redis.hset(groupKey(TAG, 'g'), 'jobs', 2);
      await redis.set('elsewhere', 'of somebody else');
      const look = async () => checkBounds(await readKeyFacts(redis, PREFIX), PREFIX, KNOWN).unbounded;
      expect(await look()).toEqual([]);

      await redis.set(inputKey(TAG, 'ended'), 'x');
      await redis.set(inputKey(TAG, 'never'), 'x');
      await redis.hset(`${BASE}left`, 'mv', '1');
      await redis.hset(groupKey(TAG, 'old'), 'jobs', 1, 'finishedOn', 1);
      await redis.xadd(`${BASE}events`, '*', 'event', 'x');
      await redis.rpush(`${TAG}:reply:client`, 'notice');
      expect((await look()).sort()).toEqual([
        expect.stringContaining(`${BASE}left (job)`),
        expect.stringContaining('grp:old (group)'),
        expect.stringContaining('in:ended (input)'),
        expect.stringContaining('in:never (input)'),
        expect.stringContaining('reply:client (reply list)'),
      ]);
    } finally {
      redis.disconnect();
    }
  });
});
