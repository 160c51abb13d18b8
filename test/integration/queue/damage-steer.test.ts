import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { judgeDamage } from '../../../src/lib/doctor/checks/damage.js';
import { Mover } from '../../../src/lib/queue/broker/move.js';
import { purge } from '../../../src/lib/queue/broker/purge.js';
import { BrokerResults } from '../../../src/lib/queue/broker/result-store.js';
import { setPriority } from '../../../src/lib/queue/broker/set-priority.js';
import { watchEnd } from '../../../src/lib/queue/broker/watch.js';
import { readDamage } from '../../../src/lib/queue/damage.js';
import { readGroupDetail } from '../../../src/lib/queue/read/group-detail.js';
import { snapshotQueue } from '../../../src/lib/queue/read/inspector.js';
import { readJobDetail } from '../../../src/lib/queue/read/job-detail.js';
import { parseJobFilter } from '../../../src/lib/queue/read/job-filter.js';
import { scanJobs, sortJobs } from '../../../src/lib/queue/read/job-list.js';
import { locate, readGroup, readJob } from '../../../src/lib/queue/read/reader.js';
import { samplePool } from '../../../src/lib/queue/read/sample.js';
import { beat, listWorkers } from '../../../src/lib/queue/registry.js';
import { useRedis } from '../../support/redis.js';
import { expectSetAside, namedAs, overwrite, WRONG_VALUES, workOff } from './damage-kit.js';
import { completed, idsOf, PREFIX, QueueKit, takeOne } from './queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(() => kit.close());

const places = async (id: string) => [
  await kit.client.zscore(`${kit.base}prioritized`, id),
  await kit.client.zscore(`${kit.base}failed`, id),
  await kit.client.exists(kit.base + id, kit.inputKey(id)),
];

describe('retrying a damaged job', () => {
  it('repairs its numbers, removes it from the register and runs it at its own priority', async () => {
    const consumer = await kit.consumer();
    for (const [field, junk] of [
      ['priority', 'high'],
      ['timestamp', 'now'],
      ['atm', ''],
      ['ats', 'many'],
      ['stc', '1.5'],
    ] as const) {
      const [bad] = (await kit.submit({ priority: 7 }, { priority: 5 })) as [string, string];
      await kit.client.hset(kit.base + bad, field, junk);
      await workOff(consumer);
      await expectSetAside(kit, bad);
      expect(await kit.producer.retry(kit.queue, [bad]), field).toBe(1);
      expect(await namedAs(kit, bad)).toBe('');
      expect(await kit.record(bad)).toMatchObject({ state: 'waiting', priority: 7 });
      expect(await kit.client.ttl(kit.base + bad)).toBe(-1);
      expect(await workOff(consumer)).toEqual([bad]);
    }
  });

  it('reports one that cannot be repaired, and runs the others', async () => {
    const consumer = await kit.consumer();
    const ids = (await kit.submit({}, {}, {}, {})) as [string, string, string, string];
    const [noHash, noJson, noRecord, sound] = ids;
    await overwrite(kit, kit.base + noHash, 'list');
    await kit.client.hset(kit.base + noJson, 'data', '{');
    await kit.client.del(kit.base + noRecord);
    await kit.client.hset(kit.base + sound, 'stc', 'x');
    await workOff(consumer);
    for (const bad of [noHash, noJson, noRecord]) {
      await expect(kit.producer.retry(kit.queue, [bad])).rejects.toMatchObject({
        code: 'JOB_DAMAGED',
        hint: `infer cancel ${bad}, then submit it again`,
      });
    }
    expect(await kit.producer.retry(kit.queue, ids)).toBe(1);
    expect(await workOff(consumer)).toEqual([sound]);
  });
});

describe('cancelling a damaged job', () => {
  it('deletes it with everything stored for it, whether a worker found it or not', async () => {
    const consumer = await kit.consumer();
    for (const found of [true, false]) {
      for (const value of WRONG_VALUES.filter((one) => one !== 'hash')) {
        const [bad, sound] = (await kit.submit({ input: Buffer.alloc(5000) }, {})) as [string, string];
        await overwrite(kit, kit.base + bad, value);
        if (found) await workOff(consumer);
        expect(await kit.producer.cancel(kit.queue, bad), value).toBe('cancelled');
        expect([await namedAs(kit, bad), await places(bad)]).toEqual(['', [null, null, 0]]);
        expect(await kit.producer.cancel(kit.queue, bad)).toBeUndefined();
        if (!found) expect(await workOff(consumer)).toEqual([sound]);
      }
    }
  });
});

