import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cancelWork } from '../../../src/lib/operations/cancel-work.js';
import { changeServer } from '../../../src/lib/operations/change-server.js';
import { moveJobs } from '../../../src/lib/operations/move-jobs.js';
import type { Operation } from '../../../src/lib/operations/operation.js';
import { orderWorkers } from '../../../src/lib/operations/order-workers.js';
import { pauseQueue } from '../../../src/lib/operations/pause-queue.js';
import { purgeQueue } from '../../../src/lib/operations/purge-queue.js';
import { repairQueue } from '../../../src/lib/operations/repair-queue.js';
import { retryJobs } from '../../../src/lib/operations/retry-jobs.js';
import { revokeJobs } from '../../../src/lib/operations/revoke-jobs.js';
import { preview } from '../../../src/lib/operations/run.js';
import { prioritiseJobs } from '../../../src/lib/operations/set-priority.js';
import { ControlInbox } from '../../../src/lib/queue/broker/control.js';
import { auditKey, bullBase, workerKey, workersKey } from '../../../src/lib/queue/keys.js';
import { parseJobFilter } from '../../../src/lib/queue/read/job-filter.js';
import { useRedis } from '../../support/redis.js';
import { failed, PREFIX, QueueKit } from '../queue/queue-kit.js';
import { ADA, Operator, openClient } from './operations-kit.js';

const redis = useRedis();
let kit: QueueKit;
let operator: Operator;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
  await kit.producer.registerQueue(kit.queue);
  operator = new Operator(kit);
});
afterEach(async () => {
  await kit.close();
  await kit.client.flushall();
});

const waiting = async (n: number): Promise<string[]> =>
  kit.submit(...Array.from({ length: n }, () => ({ priority: 1 })));

async function failedJobs(n: number): Promise<string[]> {
  const ids = await waiting(n);
  const consumer = await kit.consumer();
  const jobs = await consumer.take(n);
  await consumer.settle(jobs.map(failed));
  return ids;
}

const filter = (state: string) => parseJobFilter({ queue: [kit.queue], state: [state] });

/** A registered worker that answers one order. */
async function worker(name: string, ok: boolean, code?: string): Promise<void> {
  const record = { id: name, name, host: 'h', pid: 1, queues: [], models: [], beatAt: Date.now() };
  await kit.client.set(workerKey(PREFIX, name), JSON.stringify(record), 'PX', 60_000);
  await kit.client.zadd(workersKey(PREFIX), String(Date.now()), name);
  const inbox = new ControlInbox(await redis.client('worker'), await redis.client('blocking'), PREFIX, name);
  void inbox
    .next()
    .then((heard) => heard && inbox.answer(heard, { ok, text: `${name} ${ok ? 'does' : 'cannot'}`, code }));
}

type Case = [name: string, make: () => Promise<Operation<never, unknown, unknown>>, entry: object];
const as = <P, O, V>(operation: Operation<P, O, V>) =>
  operation as unknown as Operation<never, unknown, unknown>;

const CASES: Case[] = [
  [
    'pause',
    async () => {
      await waiting(2);
      return as(pauseQueue(kit.queue, true));
    },
    { action: 'pause', count: 1, result: expect.stringMatching(/^q\d+ paused: 2 jobs waiting$/) },
  ],
  [
    'resume of a queue that goes on',
    async () => as(pauseQueue(kit.queue, false)),
    { action: 'resume', count: 0 },
  ],
  [
    'purge',
    async () => {
      await waiting(3);
      return as(purgeQueue(kit.queue, undefined));
    },
    {
      action: 'purge',
      count: 3,
      detail: 'waiting, delayed',
      result: expect.stringMatching(/^purged 3 waiting jobs/),
    },
  ],
  [
    'repair',
    async () => as(repairQueue(kit.queue)),
    { action: 'repair', count: 0, result: /nothing to repair/ },
  ],
  [
    'move',
    async () => as(moveJobs(await waiting(2), 'elsewhere')),
    { action: 'move', count: 2, detail: 'to elsewhere', result: 'in elsewhere: 2 of 2 jobs' },
  ],
  [
    'priority',
    async () => as(prioritiseJobs(await waiting(2), 9)),
    { action: 'priority', count: 2, result: 'priority 9: 2 of 2 jobs' },
  ],
  [
    'revoke by filter',
    async () => {
      await waiting(4);
      return as(revokeJobs({ filter: filter('waiting'), detail: 'state waiting' }));
    },
    { action: 'revoke', count: 4, detail: 'state waiting', result: '4 jobs cancelled' },
  ],
  [
    'revoke by id, of which one had ended',
    async () => {
      const [first, second] = (await waiting(2)) as [string, string];
      await kit.producer.cancel(kit.queue, first);
      return as(revokeJobs({ ids: [first, second] }));
    },
    { action: 'revoke', count: 1, result: '1 job cancelled' },
  ],
  [
    'cancel',
    async () => as(cancelWork((await waiting(1))[0] as string)),
    { action: 'cancel', count: 1, result: 'cancelled' },
  ],
  [
    'retry of one job',
    async () => as(retryJobs({ id: (await failedJobs(1))[0] as string }, undefined)),
    { action: 'retry', count: 1, result: '1 job waiting again' },
  ],
  [
    'retry of all failed',
    async () => {
      await failedJobs(3);
      return as(retryJobs({ filter: filter('failed'), detail: 'error RUN_FAILED' }, undefined));
    },
    { action: 'retry', count: 3, detail: 'error RUN_FAILED', result: '3 jobs waiting again' },
  ],
  [
    'an order',
    async () => {
      await worker('w-1', true);
      return as(orderWorkers({ verb: 'drain' }, 'w-*', { timeoutMs: 20_000 }));
    },
    { action: 'drain', target: 'w-*', count: 1, result: 'w-1: w-1 does' },
  ],
  [
    'a change of the server',
    async () =>
      as(
        changeServer({
          action: 'redis-tune apply',
          target: 'redis',
          detail: 'timeout 10 -> 0',
          needsConsent: true,
          change: async () => 2,
          changed: (count) => ({ what: 'settings', count, verified: true, persisted: true }),
        }),
      ),
    { action: 'redis-tune apply', count: 2, result: 'set and read back, persisted' },
  ],
];

