import { beforeAll, describe, expect, it } from 'vitest';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { useRedis } from '../../support/redis.js';
import { copyJobs } from '../queue/copy-jobs.js';
import { failed, QueueKit, takeOne } from '../queue/queue-kit.js';
import { useDashboard } from './dashboard-kit.js';

const WAITING = 12_000;
const FAILED = 6000;
/** All but one of them. */
const URGENT = WAITING - 1;

const redis = useRedis();
const dashboard = useDashboard(redis, { tokens: true, control: true, prefix: 'test' });
let client: RedisClient;
let queue: string;

const post = (address: string, json: unknown) => dashboard.ask(address, { json, as: 'operator' });

/** A preview, and how many records Redis read for it. */
async function previewOf(action: object) {
  await client.config('RESETSTAT');
  const { status, body } = await post('/api/actions/preview', action);
  expect(status, JSON.stringify(body)).toBe(200);
  const stats = await client.info('commandstats');
  const calls = (name: string) => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
  return { ...body, records: calls('hmget') + calls('hgetall') };
}

beforeAll(async () => {
  const kit = await QueueKit.open(redis);
  queue = kit.queue;
  client = await redis.client('worker');
  await kit.producer.registerQueue(queue);
  const [first] = (await kit.submit({ priority: 9 })) as [string];
  await copyJobs(kit, first, 'prioritized', WAITING - 1);
  const consumer = await kit.consumer();
  await consumer.settle([failed(await takeOne(consumer))]);
  await copyJobs(kit, first, 'failed', FAILED - 1);
  await kit.submit({ priority: 2 });
  return () => kit.close();
}, 120_000);

describe('a preview of many jobs', () => {
  it.each([
    [
      'cancel',
      () => ({ action: 'cancel', filter: { queue, state: 'waiting' } }),
      () => ({
        text: `Cancels at most 12,000 waiting jobs of queue ${queue}.`,
        count: WAITING,
        bound: 'most',
      }),
    ],
    [
      'cancel of an age',
      () => ({ action: 'cancel', filter: { queue, olderThan: '1h' } }),
      () => ({
        text: `Cancels an unknown number of jobs of queue ${queue} older than 1h. 9,500 more jobs were not read and may match too.`,
        count: 0,
        bound: 'least',
      }),
    ],
    [
      'retry',
      () => ({ action: 'retry', filter: { queue } }),
      () => ({
        text: `Runs at most 6,000 failed jobs of queue ${queue} again.`,
        count: FAILED,
        bound: 'most',
      }),
    ],
    [
      'retry of an error',
      () => ({ action: 'retry', filter: { queue, error: 'RUN_FAILED' } }),
      () => ({
        text: `Runs at least 2,500 failed jobs of queue ${queue} with error RUN_FAILED again. 3,500 more jobs were not read and may match too.`,
        count: 2500,
        bound: 'least',
      }),
    ],
    [
      'purge',
      () => ({ action: 'purge', queue, states: ['waiting', 'failed'] }),
      () => ({
        text: `Cancels at most 12,000 waiting and deletes at most 6,000 failed jobs of queue ${queue}.`,
        count: WAITING + FAILED,
        bound: 'most',
      }),
    ],
    [
      'cancel of a few',
      () => ({ action: 'cancel', filter: { queue, priority: '0..3' } }),
      () => ({ text: `Cancels 1 job of queue ${queue} with priority 0..3.`, count: 1, bound: 'exact' }),
    ],
  ])('(%s) reads a bounded number of them, and says what its number is', async (_, action, shown) => {
    const { records, ...preview } = await previewOf(action());
    expect(preview).toMatchObject(shown());
    expect(records).toBeLessThan(2600);
  });
});

it('an action on many jobs is answered while it is in progress, and can be asked for until its end', async () => {
  const action = { action: 'cancel', filter: { queue, state: 'waiting', priority: '9' } };
  const { ticket } = await previewOf(action);
  // This connection outlasts a silence of the machine, which would leave Redis paused.
  const admin = await redis.client('worker');
  // As long as nothing may be changed, it makes no progress.
  await admin.call('CLIENT', 'PAUSE', '110000', 'WRITE');
  let begun: Awaited<ReturnType<typeof post>>;
  try {
    begun = await post('/api/actions', { action, ticket });
    expect(begun.status, JSON.stringify(begun.body)).toBe(202);
    expect(begun.body).toMatchObject({
      state: 'running',
      done: 0,
      total: URGENT,
      isMost: true,
      who: 'operator',
    });
    const { actions } = await dashboard.snapshot(({ actions }) => actions.length > 0, { as: 'looker' });
    expect(actions[0]).toMatchObject({ id: begun.body.id, state: 'running' });
  } finally {
    await admin.call('CLIENT', 'UNPAUSE');
  }
  const state = async () => (await dashboard.ask(`/api/actions/${begun.body.id}`, { as: 'operator' })).body;
  await expect.poll(async () => (await state()).state, { timeout: 60_000 }).not.toBe('running');
  expect(await state()).toMatchObject({ state: 'ok', done: URGENT, result: '11,999 jobs cancelled' });
}, 120_000);