describe('a bulk operation that meets a damaged job', () => {
  it('deletes it with the others when purging', async () => {
    const ids = await kit.submit({}, {}, {});
    await overwrite(kit, kit.base + ids[1], 'string');
    expect(
      await purge(kit.client, PREFIX, kit.queue, { states: ['waiting'], now: Date.now() + 1000 }),
    ).toEqual({ jobs: { waiting: 3 }, newer: 0 });
    expect(await kit.client.zcard(`${kit.base}prioritized`)).toBe(0);
    expect(await places(ids[1] as string)).toEqual([null, null, 0]);
    const failing = (await kit.submit({}, {})) as [string, string];
    for (const id of failing) await overwrite(kit, kit.base + id, 'list');
    await workOff(await kit.consumer());
    expect(
      await purge(kit.client, PREFIX, kit.queue, { states: ['failed'], now: Date.now() + 1000 }),
    ).toEqual({ jobs: { failed: 2 }, newer: 0 });
    expect(await readDamage(kit.client, PREFIX, kit.queue)).toMatchObject({
      jobs: [],
      jobCount: 0,
      keys: [],
    });
  });

  it('skips it when setting a priority or moving', async () => {
    const ids = (await kit.submit({}, {}, {})) as [string, string, string];
    await overwrite(kit, kit.base + ids[1], 'string');
    expect(await setPriority(kit.client, PREFIX, kit.queue, ids, 8)).toEqual([
      'changed',
      'not waiting',
      'changed',
    ]);
    const mover = new Mover(kit.client, PREFIX, `${kit.queue}b`);
    const moved = await Promise.allSettled(ids.map((id) => mover.move(id, kit.queue)));
    expect(moved.map((one) => (one.status === 'fulfilled' ? one.value : 'refused'))).toEqual([
      'moved',
      'unknown',
      'moved',
    ]);
  });

  it('counts it as failed in its group, which ends, whatever part is damaged', async () => {
    const consumer = await kit.consumer();
    const damages: ((key: string) => Promise<unknown>)[] = [
      (key) => overwrite(kit, key, 'list'),
      (key) => kit.client.del(key),
      (key) => kit.client.hset(key, 'data', 'junk'),
      (key) => kit.client.hset(key, 'data', '{"s":{"model":"m","group":7}}'),
      (key) => kit.client.hset(key, 'stc', 'junk'),
    ];
    for (const [n, damage] of damages.entries()) {
      const group = `g${n}`;
      const { groups } = kit.producer;
      await groups.open({ ...kit.spec(), id: group }, 'sender');
      const chunks = [0, 1, 2].map((index) => ({ id: group, index, start: index, total: 3 }));
      await kit.submit(...chunks.map((chunk) => ({ id: `${group}-${chunk.index}`, group: chunk as never })));
      await groups.close(kit.queue, group, 'sender', { rows: 3, jobs: 3 });
      await damage(`${kit.base}${group}-1`);
      expect((await workOff(consumer)).sort()).toEqual([`${group}-0`, `${group}-2`]);
      expect(await readGroup(kit.client, PREFIX, kit.queue, group)).toMatchObject({
        state: 'failed',
        jobsCompleted: 2,
        jobsFailed: 1,
      });
      const detail = await readGroupDetail(kit.client, PREFIX, kit.queue, group);
      expect(detail?.chunks).toMatchObject({ completed: 2 });
    }
  });
});

