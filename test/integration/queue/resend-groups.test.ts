import { describe, expect, it } from 'vitest';
import { GroupWriter } from '../../../src/lib/client/group-writer.js';
import { systemClock } from '../../../src/lib/core/clock.js';
import { newId } from '../../../src/lib/core/job.js';
import { Producer } from '../../../src/lib/queue/broker/producer.js';
import { setGroupPriority } from '../../../src/lib/queue/broker/set-priority.js';
import {
  CANCEL_GROUP,
  CLOSE_GROUP,
  FORGET_GROUP,
  LEAVE_GROUP,
  NOTE_CHUNKS,
  OPEN_GROUP,
} from '../../../src/lib/queue/lua/group.js';
import { readGroup } from '../../../src/lib/queue/read/reader.js';
import type { GroupRecord, JobSpec } from '../../../src/lib/queue/types.js';
import { runs } from '../../support/proxy.js';
import { completed, PREFIX, takeOne } from './queue-kit.js';
import { cutAndHold, until, useResend } from './resend-kit.js';

const at = useResend();
const ROW = { rows: 1, tensors: [] };
/** More than one flush of a writer. */
const CHUNKS = 20;

const template = (id = newId('g')): JobSpec => {
  return { id, queue: at.kit.queue, model: 'm', priority: 0, resultTtl: 600, rows: 0 };
};
const key = (id: string) => `${at.kit.tag}:grp:${id}`;
const producer = () => new Producer(at.cutOff, PREFIX, systemClock);
const groupOf = async (id: string) =>
  (await readGroup(at.kit.client, PREFIX, at.kit.queue, id)) as GroupRecord;
const waiting = () => at.kit.client.zcard(`${at.kit.base}prioritized`);

async function writeAll(writer: GroupWriter, chunks = CHUNKS): Promise<void> {
  for (let n = 0; n < chunks; n++) await writer.write(ROW);
}

async function workOff(): Promise<void> {
  const consumer = await at.kit.consumer();
  for (let jobs = await consumer.take(100); jobs.length > 0; jobs = await consumer.take(100)) {
    await consumer.settle(jobs.map((job) => completed(job)));
  }
}

/** Like a sender that was silent for longer than its lease. */
async function fallSilent(id: string): Promise<void> {
  const fields = await at.kit.client.hkeys(key(id));
  for (const field of fields.filter((name) => name.startsWith('s:'))) {
    await at.kit.client.hset(key(id), field, '1');
  }
}

