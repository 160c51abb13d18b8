import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GroupWriter } from '../../../src/lib/client/group-writer.js';
import { cancelWork } from '../../../src/lib/operations/cancel-work.js';
import { retryJobs } from '../../../src/lib/operations/retry-jobs.js';
import { revokeJobs } from '../../../src/lib/operations/revoke-jobs.js';
import { parseJobFilter } from '../../../src/lib/queue/read/job-filter.js';
import { useRedis } from '../../support/redis.js';
import { copyJobs } from '../queue/copy-jobs.js';
import { FAILURE, failed, QueueKit, takeOne } from '../queue/queue-kit.js';
import { Operator } from './operations-kit.js';

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

const MANY = 10_000;
const failedFilter = () => ({
  filter: parseJobFilter({ queue: [kit.queue], state: ['failed'] }),
  detail: '',
});
const failedNow = () => kit.client.zcard(`${kit.base}failed`);
const waitingNow = () => kit.client.zcard(`${kit.base}prioritized`);

/** Jobs in the failed set, as the settle script leaves them. */
async function failMany(n: number): Promise<void> {
  const [template] = (await kit.submit({})) as [string];
  const consumer = await kit.consumer();
  await consumer.settle([failed(await takeOne(consumer))]);
  await copyJobs(kit, template, 'failed', n - 1);
  expect(await failedNow()).toBe(n);
}

describe('retrying 10,000 failed jobs', { timeout: 180_000 }, () => {
  it('processes one page at a time, each job once', async () => {
    await failMany(MANY);
    const outcome = await operator.perform(retryJobs(failedFilter(), undefined));
    expect(outcome).toEqual({ retried: { [kit.queue]: MANY }, jobs: MANY, newer: 0 });
    expect([await failedNow(), await waitingNow()]).toEqual([0, MANY]);
    const steps = operator.progress.map((one) => (one.kind === 'jobs' ? one.done : 0));
    const pages = steps.map((done, i) => done - (steps[i - 1] ?? 0));
    expect(pages.length).toBeGreaterThanOrEqual(10);
    expect(Math.max(...pages)).toBeLessThanOrEqual(1000);
    const [entry] = await operator.audit();
    expect(entry).toMatchObject({ action: 'retry', target: kit.queue, count: MANY, ok: true });
  });

  it('stops after the current page when aborted, and the entry has the number not retried', async () => {
    await failMany(3000);
    const stopped = operator.perform(retryJobs(failedFilter(), undefined), {
      report: () => operator.abort(),
    });
    await expect(stopped).rejects.toThrow();
    expect([await failedNow(), await waitingNow()]).toEqual([2000, 1000]);
    const [entry] = await operator.audit();
    expect(entry).toMatchObject({ action: 'retry', count: 1000, ok: false, code: 'INTERRUPTED' });
  });

  it('works in pages for a program too', async () => {
    await failMany(1000);
    const pages: number[] = [];
    const retried = kit.producer.retryFailed(kit.queue, undefined, { onPage: (done) => pages.push(done) });
    expect(await retried).toEqual({ retried: 1000, newer: undefined });
    expect(pages.filter((done, i) => done > (pages[i - 1] ?? 0))).toEqual([200, 400, 600, 800, 1000]);
  });
});

it('a job that fails again during a bulk retry is not retried again', async () => {
  await failMany(1100);
  const consumer = await kit.consumer();
  let again = 0;
  const report = async () => {
    // Every waiting job fails at once.
    const jobs = await consumer.take(1000);
    again += jobs.length;
    await consumer.settle(jobs.map((job) => ({ ...failed(job), failure: FAILURE })));
  };
  const failing: Promise<void>[] = [];
  const outcome = await operator.perform(retryJobs(failedFilter(), undefined), {
    report: () => void failing.push(report()),
  });
  await Promise.all(failing);
  expect(outcome.jobs).toBe(1100);
  expect(again).toBeGreaterThan(0);
});

describe('revoking many jobs', () => {
  it('cancels waiting, delayed and running ones in pages, but none submitted after it was planned', async () => {
    const ids: string[] = [];
    while (ids.length < 1205) ids.push(...(await kit.submit(...Array.from({ length: 241 }, () => ({})))));
    const later = { notBefore: Date.now() + 600_000 };
    const delayed = await kit.submit(later, later);
    const consumer = await kit.consumer();
    await consumer.take(5);
    let late: string[] = [];
    const filter = parseJobFilter({ queue: [kit.queue] });
    const outcome = await operator.perform(revokeJobs({ filter, detail: '' }), {
      consent: async ({ jobs, byState }) => {
        expect([jobs, byState]).toEqual([1207, { active: 5, waiting: 1200, delayed: 2 }]);
        await kit.tick();
        late = await kit.submit({});
      },
    });
    expect(outcome).toEqual({ cancelled: 1202, active: 5, ended: 0, newer: 0 });
    expect(await kit.states(late)).toEqual(['waiting']);
    expect(await kit.states(delayed)).toEqual(['cancelled', 'cancelled']);
    expect((await kit.states(ids)).filter((state) => state === 'cancelled')).toHaveLength(1200);
    const steps = operator.progress.map((one) => (one.kind === 'jobs' ? one.done : 0));
    expect(Math.max(...steps.map((done, i) => done - (steps[i - 1] ?? 0)))).toBeLessThanOrEqual(100);
  });
});

it('a group of many chunks is cancelled in pages, between which it can be aborted', async () => {
  const writer = await GroupWriter.open(kit.producer, kit.spec({ id: 'large', rows: 0 }));
  for (let n = 0; n < 250; n++) await writer.write({ rows: 1, tensors: [] });
  await writer.close();
  const stop = operator.perform(cancelWork('large'), { report: () => operator.abort() });
  await expect(stop).rejects.toThrow();
  expect(await waitingNow()).toBe(150);
  const again = new Operator(kit);
  expect(await again.perform(cancelWork('large'))).toMatchObject({
    kind: 'group',
    state: 'failed',
    jobs: 150,
  });
  expect((await again.audit()).map(({ count, ok }) => [count, ok])).toEqual([
    [150, true],
    [100, false],
  ]);
});