describe('readers of damaged data', () => {
  it('list, find and show a damaged job as failed, along with all others', async () => {
    const consumer = await kit.consumer();
    await kit.client.hset(`{${PREFIX}}:queues`, kit.queue, '{}');
    const ids = (await kit.submit({}, {}, {}, {})) as [string, string, string, string];
    const done = await takeOne(consumer);
    await consumer.settle([completed(done)]);
    const [, noHash, junk, sound] = ids;
    await overwrite(kit, kit.base + noHash, 'set');
    await kit.client.hset(
      kit.base + junk,
      'timestamp',
      'x',
      'm',
      '{',
      'f',
      '[',
      'ats',
      'y',
      'st',
      'z',
      'priority',
      '',
    );
    const filter = parseJobFilter({ queue: [kit.queue], state: ['waiting', 'failed', 'completed'] });
    for (const found of [false, true]) {
      if (found) await workOff(consumer);
      const { jobs } = await scanJobs(kit.client, PREFIX, filter, { limit: 50 });
      expect(jobs.map(({ id }) => id).sort(), String(found)).toEqual([...ids].sort());
      for (const job of jobs)
        for (const at of [job.submittedAt, job.priority, job.attempts]) expect(at).not.toBeNaN();
      expect((await sortJobs(kit.client, PREFIX, filter, { by: 'age', limit: 9 })).jobs.length).toBe(
        jobs.length,
      );
      expect(await readJob(kit.client, PREFIX, kit.queue, noHash)).toMatchObject({
        state: 'failed',
        failure: { code: 'JOB_DAMAGED' },
      });
      const results = new BrokerResults(kit.client, PREFIX);
      expect(await readJobDetail(kit.client, PREFIX, kit.queue, noHash, results)).toMatchObject({
        id: noHash,
      });
      expect(await locate(kit.client, PREFIX, noHash, [kit.queue])).toEqual({
        queue: kit.queue,
        kind: 'job',
      });
      expect(await watchEnd(kit.client, PREFIX, kit.queue, noHash, 'list', 'job')).toBe('ended');
    }
    expect(await kit.record(sound)).toMatchObject({ state: 'completed' });
    await overwrite(kit, kit.resultKey(sound), 'hash');
    await expect(new BrokerResults(kit.client, PREFIX).read(kit.queue, sound)).rejects.toMatchObject({
      code: 'JOB_DAMAGED',
      message: expect.stringContaining(kit.resultKey(sound)) as string,
    });
  });

  it('find a job whose record has disappeared, and say what happened to it', async () => {
    const [bad] = (await kit.submit({}, {})) as [string, string];
    await kit.client.del(kit.base + bad);
    await workOff(await kit.consumer());
    expect(await locate(kit.client, PREFIX, bad, ['other', kit.queue])).toEqual({
      queue: kit.queue,
      kind: 'job',
    });
    expect((await kit.record(bad)).failure?.message).toContain('its record is missing');
  });

  it('report a damaged group, and do not touch its chunks', async () => {
    const { groups } = kit.producer;
    for (const value of WRONG_VALUES.filter((one) => one !== 'hash')) {
      const group = `g${value}`;
      await groups.open({ ...kit.spec(), id: group }, 'sender');
      const chunk = { id: group, index: 0 } as never;
      await kit.submit({ id: `${group}-0`, group: chunk });
      await overwrite(kit, `${kit.tag}:grp:${group}`, value);
      expect(await workOff(await kit.consumer())).toEqual([`${group}-0`]);
      const named = {
        code: 'GROUP_DAMAGED',
        message: expect.stringContaining(`${kit.tag}:grp:${group}`) as string,
      };
      await expect(readGroup(kit.client, PREFIX, kit.queue, group)).rejects.toMatchObject(named);
      await expect(groups.close(kit.queue, group, 'sender', { rows: 1, jobs: 1 })).rejects.toMatchObject(
        named,
      );
    }
    await groups.open({ ...kit.spec(), id: 'gnum' }, 'sender');
    await kit.client.hset(`${kit.tag}:grp:gnum`, 'jobs', 'all');
    await expect(readGroup(kit.client, PREFIX, kit.queue, 'gnum')).rejects.toMatchObject({
      code: 'GROUP_DAMAGED',
    });
  });

  it('count all readable parts of a queue, and name each damaged key', async () => {
    const parts = [
      'prioritized',
      'wait',
      'active',
      'delayed',
      'completed',
      'failed',
      'meta',
      'id',
      'pc',
      'events',
    ];
    for (const part of parts) await overwrite(kit, kit.base + part, part === 'events' ? 'zset' : 'string');
    for (const part of ['expired', 'cancelled', 'deadlines', 'arriving']) {
      await overwrite(kit, `${kit.tag}:${part}`, 'list');
    }
    const now = Date.now();
    const bucket = Math.floor(now / 10_000);
    for (const name of ['stats', 'work']) await overwrite(kit, `${kit.tag}:${name}:${bucket}`, 'string');
    expect(await snapshotQueue(kit.client, PREFIX, kit.queue, now)).toMatchObject({
      waiting: 0,
      active: 0,
      failed: 0,
    });
    expect((await samplePool(kit.client, PREFIX, [kit.queue], now, 1000)).queues[0]).toMatchObject({
      waiting: 0,
    });
    const damage = await readDamage(kit.client, PREFIX, kit.queue);
    expect(damage.keys).toHaveLength(14);
    const finding = judgeDamage([damage]);
    expect(finding).toMatchObject({ status: 'fail', fix: `infer control repair ${kit.queue}` });
    expect(finding.found).toContain(`${kit.base}prioritized is a string, not a sorted set`);
    expect(finding.details).toHaveLength(13);
  });

  it('leave out workers with an unreadable record', async () => {
    const record = { id: 'sound', name: 'sound', queues: [], models: [], beatAt: Date.now() };
    await beat(kit.client, PREFIX, record as never);
    for (const [id, json] of [
      ['cut', '{"id":'],
      ['other', '[1]'],
      ['bare', '{}'],
    ] as const) {
      await kit.client.zadd(`{${PREFIX}}:workers`, Date.now(), id);
      await kit.client.set(`{${PREFIX}}:worker:${id}`, json);
    }
    await kit.client.zadd(`{${PREFIX}}:workers`, Date.now(), 'list');
    await kit.client.rpush(`{${PREFIX}}:worker:list`, 'x');
    expect((await listWorkers(kit.client, PREFIX)).map(({ name }) => name)).toEqual(['sound']);
    await kit.client.del(`{${PREFIX}}:workers`);
  });
});

it('the doctor passes when nothing is damaged, and names jobs that were set aside with the fix', async () => {
  const [bad] = (await kit.submit({}, {})) as [string, string];
  expect(judgeDamage([await readDamage(kit.client, PREFIX, kit.queue)])).toMatchObject({ status: 'ok' });
  await kit.client.hset(kit.base + bad, 'atm', 'junk');
  const consumer = await kit.consumer();
  expect(idsOf(await consumer.take(5))).not.toContain(bad);
  expect(judgeDamage([await readDamage(kit.client, PREFIX, kit.queue)])).toEqual({
    status: 'warn',
    found: `job ${bad} of queue ${kit.queue}: its field atm is not a whole number`,
    details: undefined,
    fix: `infer retry ${bad} (or infer cancel ${bad})`,
  });
});