describe('a group whose connection is cut before an answer', () => {
  it.each([
    ['it was opened', OPEN_GROUP],
    ['chunks were noted', NOTE_CHUNKS],
    ['it was closed', CLOSE_GROUP],
  ])('stays whole after %s', async (_, script) => {
    const group = template();
    const cut = at.network.cutAfter(runs(script, group.id));
    const writer = await GroupWriter.open(producer(), group);
    expect(writer.isDuplicate).toBe(false);
    await writeAll(writer);
    expect(await writer.close()).toMatchObject({ group: group.id, rows: CHUNKS, jobs: CHUNKS });
    await cut;
    expect(await groupOf(group.id)).toMatchObject({ state: 'waiting', closed: true, model: 'm' });
    await workOff();
    expect(await groupOf(group.id)).toMatchObject({ state: 'completed', jobsCompleted: CHUNKS });
    expect(await at.kit.client.ttl(key(group.id))).toBeGreaterThan(0);
  });

  it('is known, and expires in time, when its submitter dies right after opening it', async () => {
    const group = template();
    const cut = cutAndHold(at.network, runs(OPEN_GROUP, group.id));
    GroupWriter.open(producer(), group).catch(() => undefined);
    await cut;
    at.cutOff.disconnect();
    at.network.pass();
    expect(await groupOf(group.id)).toMatchObject({ id: group.id, model: 'm', closed: false });
    expect(await at.kit.client.ttl(key(group.id))).toBeGreaterThan(0);
  });

  it.each([
    ['its sender gave up', LEAVE_GROUP],
    ['it was forgotten', FORGET_GROUP],
  ])('is withdrawn completely after %s', async (_, script) => {
    const group = template();
    const writer = await GroupWriter.open(producer(), group);
    await writeAll(writer);
    const cut = at.network.cutAfter(runs(script, group.id));
    expect(await writer.abandon()).toBe(true);
    await cut;
    expect(await at.kit.client.keys(`*${group.id}*`)).toEqual([]);
    expect(await waiting()).toBe(0);
  });

  it('is not withdrawn by a resent request once another submitter has reopened it', async () => {
    const group = template();
    const first = await GroupWriter.open(producer(), group);
    await writeAll(first);
    const cut = cutAndHold(at.network, runs(FORGET_GROUP, group.id));
    const takenBack = first.abandon();
    await cut;
    const second = await GroupWriter.open(at.kit.producer, group);
    at.network.pass();
    expect(await takenBack).toBe(true);
    await writeAll(second);
    await second.close();
    expect(await groupOf(group.id)).toMatchObject({ state: 'waiting', closed: true, jobs: CHUNKS });
    expect(await waiting()).toBe(CHUNKS);
  });

  it('is not recreated, or kept longer, by a resent request about one that has ended or is unknown', async () => {
    const { kit } = at;
    const group = template();
    const { queue, id } = group;
    const sent = { rows: 1, jobs: 1 };
    const said = [
      () => kit.producer.groups.note(queue, id, 'me', sent).catch(() => undefined),
      () => kit.producer.groups.close(queue, id, 'me', sent).catch(() => undefined),
      () => kit.producer.groups.end(queue, id, 'me', sent),
      () => kit.producer.groups.leave(queue, id, 'me'),
      () => kit.producer.groups.cancel(queue, id),
      () => setGroupPriority(kit.client, PREFIX, group, 3),
    ];
    for (const say of said) {
      await say();
      expect(await kit.client.exists(key(id))).toBe(0);
    }
    const writer = await GroupWriter.open(kit.producer, group);
    await writer.write(ROW);
    await writer.close();
    await workOff();
    const before = await groupOf(id);
    for (const say of said) {
      await say();
      expect(await kit.client.ttl(key(id))).toBeGreaterThan(0);
      expect(await groupOf(id)).toMatchObject({ state: 'completed', finishedAt: before.finishedAt });
    }
  });
});

describe('a group sent twice under one id', () => {
  it('is not withdrawn by the first sender once the second has completed it', async () => {
    const group = template();
    const first = await GroupWriter.open(producer(), group);
    await writeAll(first);
    const second = await GroupWriter.open(at.kit.producer, group);
    expect(second.isDuplicate).toBe(false);
    await writeAll(second);
    await second.close();
    expect(await first.abandon()).toBe(false);
    expect(await waiting()).toBe(CHUNKS);
    await workOff();
    expect(await groupOf(group.id)).toMatchObject({ state: 'completed', rowsDone: CHUNKS });
  });

  it.each([
    ['the first', 0],
    ['the second', 1],
  ])('continues with the other sender when %s aborts', async (_, quitter) => {
    const group = template();
    const writers = [
      await GroupWriter.open(producer(), group),
      await GroupWriter.open(at.kit.producer, group),
    ];
    const [one, two] = quitter === 0 ? writers : writers.reverse();
    await writeAll(one as GroupWriter);
    await writeAll(two as GroupWriter);
    expect(await one?.abandon()).toBe(false);
    expect(await waiting()).toBeGreaterThanOrEqual(16);
    await two?.close();
    await workOff();
    expect(await groupOf(group.id)).toMatchObject({ state: 'completed', rowsDone: CHUNKS });
  });

  it('may be closed by both senders', async () => {
    const group = template();
    const writers = [
      await GroupWriter.open(producer(), group),
      await GroupWriter.open(at.kit.producer, group),
    ];
    for (const writer of writers) {
      await writeAll(writer);
      expect(await writer.close()).toMatchObject({ rows: CHUNKS, jobs: CHUNKS });
    }
    expect(await groupOf(group.id)).toMatchObject({ closed: true, jobs: CHUNKS });
  });

  it('with different rows is refused at close, and the first one stays', async () => {
    const group = template();
    const writers = [
      await GroupWriter.open(producer(), group),
      await GroupWriter.open(at.kit.producer, group),
    ];
    await writeAll(writers[0] as GroupWriter, 3);
    await writers[0]?.close();
    await writeAll(writers[1] as GroupWriter, 2);
    await expect(writers[1]?.close()).rejects.toMatchObject({ code: 'ID_TAKEN', exitCode: 2 });
    expect(await writers[1]?.abandon()).toBe(false);
    expect(await groupOf(group.id)).toMatchObject({ closed: true, jobs: 3, rows: 3 });
  });

  it('is withdrawn by the last of its senders', async () => {
    const group = template();
    const writers = [
      await GroupWriter.open(producer(), group),
      await GroupWriter.open(at.kit.producer, group),
    ];
    for (const writer of writers) await writeAll(writer);
    expect(await writers[0]?.abandon()).toBe(false);
    expect(await writers[1]?.abandon()).toBe(true);
    expect(await at.kit.client.keys(`*${group.id}*`)).toEqual([]);
  });

  it('is withdrawn by the second sender when the first fell silent, which learns of it when it returns', async () => {
    const group = template();
    const first = await GroupWriter.open(producer(), group);
    await writeAll(first, 16);
    const second = await GroupWriter.open(at.kit.producer, group);
    await fallSilent(group.id);
    expect(await second.abandon()).toBe(true);
    const more = async () => {
      await writeAll(first, 40);
      await first.close();
    };
    await expect(more()).rejects.toMatchObject({ code: 'GROUP_GONE', exitCode: 75 });
    expect(await first.abandon()).toBe(false);
    expect(await at.kit.client.exists(key(group.id))).toBe(0);
  });
});

