import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../../src/lib/core/job.js';
import { readGroup } from '../../../src/lib/queue/read/reader.js';
import type { JobSpec } from '../../../src/lib/queue/types.js';
import { useRedis } from '../../support/redis.js';
import { namedAs, overwrite } from '../queue/damage-kit.js';
import { PREFIX, type QueueKit } from '../queue/queue-kit.js';
import { WorkerKit } from './worker-kit.js';

const redis = useRedis();
let kit: WorkerKit;
let queue: QueueKit;
beforeEach(async () => {
  kit = await WorkerKit.open(redis);
  queue = kit.lanes[0] as QueueKit;
});
afterEach(() => kit.close());

/** The field of a job's data for a small input, and rows whose input is too large for it. */
const INLINE = 'i';
const MANY = 2000;

/** Changes the data of a job. */
async function alterData(id: string, change: (data: Record<string, unknown>) => unknown): Promise<void> {
  const data = JSON.parse((await queue.client.hget(queue.base + id, 'data')) ?? '') as Record<
    string,
    unknown
  >;
  change(data);
  await queue.client.hset(queue.base + id, 'data', JSON.stringify(data));
}

/** Changes the bytes of an input, wherever it is stored. */
async function alter(id: string, change: (bytes: Buffer) => Buffer): Promise<void> {
  const own = await queue.client.getBuffer(queue.inputKey(id));
  if (own !== null) await queue.client.set(queue.inputKey(id), change(own));
  else
    await alterData(id, (data) => {
      data[INLINE] = change(Buffer.from(String(data[INLINE]), 'base64')).toString('base64');
    });
}

/** The same bytes with another header of the same length. */
const withHeader = (from: string, to: string) => (bytes: Buffer) =>
  Buffer.from(bytes.toString('latin1').replace(from, to), 'latin1');

type Damage = [how: string, rows: number, damage: (id: string) => Promise<unknown>, what: RegExp];
const BYTES: [how: string, change: (bytes: Buffer) => Buffer, what: RegExp][] = [
  [
    'truncated in its data',
    (bytes) => bytes.subarray(0, -1),
    /its input cannot be read: it ends inside tensor x$/,
  ],
  ['truncated in its header', (bytes) => bytes.subarray(0, 20), /cannot be read: it ends inside its header$/],
  [
    'truncated in its length',
    (bytes) => bytes.subarray(0, 2),
    /cannot be read: it is shorter than its length field$/,
  ],
  ['truncated to nothing', (bytes) => bytes.subarray(0, 0), /cannot be read: it is empty$/],
  ['longer', (bytes) => Buffer.concat([bytes, Buffer.alloc(3)]), /cannot be read: it has 3 bytes too many$/],
  ['garbage', (bytes) => Buffer.alloc(bytes.length, 0xa5), /cannot be read: it ends inside its header$/],
  ['another header', withHeader('"rows":', '"row_":'), /cannot be read: its header is not of this form$/],
];
const DAMAGES: Damage[] = [1, MANY].flatMap((rows) =>
  BYTES.map(([how, change, what]): Damage => [how, rows, (id) => alter(id, change), what]),
);
const OTHER: Damage[] = [
  [
    'a number instead of text',
    1,
    (id) => alterData(id, (data) => Object.assign(data, { [INLINE]: 7 })),
    /its input cannot be read: the one in its field data is not text$/,
  ],
  [
    'not base64',
    1,
    (id) => alterData(id, (data) => Object.assign(data, { [INLINE]: '(((' })),
    /its input cannot be read: it is empty$/,
  ],
  [
    'a hash',
    MANY,
    (id) => overwrite(queue, queue.inputKey(id), 'hash'),
    /its input .* is a hash, not a string$/,
  ],
  [
    'a list',
    MANY,
    (id) => overwrite(queue, queue.inputKey(id), 'list'),
    /its input .* is a list, not a string$/,
  ],
];

describe('a job whose input in Redis', () => {
  it('is damaged in any form fails with JOB_DAMAGED after one attempt, and others run', async () => {
    const bad: { id: string; label: string; what: RegExp }[] = [];
    for (const [how, rows, damage, what] of [...DAMAGES, ...OTHER]) {
      const { id } = await kit.submit(0, 0, rows);
      await damage(id);
      bad.push({ id, label: `${how}, ${rows} rows`, what });
    }
    const good = await kit.submit(0);
    kit.runner.auto = () => undefined;
    await kit.start({ burst: true });
    await kit.ended;
    for (const { id, label, what } of bad) {
      const { state, failure, attempts } = await queue.record(id);
      expect({ state, code: failure?.code }, label).toEqual({ state: 'failed', code: 'JOB_DAMAGED' });
      expect(failure?.message, label).toMatch(what);
      expect(attempts, label).toBeLessThanOrEqual(1);
      expect(await namedAs(queue, id), label).toMatch(what);
      await expect(queue.producer.retry(queue.queue, [id]), label).rejects.toMatchObject({
        code: 'JOB_DAMAGED',
        message: expect.stringMatching(/cannot be repaired: its input/),
      });
      expect(await queue.producer.cancel(queue.queue, id), label).toBe('cancelled');
      expect(await queue.client.keys(`*${id}*`), label).toEqual([]);
    }
    expect(await kit.result(0, good.id)).toEqual(good.xs.map((value) => value + 0.5));
  });

  it('is missing fails with INPUT_LOST', async () => {
    const inline = await kit.submit(0, 0, 1, { attempts: 1 });
    const apart = await kit.submit(0, 0, MANY, { attempts: 1 });
    await alterData(inline.id, (data) => {
      delete data[INLINE];
    });
    await queue.client.del(queue.inputKey(apart.id));
    await kit.start({ burst: true });
    await kit.ended;
    for (const { id } of [inline, apart]) {
      expect(await queue.record(id)).toMatchObject({
        state: 'failed',
        attempts: 1,
        failure: { code: 'INPUT_LOST' },
      });
    }
  });

  it('is damaged in a chunk counts as a failed chunk of its group, and the other chunks complete', async () => {
    const group = newId('g');
    const { groups } = queue.producer;
    await groups.open({ ...queue.spec(), id: group }, 'sender');
    const chunk = (index: number, rows: number) =>
      kit.submit(0, 0, rows, {
        id: `${group}-${index}`,
        group: { id: group, index, start: index, total: 3 } as unknown as NonNullable<JobSpec['group']>,
      });
    const chunks = [await chunk(0, 1), await chunk(1, MANY), await chunk(2, 1)];
    await groups.close(queue.queue, group, 'sender', { rows: MANY + 2, jobs: 3 });
    for (const { id } of chunks.slice(0, 2)) await alter(id, (bytes) => bytes.subarray(0, -2));
    kit.runner.auto = () => undefined;
    await kit.start({ burst: true });
    await kit.ended;
    expect(await queue.states(chunks.map(({ id }) => id))).toEqual(['failed', 'failed', 'completed']);
    for (const { id } of chunks.slice(0, 2)) {
      expect((await queue.record(id)).failure).toMatchObject({ code: 'JOB_DAMAGED' });
    }
    expect(await readGroup(queue.client, PREFIX, queue.queue, group)).toMatchObject({
      state: 'failed',
      jobsCompleted: 1,
      jobsFailed: 2,
      rowsDone: 1,
    });
  });
});
