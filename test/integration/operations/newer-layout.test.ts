import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GroupWriter } from '../../../src/lib/client/group-writer.js';
import { InferError } from '../../../src/lib/core/errors.js';
import { chunkId } from '../../../src/lib/core/job.js';
import { cancelWork } from '../../../src/lib/operations/cancel-work.js';
import { moveJobs } from '../../../src/lib/operations/move-jobs.js';
import type { Operation } from '../../../src/lib/operations/operation.js';
import type { PurgePlan } from '../../../src/lib/operations/outcomes.js';
import { purgeQueue } from '../../../src/lib/operations/purge-queue.js';
import { retryJobs } from '../../../src/lib/operations/retry-jobs.js';
import { revokeJobs } from '../../../src/lib/operations/revoke-jobs.js';
import { preview } from '../../../src/lib/operations/run.js';
import { prioritiseJobs } from '../../../src/lib/operations/set-priority.js';
import type { Arrivals } from '../../../src/lib/queue/broker/arrivals.js';
import { Producer } from '../../../src/lib/queue/broker/producer.js';
import { JobSteering } from '../../../src/lib/queue/broker/steer-jobs.js';
import { LAYOUTS, markedRoute, markOf, marksOf, newestOf } from '../../../src/lib/queue/layout.js';
import type { QueueScripts } from '../../../src/lib/queue/lua/script-client.js';
import { parseJobFilter } from '../../../src/lib/queue/read/job-filter.js';
import { routesTo } from '../../../src/lib/queue/routes.js';
import type { JobSpec } from '../../../src/lib/queue/types.js';
import { useRedis } from '../../support/redis.js';
import { failed, PREFIX, QueueKit, takeOne } from '../queue/queue-kit.js';
import { Operator, openClient } from './operations-kit.js';

const NEXT = { number: newestOf(LAYOUTS).number + 1, since: '9.8.0' };
const BOTH = [...LAYOUTS, NEXT] as const;

const redis = useRedis();
let kit: QueueKit;
let newer: Producer;
let operator: Operator;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
  await kit.producer.registerQueue(kit.queue);
  // On a new connection, since scripts are defined once per connection.
  newer = new Producer(await redis.client(), PREFIX, kit.clock, BOTH);
  operator = new Operator(kit);
});
afterEach(async () => {
  await newer.close();
  await kit.close();
  await kit.client.flushall();
});

async function submitNewer(more: Partial<JobSpec> = {}): Promise<string> {
  const spec = kit.spec(more);
  await newer.submit(kit.queue, [{ spec, input: Buffer.from('input') }], false);
  return spec.id;
}