describe('a group with a live submitter', () => {
  it('is reported as such while no rows come, until it is closed', async () => {
    const group = template();
    const writer = await GroupWriter.open(producer(), group);
    await fallSilent(group.id);
    expect((await groupOf(group.id)).submitterGoneMs).toBeGreaterThan(15_000);
    // It renews every third of its lease.
    await until(async () => (await groupOf(group.id)).submitterGoneMs === undefined);
    await writer.write(ROW);
    await writer.close();
    expect(await groupOf(group.id)).not.toHaveProperty('submitterGoneMs');
  });
});

describe('a group whose submitter died', () => {
  async function orphan(): Promise<JobSpec> {
    const group = template();
    const writer = await GroupWriter.open(producer(), group);
    await writeAll(writer, 16);
    const consumer = await at.kit.consumer();
    await consumer.settle([completed(await takeOne(consumer))]);
    at.cutOff.disconnect();
    await fallSilent(group.id);
    return group;
  }

  it('ends when cancelled, and cannot be completed in part by sending it again', async () => {
    const group = await orphan();
    const { states } = await at.kit.producer.cancelGroup(await groupOf(group.id));
    expect(states).toEqual({ completed: 1, cancelled: 15 });
    const ended = { state: 'cancelled', closed: true, jobs: 16, jobsCompleted: 1, jobsFailed: 15 };
    expect(await groupOf(group.id)).toMatchObject(ended);
    expect(await at.kit.client.ttl(key(group.id))).toBeGreaterThan(0);
    await expect(GroupWriter.open(at.kit.producer, group)).rejects.toMatchObject({ code: 'ID_TAKEN' });
    expect(await groupOf(group.id)).toMatchObject(ended);
  });

  it('can be resumed by another submitter', async () => {
    const group = await orphan();
    const second = await GroupWriter.open(at.kit.producer, group);
    await writeAll(second);
    await second.close();
    await workOff();
    expect(await groupOf(group.id)).toMatchObject({ state: 'completed', jobs: CHUNKS, rowsDone: CHUNKS });
  });

  it('that is cancelled notifies its sender, which stops and closes it', async () => {
    const group = template();
    const writer = await GroupWriter.open(producer(), group);
    await writeAll(writer, 16);
    const cut = at.network.cutAfter(runs(CANCEL_GROUP, group.id));
    await producer().cancelGroup(await groupOf(group.id));
    await cut;
    expect(await groupOf(group.id)).toMatchObject({ state: 'cancelled', closed: false });
    await expect(GroupWriter.open(at.kit.producer, group)).rejects.toMatchObject({ code: 'ID_TAKEN' });
    await expect(writeAll(writer, 40).then(() => writer.close())).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(await writer.abandon()).toBe(true);
    expect(await groupOf(group.id)).toMatchObject({ state: 'cancelled', closed: true });
    expect(await at.kit.client.ttl(key(group.id))).toBeGreaterThan(0);
    expect(await waiting()).toBe(0);
  });
});
