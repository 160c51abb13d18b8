import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Operation } from '../../../src/lib/operations/operation.js';
import { purgeQueue } from '../../../src/lib/operations/purge-queue.js';
import { retryJobs } from '../../../src/lib/operations/retry-jobs.js';
import { revokeJobs } from '../../../src/lib/operations/revoke-jobs.js';
import { preview } from '../../../src/lib/operations/run.js';
import { MOST_READ } from '../../../src/lib/queue/read/job-estimate.js';
import { type JobFilterInput, parseJobFilter } from '../../../src/lib/queue/read/job-filter.js';
import { useRedis } from '../../support/redis.js';
import { copyJobs } from '../queue/copy-jobs.js';
import { failed, QueueKit, takeOne } from '../queue/queue-kit.js';
import { Operator } from './operations-kit.js';

const MANY = 20_000;
/** Commands besides those that read records: names of queues and models, sizes, positions. */
const FEW = 60;

const redis = useRedis();
let kit: QueueKit;
let operator: Operator;

const named = (more: JobFilterInput = {}) => ({
  filter: parseJobFilter({ queue: [kit.queue], ...more }),
  detail: '',
});
const revoking = (more?: JobFilterInput) => revokeJobs(named(more));
const retrying = (more?: JobFilterInput) => retryJobs(named({ ...more, state: ['failed'] }), undefined);

/** The plan of an operation, and how many commands Redis ran for it. */
async function planOf<Plan>(operation: Operation<Plan, unknown, unknown>) {
  await kit.client.config('RESETSTAT');
  const plan = await operation.plan(operator.context);
  const stats = await kit.client.info('commandstats');
  let commands = 0;
  for (const [, calls] of stats.matchAll(/^cmdstat_(?!config|info)\S+:calls=(\d+)/gm))
    commands += Number(calls);
  return { plan, commands };
}

async function open(): Promise<void> {
  kit = await QueueKit.open(redis);
  await kit.producer.registerQueue(kit.queue);
  operator = new Operator(kit);
}

async function failOne(): Promise<string> {
  const [id] = (await kit.submit({ priority: 9 })) as [string];
  const consumer = await kit.consumer();
  await consumer.settle([failed(await takeOne(consumer))]);
  return id;
}

describe('what an action on 20,000 jobs would change', { timeout: 120_000 }, () => {
  beforeAll(async () => {
    await open();
    await copyJobs(kit, await failOne(), 'failed', MANY - 1);
    const [template] = (await kit.submit({ priority: 4 })) as [string];
    await copyJobs(kit, template, 'prioritized', MANY - 1);
    await kit.submit({ priority: 7 }, { priority: 7 });
    return async () => {
      await kit.close();
      await kit.client.flushall();
    };
  }, 120_000);

  it('is told by the sizes of the indexes where these hold what the filter asks for', async () => {
    const all = await planOf(revoking({ state: ['waiting'] }));
    expect(all.plan).toMatchObject({ jobs: MANY + 2, bound: 'most', byState: { waiting: MANY + 2 } });
    const some = await planOf(revoking({ state: ['waiting'], priority: ['4'] }));
    expect(some.plan).toMatchObject({ jobs: MANY, bound: 'most' });
    const again = await planOf(retrying());
    expect(again.plan.estimate).toMatchObject({ jobs: MANY, bound: 'most' });
    const purged = await planOf(purgeQueue(kit.queue, ['waiting', 'failed']));
    expect(purged.plan).toMatchObject({ jobs: { waiting: MANY + 2, failed: MANY }, isExact: false });
    for (const { commands } of [all, some, again, purged]) expect(commands).toBeLessThan(FEW);
  });

  it('is exact where few are selected, however many there are', async () => {
    const few = await planOf(revoking({ state: ['waiting'], priority: ['5..9'] }));
    expect(few.plan).toMatchObject({ jobs: 2, bound: 'exact', byState: { waiting: 2 }, unread: 0 });
    const none = await planOf(revoking({ state: ['delayed', 'active'] }));
    expect(none.plan).toMatchObject({ jobs: 0, bound: 'exact' });
    for (const { commands } of [few, none]) expect(commands).toBeLessThan(FEW);
  });

  it('is a lower bound where records must be read, of which a bounded number is', async () => {
    const old = await planOf(revoking({ state: ['waiting'], olderThan: '1h' }));
    expect(old.plan).toMatchObject({ jobs: 0, bound: 'least', unread: MANY + 2 - MOST_READ });
    const failures = await planOf(retrying({ error: 'RUN_FAILED' }));
    expect(failures.plan.estimate).toMatchObject({
      jobs: MOST_READ,
      bound: 'least',
      unread: MANY - MOST_READ,
    });
    for (const { commands } of [old, failures]) {
      expect(commands).toBeGreaterThan(MOST_READ);
      expect(commands).toBeLessThan(MOST_READ + 2 * FEW);
    }
  });

  it('is counted to the last job by a dry run', async () => {
    expect(await preview(revoking({ state: ['waiting'] }), operator.context)).toEqual({
      jobs: MANY + 2,
      byState: { waiting: MANY + 2 },
      ended: 0,
      newer: 0,
    });
    expect(await preview(retrying({ error: 'RUN_FAILED' }), operator.context)).toMatchObject({
      counts: { [kit.queue]: MANY },
    });
  });
});

describe('an action whose plan is a bound', { timeout: 120_000 }, () => {
  beforeEach(open);
  afterEach(async () => {
    await kit.close();
    await kit.client.flushall();
  });
  const many = 3000;
  const waiting = () => kit.client.zcard(`${kit.base}prioritized`);

  it('reports exactly what it did', async () => {
    const [template] = (await kit.submit({})) as [string];
    await copyJobs(kit, template, 'prioritized', many - 1);
    const consent = async ({ bound }: { bound: string }) => expect(bound).toBe('most');
    const outcome = await operator.perform(revoking(), { consent });
    expect(outcome).toEqual({ cancelled: many, active: 0, ended: 0, newer: 0 });
    expect((await operator.audit())[0]).toMatchObject({ count: many, result: '3,000 jobs cancelled' });
    expect(operator.progress.at(-1)).toEqual({ kind: 'jobs', done: many, changed: many, total: many });
  });

  it('cancels no more than it may, whatever matches by then', async () => {
    const [template] = (await kit.submit({})) as [string];
    await copyJobs(kit, template, 'prioritized', many - 1);
    const outcome = await operator.perform(revokeJobs(named(), { most: 150 }));
    expect(outcome).toMatchObject({ cancelled: 150, active: 0 });
    expect(await waiting()).toBe(many - 150);
  });

  it('runs all failed jobs again that match, also those that were not counted', async () => {
    await copyJobs(kit, await failOne(), 'failed', many - 1);
    const outcome = await operator.perform(retrying({ error: 'RUN_FAILED' }));
    expect(outcome).toEqual({ retried: { [kit.queue]: many }, jobs: many, newer: 0 });
    expect(await waiting()).toBe(many);
  });
});