describe('revoking jobs, some of which are of a newer layout', () => {
  it('cancels all others, and counts those left alone', async () => {
    const next = await kit.consumer({ layouts: BOTH });
    next.serve(routesTo('m', 1, marksOf(BOTH)));
    const running = await submitNewer({ priority: 9 });
    await takeOne(next);
    const [own] = (await kit.submit({ priority: 8 })) as [string];
    await takeOne(next);
    const notBefore = Date.now() + 600_000;
    const left = [running, await submitNewer(), await submitNewer({ notBefore })];
    const open = await kit.submit({ priority: 5 }, {}, { notBefore });
    const filter = parseJobFilter({ queue: [kit.queue] });
    const outcome = await operator.perform(revokeJobs({ filter, detail: '' }), {
      consent: async ({ jobs, byState, newer: kept }) => {
        expect([jobs, byState, kept]).toEqual([4, { active: 1, waiting: 2, delayed: 1 }, 3]);
      },
    });
    expect(outcome).toEqual({ cancelled: 3, active: 1, ended: 0, newer: 3 });
    expect(await kit.states(open)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    expect(await kit.record(own)).toMatchObject({ state: 'active' });
    expect(await kit.states(left)).toEqual(['active', 'waiting', 'delayed']);
    const [entry] = await operator.audit();
    expect(entry).toMatchObject({
      action: 'revoke',
      count: 4,
      outcome: 'partial',
      result:
        '3 jobs cancelled, 1 running job is being stopped by its worker, 3 jobs of a newer infer left alone',
    });
  });

  it('does the same for given ids, and says why a single one cannot be cancelled', async () => {
    const id = await submitNewer();
    const [own] = (await kit.submit({})) as [string];
    const both = await operator.perform(revokeJobs({ ids: [id, own] }));
    expect(both).toEqual({ cancelled: 1, active: 0, ended: 0, newer: 1 });
    const entry = await operator.entryOf(() => operator.perform(revokeJobs({ ids: [id] })));
    expect(entry).toMatchObject({ outcome: 'failed', code: 'LAYOUT_NEWER', count: 0 });
    expect(await kit.states([id, own])).toEqual(['waiting', 'cancelled']);
  });

  it('asks for no confirmation if only such jobs match, and changes nothing', async () => {
    const id = await submitNewer();
    const filter = parseJobFilter({ queue: [kit.queue] });
    const consent = () => Promise.reject(new Error('asked'));
    const none = await operator.perform(revokeJobs({ filter, detail: '' }), { consent });
    expect(none).toEqual({ cancelled: 0, active: 0, ended: 0, newer: 1 });
    expect((await operator.audit())[0]).toMatchObject({ outcome: 'failed', count: 0, code: 'LAYOUT_NEWER' });
    expect(await kit.states([id])).toEqual(['waiting']);
  });
});

it('a group with a chunk of a newer layout is cancelled except for that chunk', async () => {
  const writer = await GroupWriter.open(kit.producer, kit.spec({ id: 'mixed', rows: 0 }));
  for (let n = 0; n < 3; n++) await writer.write({ rows: 1, tensors: [] });
  await writer.close();
  const [first, second, third] = [0, 1, 2].map((index) => chunkId('mixed', index)) as [
    string,
    string,
    string,
  ];
  await kit.client.hset(kit.base + second, 'name', `${markedRoute('m', markOf(NEXT))}#1`);
  const cancelled = await operator.entryOf(async () =>
    expect(await operator.perform(cancelWork('mixed'))).toMatchObject({
      kind: 'group',
      jobs: 2,
      newer: { jobs: 1, layout: NEXT },
    }),
  );
  const outcome = 'partial';
  const result = '2 jobs cancelled or being stopped, 1 job of a newer infer left alone';
  expect(cancelled).toMatchObject({ count: 2, outcome, code: null, result });
  expect(await kit.states([first, second, third])).toEqual(['cancelled', 'waiting', 'cancelled']);
  const message =
    '1 job of group mixed was submitted by infer 9.8.0 or newer, and this release cannot read it';
  const refused = { code: 'LAYOUT_NEWER', exitCode: 69, message };
  const again = await operator.entryOf(() =>
    expect(operator.perform(cancelWork('mixed'))).rejects.toMatchObject({
      ...refused,
      hint: 'upgrade infer here to 9.8.0 or newer',
    }),
  );
  expect(again).toMatchObject({ count: 0, outcome: 'failed', code: 'LAYOUT_NEWER' });
  const client = await openClient(redis);
  try {
    const entry = await operator.entryOf(() =>
      expect(client.cancel('mixed', { as: 'grace' })).rejects.toMatchObject(refused),
    );
    expect(entry).toMatchObject({ count: 0, outcome: 'failed', code: 'LAYOUT_NEWER', who: 'grace' });
  } finally {
    await client.close();
  }
});

describe('purging a queue with jobs of a newer layout', () => {
  const purging = () => purgeQueue(kit.queue, undefined);

  it('leaves them alone and counts them; prompt and dry run report the same', async () => {
    const notBefore = Date.now() + 600_000;
    const left = [await submitNewer({ priority: 9 }), await submitNewer({ notBefore })];
    await kit.submit({}, {}, { notBefore });
    const done = { queue: kit.queue, jobs: { waiting: 2, delayed: 1 }, newer: 2 };
    expect(await preview(purging(), operator.context)).toEqual(done);
    const consent = async ({ jobs, isExact, newer }: PurgePlan) => {
      expect({ jobs, isExact, newer }).toEqual({ jobs: done.jobs, isExact: true, newer: 2 });
    };
    const entry = await operator.entryOf(async () =>
      expect(await operator.perform(purging(), { consent })).toEqual(done),
    );
    expect(entry).toMatchObject({
      count: 3,
      outcome: 'partial',
      code: null,
      result: `purged 2 waiting and 1 delayed jobs of ${kit.queue}, 2 jobs of a newer infer left alone`,
    });
    expect(await kit.states(left)).toEqual(['waiting', 'delayed']);
  });

  it('fails if the queue has no other job', async () => {
    await submitNewer();
    const entry = await operator.entryOf(() => operator.perform(purging()));
    expect(entry).toMatchObject({ count: 0, outcome: 'failed', code: 'LAYOUT_NEWER' });
  });
});

describe('retrying several failed jobs, some of which are of a newer layout', () => {
  const all = () =>
    retryJobs({ filter: parseJobFilter({ queue: [kit.queue], state: ['failed'] }), detail: '' }, undefined);

  async function failNewer(n: number): Promise<void> {
    const next = await kit.consumer({ layouts: BOTH });
    next.serve(routesTo('m', 1, marksOf(BOTH)));
    for (let i = 0; i < n; i++) await submitNewer({ priority: 9 });
    await next.settle((await next.take(n)).map(failed));
  }

  it('leaves those alone and counts them, like a dry run', async () => {
    await failNewer(2);
    const [own] = (await kit.submit({})) as [string];
    const here = await kit.consumer();
    await here.settle([failed(await takeOne(here))]);
    const seen = await preview(all(), operator.context);
    expect(seen).toMatchObject({ counts: { [kit.queue]: 1 }, newer: 2, jobs: [{ id: own }] });
    const entry = await operator.entryOf(async () =>
      expect(await operator.perform(all())).toEqual({ retried: { [kit.queue]: 1 }, jobs: 1, newer: 2 }),
    );
    const result = '1 job waiting again, 2 jobs of a newer infer left alone';
    expect(entry).toMatchObject({ count: 1, outcome: 'partial', code: null, result });
    const none = await operator.entryOf(() => operator.perform(all()));
    expect(none).toMatchObject({ count: 0, outcome: 'failed', code: 'LAYOUT_NEWER' });
    const client = await openClient(redis);
    try {
      const nightly = await operator.entryOf(async () => expect(await client.retryFailed(kit.queue)).toBe(0));
      expect(nightly).toMatchObject({ count: 0, outcome: 'failed', code: 'LAYOUT_NEWER' });
    } finally {
      await client.close();
    }
  });

  it('refuses a single one, also in a dry run', async () => {
    const id = await submitNewer({ id: 'alone' });
    const next = await kit.consumer({ layouts: BOTH });
    next.serve(routesTo('m', 1, marksOf(BOTH)));
    await next.settle([failed(await takeOne(next))]);
    const one = retryJobs({ id }, undefined);
    await expect(preview(one, operator.context)).rejects.toMatchObject({ code: 'LAYOUT_NEWER' });
    await expect(operator.perform(one)).rejects.toMatchObject({ code: 'LAYOUT_NEWER', exitCode: 69 });
  });

  it('does the same for a group', async () => {
    const writer = await GroupWriter.open(kit.producer, kit.spec({ id: 'mixed', rows: 0 }));
    for (let n = 0; n < 2; n++) await writer.write({ rows: 1, tensors: [] });
    await writer.close();
    const here = await kit.consumer();
    await here.settle((await here.take(2)).map(failed));
    await kit.client.hset(kit.base + chunkId('mixed', 1), 'name', `${markedRoute('m', markOf(NEXT))}#1`);
    const group = retryJobs({ id: 'mixed' }, undefined);
    expect(await preview(group, operator.context)).toMatchObject({ counts: { [kit.queue]: 1 }, newer: 1 });
    expect(await operator.perform(group)).toEqual({ retried: { [kit.queue]: 1 }, jobs: 1, newer: 1 });
    await expect(operator.perform(group)).rejects.toMatchObject({ code: 'LAYOUT_NEWER' });
    await expect(preview(group, operator.context)).rejects.toMatchObject({ code: 'LAYOUT_NEWER' });
  });
});

describe('the entry of an order about one job of a newer layout has its code:', () => {
  it.each([
    ['priority', (id: string) => prioritiseJobs([id], 9)],
    ['move', (id: string) => moveJobs([id], 'elsewhere')],
  ] as const)('%s', async (_, order) => {
    const id = await submitNewer();
    const operation = order(id) as unknown as Operation<never, unknown, unknown>;
    const entry = await operator.entryOf(() => operator.perform(operation));
    expect(entry).toMatchObject({ outcome: 'failed', count: 0, code: 'LAYOUT_NEWER' });
  });
});

it('jobs that are cancelled along with one that fails are counted before the failure is thrown', async () => {
  const run = async (_: string, id: string) => {
    if (id === 'bad') throw new InferError('REDIS_FULL', 'no room');
    return id === 'running' ? ['active', 1] : ['cancelled', 1];
  };
  const scripts = { base: '', run } as unknown as QueueScripts;
  const steering = new JobSteering(kit.client, PREFIX, () => scripts, {} as Arrivals);
  const jobs = ['one', 'bad', 'running', 'two'].map((id) => ({ id, queue: kit.queue }));
  const pages: [number, number][] = [];
  const cancelling = steering.cancelAll(jobs, { onPage: (done, changed) => pages.push([done, changed]) });
  await expect(cancelling).rejects.toMatchObject({ code: 'REDIS_FULL' });
  expect(pages).toEqual([[4, 3]]);
});
