import { QueueKeys } from 'bullmq';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BOUNDS } from '../../../src/lib/core/bounds.js';
import { ExitCode } from '../../../src/lib/core/exit-codes.js';
import {
  checkJobId,
  checkPriority,
  checkQueueName,
  checkTimeLimit,
  chunkId,
  fromBullPriority,
  idTime,
  isOpen,
  type JobState,
  mayBeJob,
  newId,
  printable,
  toBullPriority,
} from '../../../src/lib/core/job.js';
import { QUEUE_KEY_OF } from '../../../src/lib/core/key-parts.js';
import { badName, isName, nameLike, parseModel } from '../../../src/lib/core/names.js';
import * as keys from '../../../src/lib/queue/keys.js';

const usage = (code: string) => expect.objectContaining({ code, exitCode: ExitCode.Usage });

describe('priority', () => {
  it("maps 0..9 to BullMQ's 10..1, never to its 0, which means none", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(toBullPriority)).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
  });

  it('reverses the order and is invertible', () => {
    const priority = fc.integer({ min: 0, max: 9 });
    fc.assert(
      fc.property(priority, priority, (a, b) => {
        expect(Math.sign(toBullPriority(a) - toBullPriority(b))).toBe(Math.sign(b - a));
        expect(fromBullPriority(toBullPriority(a))).toBe(a);
      }),
    );
  });

  it.each([-1, 10, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number])(
    'rejects %s',
    (value) => {
      expect(() => toBullPriority(value)).toThrow(usage('PRIORITY_RANGE'));
    },
  );

  it('reads priorities of other BullMQ code: none as most urgent, a large number as least', () => {
    expect(fromBullPriority(0)).toBe(9);
    expect(fromBullPriority(11)).toBe(0);
    expect(fromBullPriority(2 ** 21 - 1)).toBe(0);
  });
});

describe('a time limit', () => {
  it.each([1, 30_000, BOUNDS.timeLimitMs.max])('may be %i ms', (ms) => {
    expect(checkTimeLimit(ms)).toBe(ms);
  });

  it.each([0, -1, 0.5, 1.5, BOUNDS.timeLimitMs.max + 1, Number.NaN, '5' as unknown as number])(
    'is rejected at %s',
    (ms) => {
      expect(() => checkTimeLimit(ms)).toThrow(
        expect.objectContaining({
          code: 'TIME_LIMIT_RANGE',
          message: `a time limit of ${typeof ms === 'string' ? `the text '${ms}'` : ms} is not a whole number of 1..${24 * 86_400_000} ms`,
          hint: expect.stringContaining('--time-limit 30s'),
          exitCode: ExitCode.Usage,
        }),
      );
    },
  );
});

describe('ids', () => {
  it('sort by creation, are unique and valid as BullMQ ids', () => {
    const ids = Array.from({ length: 40_000 }, () => newId('j', 1_700_000_000_000));
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids.slice(0, 100)) {
      expect(checkJobId(id)).toBe(id);
      expect(id).not.toMatch(/:|^\d+$/);
    }
  });

  it('keep sorting when the clock goes back', () => {
    const late = newId('j', 1_900_000_000_000);
    expect(newId('j', 1_800_000_000_000) > late).toBe(true);
  });

  it('contain their creation time, also for chunks', () => {
    const now = 2_000_000_000_123;
    const id = newId('g', now);
    expect(idTime(id)).toBe(now);
    expect(idTime(chunkId(id, 17))).toBe(now);
    expect(checkJobId(chunkId(id, 17))).toBe(`${id}-17`);
  });

  it.each(['order-1', 'j123', '', 'i'.repeat(26), `${newId('j')}x`])('recognise %s as foreign', (id) => {
    expect(idTime(id)).toBeUndefined();
  });

  it.each(['', '1', '00', 'a:b', 'a b', '-a', '.a', 'a'.repeat(129), 'ä', 'a\n', 'a\u001b[31m'])(
    'reject %j',
    (id) => {
      expect(() => checkJobId(id)).toThrow(usage('JOB_ID'));
    },
  );

  it('reject, and are not looked up for, names that are keys of every queue', () => {
    const { '': base, ...keys } = new QueueKeys('').getKeys('q');
    const names = Object.keys(keys);
    expect(base).toBe(':q:');
    expect(names).toContain('prioritized');
    for (const name of names) {
      expect(() => checkJobId(name)).toThrow(usage('JOB_ID'));
      expect(mayBeJob(name)).toBe(false);
    }
    expect(mayBeJob('order-1:lock')).toBe(false);
    expect(mayBeJob('order-1')).toBe(true);
  });

  // Those of the key functions, and those that only scripts use.
  const PARTS = [
    ...new Set([
      ...Object.values(keys)
        .filter((key) => typeof key === 'function')
        .flatMap(
          (key) =>
            /^\{t\}:([a-z]+):/.exec((key as (tag: string, id: string) => string)('{t}', 'x'))?.[1] ?? [],
        ),
      ...Object.values(QUEUE_KEY_OF),
    ]),
  ]
    // These are followed only by the number of a bucket.
    .filter((part) => part !== 'stats' && part !== 'work');

  it('are checked against key prefixes that include in, res, grp, gone, req and sweep', () => {
    expect(PARTS).toEqual(expect.arrayContaining(['in', 'res', 'grp', 'gone', 'req', 'sweep']));
  });

  it.each(PARTS)('reject the queue name %s, whose keys would collide with others', (name) => {
    expect(() => checkQueueName(name)).toThrow(usage('QUEUE_NAME'));
  });

  it.each(['order-1', 'A.b_c', '1a', 'a'.repeat(128)])('accept %s', (id) => {
    expect(checkJobId(id)).toBe(id);
  });

  it.each(['', 'a:b', '{x}', 'a'.repeat(65), '-q', 'a\n'])('reject the queue name %j', (name) => {
    expect(() => checkQueueName(name)).toThrow(usage('QUEUE_NAME'));
  });

  it('show no control characters of a rejected name', () => {
    expect(() => checkQueueName('a\u001b[2J')).toThrow("'a\\x1b[2J'");
    expect(printable('a\u0000\u007f\u009bß')).toBe('a\\x00\\x7f\\x9bß');
  });
});

