import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GroupWriter } from '../../../src/lib/client/group-writer.js';
import { refuseForeignChunks } from '../../../src/lib/client/id-taken.js';
import { forgetJobs } from '../../../src/lib/queue/broker/forget.js';
import { BrokerResults } from '../../../src/lib/queue/broker/result-store.js';
import { listQueues, readGroup } from '../../../src/lib/queue/read/reader.js';
import type { GroupRecord, JobSpec } from '../../../src/lib/queue/types.js';
import { useRedis } from '../../support/redis.js';
import { completed, failed, PREFIX, QueueKit, takeOne } from './queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
let groups = 0;
let id = '';
beforeAll(async () => {
  kit = await QueueKit.open(redis);
});
beforeEach(() => {
  groups += 1;
  id = `order${groups}`;
});
afterAll(() => kit.close());

/** `n` tells one from another. */
const row = (n = 0) => ({ rows: 1, tensors: [], wanted: [`y${n}`] });
const template = (more: Partial<JobSpec> = {}): JobSpec => kit.spec({ id, rows: 0, owner: 'alice', ...more });
/** As a submit opens it whose caller chose the id. */
const open = (spec: JobSpec) =>
  GroupWriter.open(kit.producer, spec, {
    check: (chunks) => refuseForeignChunks(kit.client, PREFIX, spec, chunks),
  });
/** As a release writes it that does not look. */
async function written(jobs: number): Promise<GroupRecord> {
  const writer = await GroupWriter.open(kit.producer, template());
  for (let n = 0; n < jobs; n++) await writer.write(row(n));
  await writer.close();
  return groupOf();
}
const groupOf = async () => (await readGroup(kit.client, PREFIX, kit.queue, id)) as GroupRecord;

describe('a group whose chunk would have an id that is taken', () => {
  it.each([
    ['a job of someone else', { owner: 'bob' }],
    ['a job of the same submitter', { owner: 'alice' }],
  ])('fails at once, and does not change it: %s', async (_, other) => {
    await kit.submit({ id: `${id}-1`, ...other });
    const writer = await open(template());
    for (let n = 0; n < 3; n++) await writer.write(row(n));
    await expect(writer.close()).rejects.toMatchObject({
      code: 'ID_TAKEN',
      message: expect.stringContaining(`${id}-1`),
    });
    await writer.abandon();
    expect((await kit.record(`${id}-1`)).state).toBe('waiting');
    // Nothing of it is left but the other's job.
    expect(await groupOf()).toBeUndefined();
    expect(await kit.client.exists(`${kit.base}${id}-0`, `${kit.base}${id}-2`)).toBe(0);
    await kit.producer.cancel(kit.queue, `${id}-1`);
  });

  it('also fails if the id is taken in another queue, or by a group', async () => {
    const elsewhere = `${kit.queue}-other`;
    const spec = kit.spec({ id: `${id}-0`, queue: elsewhere });
    await kit.producer.submit(elsewhere, [{ spec, input: Buffer.from('input') }], false);
    await kit.producer.registerQueue(elsewhere);
    expect(await listQueues(kit.client, PREFIX)).toContain(elsewhere);
    const writer = await open(template());
    await writer.write(row());
    await expect(writer.close()).rejects.toMatchObject({ code: 'ID_TAKEN' });
    await writer.abandon();
    await kit.producer.cancel(elsewhere, `${id}-0`);

    const inner = await open(template({ id: `${id}x-0` }));
    const outer = await open(template({ id: `${id}x` }));
    await kit.producer.registerQueue(kit.queue);
    await outer.write(row());
    await expect(outer.close()).rejects.toMatchObject({ code: 'ID_TAKEN' });
    await outer.abandon();
    await inner.abandon();
  });

  it('fails while chunks of an earlier group with this id are kept', async () => {
    await written(1);
    const consumer = await kit.consumer();
    await consumer.settle([failed(await takeOne(consumer))]);
    await kit.client.del(`${kit.tag}:grp:${id}`);
    await kit.tick();
    const writer = await open(template());
    await writer.write(row());
    await expect(writer.close()).rejects.toMatchObject({ code: 'ID_TAKEN' });
    await writer.abandon();
    expect((await kit.record(`${id}-0`)).state).toBe('failed');
  });

  it('never mixes two requests that are sent with its id at the same time', async () => {
    const spec = template({ digest: 'request' });
    const [one, two, same] = [await open(spec), await open(spec), await open(spec)];
    await one.write(row(1));
    await two.write(row(2));
    await same.write(row(1));
    await one.close('rows of one');
    await expect(two.close('rows of two')).rejects.toMatchObject({ code: 'ID_TAKEN' });
    await two.abandon();
    expect(await same.close('rows of one')).toMatchObject({ rows: 1, jobs: 1 });
    expect(await groupOf()).toMatchObject({ closed: true, rows: 1, content: 'rows of one' });
    await kit.producer.cancelGroup(await groupOf());
  });

  it('closed with the same number of different rows is another group', async () => {
    const first = await GroupWriter.open(kit.producer, template());
    const second = await GroupWriter.open(kit.producer, template());
    await first.write(row());
    await second.write(row());
    await first.close('rows of one');
    await expect(second.close('rows of two')).rejects.toMatchObject({ code: 'ID_TAKEN' });
    await kit.producer.cancelGroup(await groupOf());
  });
});