describe('each action leaves exactly one audit entry with operator, origin, count and outcome', () => {
  it.each(CASES)('recorded for: %s', async (_, make, expected) => {
    const operation = await make();
    const entry = await operator.entryOf(() => operator.perform(operation));
    const { result, ...rest } = expected as { result?: unknown };
    expect(entry).toMatchObject({ ...ADA, outcome: 'ok', ok: true, code: null, ...rest });
    if (result instanceof RegExp) expect(entry.result).toMatch(result);
    else if (result !== undefined) expect(entry).toMatchObject({ result });
    expect(operator.unaudited).toEqual([]);
  });
});

describe('an audit entry', () => {
  it('has the number of requested jobs that were refused', async () => {
    await Promise.all([worker('w-1', true), worker('w-2', false)]);
    const order = orderWorkers({ verb: 'drain' }, 'w-*', { timeoutMs: 20_000 });
    const entry = await operator.entryOf(() => operator.perform(order));
    expect(entry).toMatchObject({ outcome: 'partial', ok: true, count: 1 });
    const [ended, open] = (await waiting(2)) as [string, string];
    await kit.producer.cancel(kit.queue, ended);
    const moved = await operator.entryOf(() => operator.perform(moveJobs([ended, open], 'elsewhere')));
    expect(moved).toMatchObject({ outcome: 'partial', count: 1, result: 'in elsewhere: 1 of 2 jobs' });
  });

  it('shows that an action changed nothing', async () => {
    const [id] = (await waiting(1)) as [string];
    const retried = await operator.entryOf(() => operator.perform(retryJobs({ id }, undefined)));
    expect(retried).toMatchObject({ outcome: 'failed', ok: false, count: 0, result: '0 jobs waiting again' });
    await kit.producer.cancel(kit.queue, id);
    const again = await operator.entryOf(() => operator.perform(cancelWork(id)));
    expect(again).toMatchObject({ outcome: 'ok', count: 0, result: 'was cancelled already' });
  });

  it('has the code and reason of a failure, and the changes made before it', async () => {
    const unknown = await operator.entryOf(() => operator.perform(pauseQueue('nowhere', true)));
    expect(unknown).toMatchObject({ outcome: 'failed', ok: false, code: 'QUEUE_UNKNOWN', count: 0 });
    expect(unknown.result).toContain("no queue is called 'nowhere'");
    expect(await operator.entryOf(() => operator.perform(cancelWork('no-such-job')))).toMatchObject({
      action: 'cancel',
      target: 'no-such-job',
      code: 'JOB_UNKNOWN',
    });
    await waiting(150);
    const stopped = await operator.entryOf(() =>
      operator.perform(purgeQueue(kit.queue, undefined), {
        report: (progress) => progress.kind === 'jobs' && progress.done > 0 && operator.abort(),
      }),
    );
    expect(stopped).toMatchObject({
      ok: false,
      code: 'INTERRUPTED',
      result: 'stopped by SIGINT',
      count: 25,
    });
  });
});

describe('the entry of an order', () => {
  it('has the code with which all workers refused it, and none if they differ', async () => {
    const entry = async (...codes: string[]) => {
      for (const [at, code] of codes.entries()) await worker(`${codes.length}-${at}`, false, code);
      const order = orderWorkers({ verb: 'drain' }, `${codes.length}-*`, { timeoutMs: 60_000 });
      return operator.entryOf(() => operator.perform(order));
    };
    expect(await entry('LAST_MODEL')).toMatchObject({ outcome: 'failed', count: 0, code: 'LAST_MODEL' });
    expect(await entry('LAST_MODEL', 'LAST_MODEL')).toMatchObject({ code: 'LAST_MODEL' });
    expect(await entry('LAST_MODEL', 'MODEL_UNKNOWN', 'LAST_MODEL')).toMatchObject({ code: null });
  });
});

