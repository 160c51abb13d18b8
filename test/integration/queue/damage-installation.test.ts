import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ExitCode } from '../../../src/lib/core/exit-codes.js';
import { newId } from '../../../src/lib/core/job.js';
import { judgeDamage } from '../../../src/lib/doctor/checks/damage.js';
import { pauseQueue } from '../../../src/lib/operations/pause-queue.js';
import { perform } from '../../../src/lib/operations/run.js';
import { readAudit, writeAudit } from '../../../src/lib/queue/audit.js';
import { readAutoscalers } from '../../../src/lib/queue/autoscalers.js';
import { groupKey } from '../../../src/lib/queue/keys.js';
import { Quotas } from '../../../src/lib/queue/quota.js';
import { listQueues } from '../../../src/lib/queue/read/reader.js';
import { readRecordDamage } from '../../../src/lib/queue/read/record-damage.js';
import {
  beat,
  listWorkers,
  publishedModels,
  publishedVersions,
  registerQueues,
} from '../../../src/lib/queue/registry.js';
import { announceStart } from '../../../src/lib/queue/starting.js';
import { installationKey, onceKeys } from '../../../src/lib/redis/installation-keys.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { worded } from '../../../src/lib/redis/worded.js';
import { useRedis } from '../../support/redis.js';
import { overwrite } from './damage-kit.js';
import { PREFIX, QueueKit } from './queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
let client: RedisClient;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
  client = kit.client;
});
afterEach(async () => {
  await kit.close();
  await client.flushdb();
});

const own = (part: string): string => `{${PREFIX}}:${part}`;
const wrongFor = (key: string) => (installationKey(key)?.kind === 'string' ? 'list' : 'string');
const ENTRY = { who: 'w', host: 'h', channel: 'cli', action: 'pause', target: 't', detail: '' } as const;
const entry = { ...ENTRY, outcome: 'ok', code: null, result: 'r', count: 1 } as const;

/** Operations that fail on a damaged key of the installation: commands and scripts, reads and writes. */
const WORK: [part: string, what: string, work: () => Promise<unknown>][] = [
  ['queues', 'listing queues', () => listQueues(client, PREFIX)],
  ['queues', 'registering a queue', () => registerQueues(client, PREFIX, ['q'])],
  ['workers', 'listing workers', () => listWorkers(client, PREFIX)],
  ['workers', 'a heartbeat', () => beat(client, PREFIX, { id: 'w', name: 'w', beatAt: 1 } as never)],
  ['starting', 'a start', () => announceStart(client, PREFIX, { id: 'w' } as never)],
  ['models', 'listing models', () => publishedModels(client, PREFIX)],
  ['versions', 'listing versions', () => publishedVersions(client, PREFIX, 'm')],
  ['autoscalers', 'listing autoscalers', () => readAutoscalers(client, PREFIX, 1)],
  ['audit', 'reading the audit log', () => readAudit(client, PREFIX, 10)],
  ['audit', 'writing to the audit log', () => writeAudit(client, PREFIX, entry)],
  ['audit:jobs', 'reading the audit log', () => readAudit(client, PREFIX, 10)],
  ['audit:jobs', 'writing to the audit log', () => writeAudit(client, PREFIX, entry, 'jobs')],
  [
    'quota:rate:t',
    'a request',
    () => new Quotas(client, PREFIX).take([{ kind: 'rate', owner: 't', perSecond: 1, burst: 1 }], 'ticket'),
  ],
  [
    'quota:jobs:t',
    'a request',
    () => new Quotas(client, PREFIX).take([{ kind: 'jobs', owner: 't', most: 1 }], 'k'),
  ],
];

