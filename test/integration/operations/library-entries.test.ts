import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { InferClient } from '../../../src/lib/client/client.js';
import { InferError } from '../../../src/lib/core/errors.js';
import { cancelWork } from '../../../src/lib/operations/cancel-work.js';
import { retryJobs } from '../../../src/lib/operations/retry-jobs.js';
import type { AuditEntry } from '../../../src/lib/queue/audit.js';
import { JobSteering } from '../../../src/lib/queue/broker/steer-jobs.js';
import { bullBase } from '../../../src/lib/queue/keys.js';
import { useRedis } from '../../support/redis.js';
import { completed, failed, PREFIX, QueueKit, takeOne } from '../queue/queue-kit.js';
import { Operator, openClient } from './operations-kit.js';

const redis = useRedis();
let kit: QueueKit;
let operator: Operator;
let client: InferClient;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
  await kit.producer.registerQueue(kit.queue);
  operator = new Operator(kit);
  client = await openClient(redis);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await client.close();
  await kit.close();
  await kit.client.flushall();
});

const waiting = async (): Promise<string> => ((await kit.submit({})) as [string])[0];

async function ended(how: typeof completed | typeof failed): Promise<string> {
  const id = await waiting();
  const consumer = await kit.consumer();
  await consumer.settle([how(await takeOne(consumer))]);
  return id;
}

async function running(): Promise<string> {
  const id = await waiting();
  await takeOne(await kit.consumer());
  return id;
}

async function cancelled(): Promise<string> {
  const id = await waiting();
  await kit.producer.cancel(kit.queue, id);
  return id;
}

/** Its data is no JSON, so that it can only be removed. */
async function damaged(): Promise<string> {
  const id = await waiting();
  await kit.client.hset(bullBase(PREFIX, kit.queue) + id, 'data', '{');
  return id;
}

const as = 'grace';
const cancelHere = (id: string) => operator.perform(cancelWork(id));
const cancelThere = (id: string) => client.cancel(id, { as });
const retryHere = (id: string) => operator.perform(retryJobs({ id }, undefined));
const retryThere = (id: string) => client.retry(id, { as });

type Act = (id: string) => Promise<unknown>;
const CASES: [what: string, make: () => Promise<string>, here: Act, there: Act, entry: object][] = [
  ['a waiting job is cancelled', waiting, cancelHere, cancelThere, { outcome: 'ok', count: 1 }],
  ['a running job is cancelled', running, cancelHere, cancelThere, { outcome: 'ok', count: 1 }],
  [
    'a completed job is cancelled',
    () => ended(completed),
    cancelHere,
    cancelThere,
    { outcome: 'failed', count: 0, code: 'JOB_ENDED', result: 'had ended: completed' },
  ],
  [
    'a job is cancelled again',
    cancelled,
    cancelHere,
    cancelThere,
    { outcome: 'ok', count: 0, result: 'was cancelled already' },
  ],
  [
    'a damaged job is cancelled',
    damaged,
    cancelHere,
    cancelThere,
    { outcome: 'ok', count: 1, result: 'cancelled' },
  ],
  ['a failed job is retried', () => ended(failed), retryHere, retryThere, { outcome: 'ok', count: 1 }],
  [
    'a waiting job is retried',
    waiting,
    retryHere,
    retryThere,
    { outcome: 'failed', count: 0, code: 'NOT_FAILED' },
  ],
  [
    'an unknown job is cancelled',
    async () => 'no-such-job',
    cancelHere,
    cancelThere,
    { outcome: 'failed', count: 0, code: 'JOB_UNKNOWN' },
  ],
];

describe('an entry of the library and one of a command agree when', () => {
  it.each(CASES)('%s', async (_, make, here, there, expected) => {
    const said = ({ outcome, ok, code, count, result }: AuditEntry, id: string) => ({
      outcome,
      ok,
      code,
      count,
      result: result.replaceAll(id, 'ID'),
    });
    const [one, other] = [await make(), await make()];
    const byCommand = said(await operator.entryOf(() => here(one)), one);
    const byLibrary = said(await operator.entryOf(() => there(other)), other);
    expect(byCommand).toMatchObject(expected);
    expect(byLibrary).toEqual(byCommand);
  });
});