describe('the entry of an order that changed nothing', () => {
  const ended = async () => {
    const [id] = (await waiting(1)) as [string];
    await kit.producer.cancel(kit.queue, id);
    return id;
  };
  const cases: [
    what: string,
    code: string | null,
    make: () => Promise<Operation<never, unknown, unknown>>,
  ][] = [
    ['moves an ended job', 'NOT_WAITING', async () => as(moveJobs([await ended()], 'elsewhere'))],
    ['prioritises an ended job', 'NOT_WAITING', async () => as(prioritiseJobs([await ended()], 9))],
    [
      'moves a job to a queue where its id is taken',
      'ID_TAKEN',
      async () => {
        const [id] = (await waiting(1)) as [string];
        await kit.client.hset(bullBase(PREFIX, 'elsewhere') + id, 'data', '{}');
        return as(moveJobs([id], 'elsewhere'));
      },
    ],
    [
      'moves two jobs, which are refused for different reasons',
      null,
      async () => {
        const [id] = (await waiting(1)) as [string];
        await kit.client.hset(bullBase(PREFIX, 'elsewhere') + id, 'data', '{}');
        return as(moveJobs([id, await ended()], 'elsewhere'));
      },
    ],
    [
      'retries a job that has not failed',
      'NOT_FAILED',
      async () => as(retryJobs({ id: (await waiting(1))[0] as string }, undefined)),
    ],
    ['cancels a failed job', 'JOB_ENDED', async () => as(cancelWork((await failedJobs(1))[0] as string))],
  ];
  it.each(cases)('has the code of its cause, if it has a single one: %s', async (_, code, make) => {
    const operation = await make();
    const entry = await operator.entryOf(() => operator.perform(operation));
    expect(entry).toMatchObject({ outcome: 'failed', count: 0, code });
  });
});

describe('the audit log', () => {
  it('has no entry when consent is refused, and nothing is done', async () => {
    const ids = await waiting(3);
    const server = { action: 'redis-tune apply', target: 'redis', detail: '', needsConsent: true } as const;
    const changed = () => ({ what: 'settings', count: 1, verified: true, persisted: null }) as const;
    for (const operation of [
      as(purgeQueue(kit.queue, undefined)),
      as(moveJobs(ids, 'elsewhere')),
      as(revokeJobs({ ids })),
      as(changeServer({ ...server, change: () => Promise.reject(new Error('done')), changed })),
    ]) {
      expect(await operator.refuse(operation)).toBe('NOT_CONFIRMED');
    }
    expect(await operator.audit()).toEqual([]);
    expect(new Set(await kit.states(ids))).toEqual(new Set(['waiting']));
  });

  it('has no entry for a preview, which changes nothing', async () => {
    const [bad] = (await failedJobs(1)) as [string];
    const ids = await waiting(3);
    const seen = async (operation: Operation<never, unknown, unknown>) =>
      preview(operation, operator.context);
    expect(await seen(as(purgeQueue(kit.queue, undefined)))).toMatchObject({ jobs: { waiting: 3 } });
    expect(await seen(as(revokeJobs({ ids: [...ids, bad] })))).toMatchObject({ jobs: 3, ended: 1 });
    expect(await seen(as(retryJobs({ id: bad }, undefined)))).toMatchObject({ counts: { [kit.queue]: 1 } });
    expect(await seen(as(cancelWork(ids[0] as string)))).toMatchObject({ kind: 'job', open: 1 });
    expect(await operator.audit()).toEqual([]);
    expect(await kit.states([...ids, bad])).toEqual(['waiting', 'waiting', 'waiting', 'failed']);
  });

  it('that cannot be written is reported, and the action stays in effect', async () => {
    const [id] = (await waiting(1)) as [string];
    await kit.client.set(auditKey(PREFIX), 'not a stream');
    await operator.perform(purgeQueue(kit.queue, undefined));
    expect(operator.unaudited).toHaveLength(1);
    expect(await kit.states([id])).toEqual(['cancelled']);
  });
});

describe('a program using the library', () => {
  it('leaves entries when it names an operator or acts on a whole queue', async () => {
    const client = await openClient(redis, 'nightly');
    try {
      const [own, asked] = (await waiting(2)) as [string, string];
      await client.cancel(own);
      expect(await operator.audit()).toEqual([]);
      const cancelled = await operator.entryOf(() => client.cancel(asked, { as: 'grace' }));
      expect(cancelled).toMatchObject({
        who: 'grace',
        channel: 'library',
        action: 'cancel',
        target: asked,
        count: 1,
      });
      await failedJobs(2);
      const retried = await operator.entryOf(() => client.retryFailed(kit.queue));
      expect(retried).toMatchObject({
        who: 'nightly',
        channel: 'library',
        action: 'retry',
        count: 2,
        ok: true,
      });
      const unknown = await operator.entryOf(() => client.retry('no-such-job', { as: 'grace' }));
      expect(unknown).toMatchObject({ who: 'grace', ok: false, code: 'JOB_UNKNOWN' });
    } finally {
      await client.close();
    }
  });
});
