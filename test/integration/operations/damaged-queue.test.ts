import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MOST_QUEUES, MOST_WORKERS, readSnapshot } from '../../../src/lib/deployment/metrics-snapshot.js';
import { Shown } from '../../../src/lib/deployment/shown.js';
import { moveJobs } from '../../../src/lib/operations/move-jobs.js';
import type { Operation } from '../../../src/lib/operations/operation.js';
import { purgeQueue } from '../../../src/lib/operations/purge-queue.js';
import { retryJobs } from '../../../src/lib/operations/retry-jobs.js';
import { revokeJobs } from '../../../src/lib/operations/revoke-jobs.js';
import { preview } from '../../../src/lib/operations/run.js';
import { Mover, type Parked } from '../../../src/lib/queue/broker/move.js';
import { repair } from '../../../src/lib/queue/broker/repair.js';
import { bullBase, groupKey, queuesKey, queueTag } from '../../../src/lib/queue/keys.js';
import { parseJobFilter } from '../../../src/lib/queue/read/job-filter.js';
import { readJob } from '../../../src/lib/queue/read/reader.js';
import { useRedis } from '../../support/redis.js';
import { overwrite } from '../queue/damage-kit.js';
import { PREFIX, QueueKit } from '../queue/queue-kit.js';
import { Operator } from './operations-kit.js';

const redis = useRedis();
let kit: QueueKit;
let operator: Operator;
let target: string;
let targetBase: string;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
  await kit.producer.registerQueue(kit.queue);
  operator = new Operator(kit);
  target = `${kit.queue}b`;
  targetBase = bullBase(PREFIX, target);
});
afterEach(async () => {
  await kit.close();
  await kit.client.flushall();
});

const stateIn = async (queue: string, id: string) => (await readJob(kit.client, PREFIX, queue, id))?.state;
const neverStopped = new AbortController().signal;

/** A move that was cut short after its commit. */
async function commit(id: string): Promise<Mover> {
  const mover = new Mover(kit.client, PREFIX, target);
  const parked = (await mover.park(id, kit.queue)) as Parked;
  expect(await mover.takeOut(parked)).toBe('done');
  return mover;
}

describe('moving a job', () => {
  it('to a damaged queue is refused, and the job stays where it waits', async () => {
    for (const list of ['prioritized', 'delayed']) {
      const [id] = (await kit.submit({ priority: 4 })) as [string];
      await overwrite(kit, targetBase + list, 'hash');
      const entry = await operator.entryOf(() => operator.perform(moveJobs([id], target)));
      expect(entry, list).toMatchObject({ ok: false, code: 'QUEUE_DAMAGED', count: 0 });
      expect(entry.result).toContain(`queue ${target} is damaged in Redis: key ${targetBase}${list}`);
      expect(await stateIn(kit.queue, id)).toBe('waiting');
      expect(await kit.client.exists(targetBase + id, `${queueTag(PREFIX, target)}:arriving`)).toBe(0);
      await kit.client.del(targetBase + list);
      await operator.perform(moveJobs([id], target));
      expect(await stateIn(target, id)).toBe('waiting');
    }
  });

  it('from a damaged queue names that queue', async () => {
    for (const list of ['prioritized', 'delayed']) {
      const [id] = (await kit.submit({})) as [string];
      await overwrite(kit, kit.base + list, 'string');
      await expect(operator.perform(moveJobs([id], target)), list).rejects.toMatchObject({
        code: 'QUEUE_DAMAGED',
        message: expect.stringContaining(`queue ${kit.queue} is damaged in Redis: key ${kit.base}${list}`),
      });
      await kit.client.del(kit.base + list);
    }
  });

  it('of a group whose record is damaged names the group', async () => {
    const group = { id: 'g', index: 0, start: 0, total: 1 };
    await kit.submit({ id: 'g-0', group: group as never });
    await kit.client.set(groupKey(kit.tag, 'g'), 'not yours');
    await expect(operator.perform(moveJobs(['g-0'], target))).rejects.toMatchObject({
      code: 'GROUP_DAMAGED',
    });
    expect(await stateIn(kit.queue, 'g-0')).toBe('waiting');
  });

  it('counts as moved once it cannot be undone, also if the queue is damaged at that moment', async () => {
    const [id] = (await kit.submit({})) as [string];
    const { bringIn } = Mover.prototype;
    Mover.prototype.bringIn = async function (parked) {
      await overwrite(kit, `${targetBase}prioritized`, 'list');
      return bringIn.call(this, parked);
    };
    try {
      const entry = await operator.entryOf(() => operator.perform(moveJobs([id], target)));
      expect(entry).toMatchObject({ ok: false, code: 'QUEUE_DAMAGED', count: 1 });
    } finally {
      Mover.prototype.bringIn = bringIn;
    }
  });

  it('that was cut short after its commit is completed by the same move, or by a repair', async () => {
    const [first, second] = (await kit.submit({}, {})) as [string, string];
    await commit(first);
    expect(await operator.perform(moveJobs([first], target))).toMatchObject({
      jobs: [{ id: first, queue: target, outcome: 'same queue' }],
    });
    expect(await kit.client.zscore(`${targetBase}prioritized`, first)).not.toBeNull();

    await commit(second);
    // Its mover counts as lost after ten seconds of silence.
    await kit.client.zadd(`${queueTag(PREFIX, target)}:arriving`, 1, second);
    await repair(kit.client, PREFIX, target, neverStopped);
    expect(await kit.client.zcard(`${targetBase}prioritized`)).toBe(2);
  });

  it('that was cut short before its commit starts again with the same move', async () => {
    const [id] = (await kit.submit({})) as [string];
    const mover = new Mover(kit.client, PREFIX, target);
    await mover.park(id, kit.queue);
    expect(await mover.move(id, target)).toBe('moved');
    expect([await stateIn(kit.queue, id), await stateIn(target, id)]).toEqual([undefined, 'waiting']);
  });
});

