import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GroupWriter } from '../../../src/lib/client/group-writer.js';
import { InferError } from '../../../src/lib/core/errors.js';
import { chunkId } from '../../../src/lib/core/job.js';
import { cancelWork } from '../../../src/lib/operations/cancel-work.js';
import { revokeJobs } from '../../../src/lib/operations/revoke-jobs.js';
import type { Arrivals } from '../../../src/lib/queue/broker/arrivals.js';
import { Producer } from '../../../src/lib/queue/broker/producer.js';
import { JobSteering } from '../../../src/lib/queue/broker/steer-jobs.js';
import { LAYOUTS, markedRoute, markOf, marksOf, newestOf } from '../../../src/lib/queue/layout.js';
import type { QueueScripts } from '../../../src/lib/queue/lua/script-client.js';
import { parseJobFilter } from '../../../src/lib/queue/read/job-filter.js';
import { routesTo } from '../../../src/lib/queue/routes.js';
import type { JobSpec } from '../../../src/lib/queue/types.js';
import { useRedis } from '../../support/redis.js';
import { PREFIX, QueueKit, takeOne } from '../queue/queue-kit.js';
import { Operator } from './operations-kit.js';

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
  it('cancels all others, and counts those that it leaves alone', async () => {
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

  it('asks for no consent where only such jobs match, and changes nothing', async () => {
    const id = await submitNewer();
    const filter = parseJobFilter({ queue: [kit.queue] });
    const consent = () => Promise.reject(new Error('asked'));
    const none = await operator.perform(revokeJobs({ filter, detail: '' }), { consent });
    expect(none).toEqual({ cancelled: 0, active: 0, ended: 0, newer: 1 });
    expect((await operator.audit())[0]).toMatchObject({ outcome: 'failed', count: 0 });
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
  expect(await operator.perform(cancelWork('mixed'))).toMatchObject({ kind: 'group', jobs: 2 });
  expect(await kit.states([first, second, third])).toEqual(['cancelled', 'waiting', 'cancelled']);
});

it('jobs that are cancelled along with one that fails are counted before the failure is thrown', async () => {
  const run = async (_: string, id: string) => {
    if (id === 'bad') throw new InferError('REDIS_FULL', 'no room');
    return id === 'running' ? 'active' : 'cancelled';
  };
  const scripts = { base: '', run } as unknown as QueueScripts;
  const steering = new JobSteering(kit.client, PREFIX, () => scripts, {} as Arrivals);
  const jobs = ['one', 'bad', 'running', 'two'].map((id) => ({ id, queue: kit.queue }));
  const pages: [number, number][] = [];
  const cancelling = steering.cancelAll(jobs, { onPage: (done, changed) => pages.push([done, changed]) });
  await expect(cancelling).rejects.toMatchObject({ code: 'REDIS_FULL' });
  expect(pages).toEqual([[4, 3]]);
});