describe('a key of the installation with the wrong type', () => {
  it.each(WORK)('%s: %s fails with an error that names key and fix', async (part, _, work) => {
    const key = own(part);
    await overwrite(kit, key, wrongFor(key));
    await expect(worded(client, work())).rejects.toMatchObject({
      code: 'INSTALLATION_DAMAGED',
      exitCode: ExitCode.Unavailable,
      message: expect.stringMatching(
        new RegExp(`^key \\{${PREFIX}\\}:${part} is not a (hash|sorted set|stream): `),
      ),
      hint: `redis-cli rename '${key}' '{${PREFIX}}:away:${part}'`,
    });
    // The fix.
    await client.rename(key, own(`away:${part}`));
    await worded(client, work());
  });

  it('is named along with all other keys of a refused script', async () => {
    await overwrite(kit, own('quota:jobs:t'), 'string');
    const quotas = [
      { kind: 'rate', owner: 't', perSecond: 1, burst: 1 },
      { kind: 'jobs', owner: 't', most: 1 },
    ] as const;
    await expect(worded(client, new Quotas(client, PREFIX).take(quotas, 'ticket'))).rejects.toMatchObject({
      code: 'INSTALLATION_DAMAGED',
      message: expect.stringContaining(`one of the keys ${own('quota:rate:t')}, ${own('quota:jobs:t')} has`),
      hint: 'infer doctor queue-damage names it',
    });
  });

  it('is always named, with the fix, for every key', async () => {
    const parts = [
      'worker:w',
      'totals:w',
      'req:r',
      'lease:d',
      'ctl:w',
      'ctlreq:o',
      'ctlre:o',
      'autoscaler:a',
    ];
    const quotas = ['quota:rate:t', 'quota:jobs:t', 'quota:waiting:t'];
    const keys = [...onceKeys(PREFIX), ...[...parts, ...quotas].map(own)];
    expect(await readRecordDamage(client, PREFIX)).toEqual({ keys: [], groups: [], complete: true });
    for (const key of keys) await overwrite(kit, key, wrongFor(key));
    const damage = await readRecordDamage(client, PREFIX);
    expect(damage.keys.map(({ key }) => key).sort()).toEqual([...keys].sort());
    for (const { key, what } of damage.keys) {
      expect(what).toMatch(/^is a (string|list), not a (string|list|hash|sorted set|stream)$/);
      expect(judgeDamage([], damage)).toMatchObject({
        status: 'fail',
        fix: expect.stringContaining(`redis-cli rename '${key}' `),
      });
    }
    for (const { key } of damage.keys) await client.rename(key, key.replace('}:', '}:away:'));
    expect(await readRecordDamage(client, PREFIX)).toMatchObject({ keys: [], groups: [] });
  });

  it('does not undo an action whose audit entry it prevents', async () => {
    await kit.submit({});
    await registerQueues(client, PREFIX, [kit.queue]);
    await overwrite(kit, own('audit'), 'string');
    const unaudited: unknown[] = [];
    const context = {
      client,
      prefix: PREFIX,
      signal: new AbortController().signal,
      actor: { who: 'w', host: 'h', channel: 'cli' as const },
    };
    const caller = {
      consent: () => Promise.resolve(),
      onUnaudited: (error: unknown) => void unaudited.push(error),
    };
    await perform(pauseQueue(kit.queue, true), context, caller);
    expect(await client.hexists(`${kit.base}meta`, 'paused')).toBe(1);
    expect(unaudited).toEqual([expect.objectContaining({ code: 'INSTALLATION_DAMAGED' })]);
  });
});

describe('a damaged record of a group', () => {
  const open = async (): Promise<string> => {
    const id = newId('g');
    await kit.producer.groups.open({ ...kit.spec(), id }, 'sender');
    return id;
  };

  it('is named with its key and the fix; undamaged groups are not', async () => {
    await open();
    await client.hset(groupKey(kit.tag, 'early'), 'early', '1');
    const wrong: [id: string, what: string][] = [];
    for (const value of ['string', 'list', 'set', 'zset', 'stream'] as const) {
      const id = await open();
      await overwrite(kit, groupKey(kit.tag, id), value);
      wrong.push([id, `is a ${value === 'zset' ? 'sorted set' : value}, not a hash`]);
    }
    const foreign = await open();
    await overwrite(kit, groupKey(kit.tag, foreign), 'hash');
    const garbage = await open();
    await client.hset(groupKey(kit.tag, garbage), 'jc', 'many');
    wrong.push([foreign, 'has no field of a group'], [garbage, 'has a field jc that is not a number']);
    const damage = await readRecordDamage(client, PREFIX);
    const named = damage.groups.map(({ id, queue, what }) => [queue, id, what]);
    expect(named.sort()).toEqual(wrong.map(([id, what]) => [kit.queue, id, what]).sort());
    expect(damage).toMatchObject({ keys: [], complete: true });
    const [first] = damage.groups;
    const { status, found, details, fix } = judgeDamage([], damage);
    expect(status).toBe('warn');
    for (const [id] of wrong) expect([found, ...(details ?? [])].join('\n')).toContain(groupKey(kit.tag, id));
    expect(fix).toContain(`infer result ${first?.id}-0`);
    expect(fix).toContain(`redis-cli rename '${first?.key}' '${kit.tag}:away:grp:${first?.id}'`);
  });

  it('is searched for in bounded time, and the report says if not every key was checked', async () => {
    const pipeline = client.pipeline();
    for (let i = 0; i < 5000; i++) pipeline.set(`filler:${i}`, 1);
    await pipeline.exec();
    const part = await readRecordDamage(client, PREFIX, { steps: 1, ms: 60_000 });
    expect(part.complete).toBe(false);
    expect(judgeDamage([], part).found).toMatch(/^none among the checked keys/);
    const whole = await readRecordDamage(client, PREFIX, { steps: 100, ms: 60_000 });
    expect(whole.complete).toBe(true);
  });
});