describe('an action on all jobs of a queue', () => {
  it('is refused if the queue cannot be read: it is not empty', async () => {
    const queued = (state: string) => parseJobFilter({ queue: [kit.queue], state: [state] });
    const actions: [string, Operation<unknown, unknown, unknown>][] = [
      ['prioritized', revokeJobs({ filter: queued('waiting'), detail: '' }) as never],
      ['delayed', revokeJobs({ filter: queued('delayed'), detail: '' }) as never],
      ['active', revokeJobs({ filter: queued('active'), detail: '' }) as never],
      ['failed', retryJobs({ filter: queued('failed'), detail: '' }, undefined) as never],
      ['prioritized', purgeQueue(kit.queue, ['waiting']) as never],
    ];
    for (const [list, action] of actions) {
      await overwrite(kit, kit.base + list, 'hash');
      const refused = { code: 'QUEUE_DAMAGED', hint: `infer control repair ${kit.queue}` };
      await expect(operator.perform(action), list).rejects.toMatchObject(refused);
      await kit.client.del(kit.base + list);
    }
  });

  it('says so in a dry run', async () => {
    await overwrite(kit, `${kit.base}prioritized`, 'set');
    const all = parseJobFilter({ queue: [kit.queue], state: ['waiting'] });
    await expect(preview(revokeJobs({ filter: all, detail: '' }), operator.context)).rejects.toMatchObject({
      code: 'QUEUE_DAMAGED',
    });
  });

  it('is refused for a program too', async () => {
    await overwrite(kit, `${kit.base}failed`, 'list');
    await expect(kit.producer.retryFailed(kit.queue, undefined, {})).rejects.toMatchObject({
      code: 'QUEUE_DAMAGED',
    });
  });
});

it('metrics count the damaged keys and jobs of a queue', async () => {
  const read = async () => {
    const chosen = { queues: new Shown(MOST_QUEUES), workers: new Shown(MOST_WORKERS) };
    const { queues } = await readSnapshot(kit.client, PREFIX, Date.now(), chosen);
    return queues.find(({ name }) => name === kit.queue)?.damaged;
  };
  expect(await kit.client.hexists(queuesKey(PREFIX), kit.queue)).toBe(1);
  expect(await read()).toEqual({ keys: 0, jobs: 0 });
  await overwrite(kit, `${kit.base}prioritized`, 'string');
  await overwrite(kit, `${kit.base}delayed`, 'string');
  expect(await read()).toEqual({ keys: 2, jobs: 0 });
  await kit.client.del(`${kit.base}prioritized`, `${kit.base}delayed`);
  const [bad] = (await kit.submit({})) as [string];
  await overwrite(kit, kit.base + bad, 'list');
  const consumer = await kit.consumer();
  await consumer.take(10);
  expect(await read()).toEqual({ keys: 0, jobs: 1 });
});