describe('an invalid option of a library call', () => {
  const wrong: [what: string, options: object, code: string][] = [
    ['an empty name', { as: ' ' }, 'OPERATOR_NAME'],
    ['a name that is not text', { as: 7 }, 'OPERATOR_NAME'],
    ['a name of 5,000 characters', { as: 'x'.repeat(5000) }, 'OPERATOR_NAME'],
    ['a name with a line break', { as: 'a\nb' }, 'OPERATOR_NAME'],
    ['a negative time limit of the call', { as, timeoutMs: -5 }, 'TIMEOUT_RANGE'],
  ];
  it.each(wrong)('is refused before any change or audit entry: %s', async (_, options, code) => {
    const id = await ended(failed);
    const refused = { code, exitCode: 2 };
    await expect(client.cancel(id, options)).rejects.toMatchObject(refused);
    await expect(client.retry(id, options)).rejects.toMatchObject(refused);
    await expect(client.retryFailed(kit.queue, options)).rejects.toMatchObject(refused);
    expect(await operator.audit()).toEqual([]);
    expect(await kit.states([id])).toEqual(['failed']);
  });

  it('is refused even if there is nothing to do: a time limit of the jobs', async () => {
    const refused = { code: 'TIME_LIMIT_RANGE', exitCode: 2 };
    await expect(client.retryFailed(kit.queue, { timeLimitMs: -1 })).rejects.toMatchObject(refused);
    const timeLimitMs = '5' as unknown as number;
    await expect(client.retryFailed(kit.queue, { timeLimitMs })).rejects.toThrow("the text '5'");
    expect(await operator.audit()).toEqual([]);
  });
});

it('surrounding spaces are removed from the name in an entry', async () => {
  const id = await waiting();
  expect(await operator.entryOf(() => client.cancel(id, { as: ' grace ' }))).toMatchObject({ who: 'grace' });
});

describe('an entry of a library call that failed', () => {
  it('counts the jobs that were changed before the failure', async () => {
    const ids = await kit.submit(...Array.from({ length: 250 }, () => ({})));
    const consumer = await kit.consumer();
    for (let jobs = await consumer.take(100); jobs.length > 0; jobs = await consumer.take(100)) {
      await consumer.settle(jobs.map(failed));
    }
    expect(new Set(await kit.states(ids))).toEqual(new Set(['failed']));
    const { retryAll } = JobSteering.prototype;
    vi.spyOn(JobSteering.prototype, 'retryAll')
      .mockImplementationOnce(function (this: JobSteering, ...given) {
        return retryAll.apply(this, given);
      })
      .mockRejectedValueOnce(new InferError('REDIS_FULL', 'Redis is full'));
    const entry = await operator.entryOf(() => client.retryFailed(kit.queue));
    expect(entry).toMatchObject({ action: 'retry', outcome: 'failed', code: 'REDIS_FULL', count: 200 });
    expect((await kit.states(ids)).filter((state) => state === 'waiting')).toHaveLength(200);
  });

  it('names an unknown queue, as a command does', async () => {
    const entry = await operator.entryOf(() =>
      expect(client.retryFailed('nosuch')).rejects.toMatchObject({ code: 'QUEUE_UNKNOWN', exitCode: 66 }),
    );
    expect(entry).toMatchObject({ target: 'nosuch', outcome: 'failed', code: 'QUEUE_UNKNOWN', count: 0 });
    expect(await client.retryFailed(kit.queue)).toBe(0);
  });

  it('is reported as missing only if something may have been changed', async () => {
    const id = await ended(failed);
    const silent = new InferError('REDIS_TIMEOUT', 'Redis does not answer');
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue(undefined);
    vi.spyOn(JobSteering.prototype, 'retryAll').mockRejectedValue(silent);
    await expect(client.retryFailed(kit.queue)).rejects.toBe(silent);
    await expect(client.retry(id, { as })).rejects.toBe(silent);
    const lost = (subject: string) => [
      `the audit log has no entry of retry ${subject}: Redis does not answer`,
      { type: 'InferWarning', code: 'AUDIT_LOST' },
    ];
    expect(warn.mock.calls).toEqual([lost(kit.queue), lost(id)]);
    expect(await operator.audit()).toEqual([]);
  });

  it('that its caller aborted says so', async () => {
    const id = await waiting();
    const leaving = new AbortController();
    const states = vi.spyOn(JobSteering.prototype, 'cancel');
    const cancelling = client.cancel(id, { as, signal: leaving.signal });
    leaving.abort(new Error('the request is gone'));
    await expect(cancelling).rejects.toThrow('the request is gone');
    await vi.waitFor(async () =>
      expect(await operator.audit()).toMatchObject([
        { action: 'cancel', outcome: 'failed', code: 'INTERRUPTED', count: 0, result: 'the request is gone' },
      ]),
    );
    expect(states).not.toHaveBeenCalled();
    expect(await kit.states([id])).toEqual(['waiting']);
  });
});