describe('an action on a group does not affect a job that has the id of a chunk', () => {
  it('cancel', async () => {
    await kit.submit({ id: `${id}-0`, owner: 'bob' });
    const group = await written(2);
    await kit.producer.cancelGroup(group);
    expect(await kit.states([`${id}-0`, `${id}-1`])).toEqual(['waiting', 'cancelled']);
    await kit.producer.cancel(kit.queue, `${id}-0`);
  });

  it('retry and delete', async () => {
    await kit.submit({ id: `${id}-0`, owner: 'bob' });
    const group = await written(2);
    const consumer = await kit.consumer();
    await consumer.settle((await consumer.take(2)).map(failed));
    expect(await kit.states([`${id}-0`, `${id}-1`])).toEqual(['failed', 'failed']);
    expect(await kit.producer.retryGroup(group)).toMatchObject({ retried: 1 });
    expect(await kit.states([`${id}-0`, `${id}-1`])).toEqual(['failed', 'waiting']);
    await consumer.settle([failed(await takeOne(consumer))]);
    const results = new BrokerResults(kit.client, PREFIX);
    const ids = [`${id}-0`, `${id}-1`];
    expect(await forgetJobs(kit.client, PREFIX, kit.queue, ids, results, group)).toBe(1);
    expect(await kit.client.exists(kit.base + ids[0])).toBe(1);
    expect(await kit.client.exists(kit.base + ids[1])).toBe(0);
    // By its own id it is.
    expect(await forgetJobs(kit.client, PREFIX, kit.queue, [`${id}-0`], results)).toBe(1);
  });

  it('nor a chunk of an earlier group with the same id', async () => {
    await kit.submit({ id: `${id}-0`, owner: 'bob', group: { id, index: 0, firstRow: 0 } });
    const group = await written(2);
    await kit.producer.cancelGroup(group);
    expect(await kit.states([`${id}-0`, `${id}-1`])).toEqual(['waiting', 'cancelled']);
    await kit.producer.cancel(kit.queue, `${id}-0`);
  });

  it('the time that results are kept', async () => {
    await kit.submit({ id: `${id}-0`, owner: 'bob', resultTtl: 5000 });
    const consumer = await kit.consumer();
    await consumer.settle([completed(await takeOne(consumer))]);
    await written(2);
    // As if the other were all of it, so that it ends.
    await kit.client.hset(`${kit.tag}:grp:${id}`, 'jobs', 1);
    await consumer.settle([completed(await takeOne(consumer))]);
    expect((await groupOf()).state).toBe('completed');
    expect(await kit.client.ttl(kit.resultKey(`${id}-0`))).toBeGreaterThan(4000);
  });
});