describe('a rejected name', () => {
  it.each([
    [
      'queue',
      'real time',
      "'real time' is not a queue name: use letters, digits, dots, dashes and underscores, 64 at most, such as real-time",
    ],
    [
      'queue',
      '',
      "'' is not a queue name: use letters, digits, dots, dashes and underscores, 64 at most, such as realtime",
    ],
    [
      'job',
      '1234',
      "'1234' cannot be a job id: use letters, digits, dots, dashes and underscores, 128 at most, not digits alone, such as job-1234",
    ],
    [
      'model',
      'my model',
      "'my model' is not a model name: use letters, digits, dots, dashes and underscores, 128 at most, such as my-model",
    ],
    [
      'worker',
      'gpu 1,x*',
      "'gpu 1,x*' is not a worker name: use letters, digits, dots, dashes and underscores, 128 at most, such as gpu-1-x",
    ],
  ] as const)('gets one sentence with the rule and a valid suggestion: %s %j', (kind, name, message) => {
    expect(badName(kind, name)).toBe(message);
    expect(isName(kind, nameLike(kind, name))).toBe(true);
  });
});

describe('a state', () => {
  it('is open until the job has ended', () => {
    const states: JobState[] = [
      'waiting',
      'delayed',
      'active',
      'completed',
      'failed',
      'expired',
      'cancelled',
    ];
    expect(states.filter(isOpen)).toEqual(['waiting', 'delayed', 'active']);
  });
});

it.each<[string, () => unknown, string, string]>([
  [
    'a priority',
    () => checkPriority(10),
    'priority 10 is not a whole number of 0..9',
    'use --priority 9 for the most urgent work and 0 for the least',
  ],
  [
    "a queue's name that is a key",
    () => checkQueueName('res'),
    "'res' cannot be the name of a queue: infer uses it for its own keys",
    'take another, such as res-jobs',
  ],
  [
    "a queue's name",
    () => checkQueueName('a:b'),
    badName('queue', 'a:b'),
    'infer inspect queues lists the queues that there are',
  ],
  [
    'an id that is a key',
    () => checkJobId('wait'),
    "'wait' cannot be a job id: every queue has a key of that name",
    'take another, such as wait-1',
  ],
  [
    'an id',
    () => checkJobId('17'),
    badName('job', '17'),
    "--id job-17, or leave it out for an id of infer's own",
  ],
])('%s that is refused has its reason and its fix', (_, check, message, hint) => {
  expect(check).toThrow(expect.objectContaining({ message, hint }));
});

it('names that are suggested are valid, and close to what was typed', () => {
  expect(nameLike('queue', `${'a b'.repeat(40)}`)).toHaveLength(64);
  expect(nameLike('job', '123')).toBe('job-123');
  expect(nameLike('job', '123a b')).toBe('123a-b');
  expect(nameLike('job', 'a 123')).toBe('a-123');
  expect(nameLike('queue', '12 3')).toBe('12-3');
  expect(nameLike('queue', '1 ')).toBe('1');
  expect(parseModel('a@1@2')).toEqual({ model: 'a@1', version: 2 });
  expect(parseModel('@2')).toEqual({ model: '@2' });
  expect(parseModel('')).toEqual({ model: '' });
});
