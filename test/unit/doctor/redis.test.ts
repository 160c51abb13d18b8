import { describe, expect, it } from 'vitest';
import { judgeClock } from '../../../src/lib/doctor/checks/redis-clock.js';
import { judgeData } from '../../../src/lib/doctor/checks/redis-data.js';
import { judgeMemory, judgePolicy } from '../../../src/lib/doctor/checks/redis-memory.js';
import { judgePersistence } from '../../../src/lib/doctor/checks/redis-persistence.js';
import { judgeReach } from '../../../src/lib/doctor/checks/redis-reach.js';
import { judgeResults, judgeResultsRedis } from '../../../src/lib/doctor/checks/redis-results.js';
import { judgeRights } from '../../../src/lib/doctor/checks/redis-rights.js';
import { judgeClients, judgeRole, judgeVersion } from '../../../src/lib/doctor/checks/redis-server.js';
import { aclCommands } from '../../../src/lib/redis/acl.js';
import { facts, NOW } from './records.js';

const GB = 2 ** 30;

describe('the version check', () => {
  it.each([
    ['redis_version:6.0.16', 'fail'],
    ['redis_version:5.0.7', 'fail'],
    ['redis_version:6.2.0', 'ok'],
    ['redis_version:7.4.1', 'ok'],
    ['redis_version:7.2.4\nvalkey_version:8.0.1', 'ok'],
    ['redis_version:5.0.0\ndragonfly_version:df-v1.25.0', 'ok'],
  ])('judges %s: %s', (line, status) => {
    expect(judgeVersion(facts(line)).status).toBe(status);
  });
});

describe('the memory checks', () => {
  it.each([
    [1, 0, 'warn', /no limit/],
    [1, 10, 'ok', /10 %/],
    [6, 10, 'warn', /60 %/],
    [8, 10, 'fail', /refused from 80 %/],
    [12, 10, 'fail', /120 %/],
  ])('judge %d GB of %d: %s', (used, limit, status, found) => {
    const finding = judgeMemory({ usedMemory: used * GB, maxMemory: limit * GB });
    expect(finding).toMatchObject({ status, found: expect.stringMatching(found) });
    expect(finding.blocks).toEqual(status === 'fail' ? ['submit'] : undefined);
  });

  it.each([
    ['noeviction', GB, 0, 'ok'],
    ['', GB, 0, 'ok'],
    ['allkeys-lru', GB, 0, 'fail'],
    ['volatile-ttl', GB, 0, 'fail'],
    // Never full, so nothing is evicted yet.
    ['allkeys-lru', 0, 0, 'warn'],
    // Fixed, but what was lost stays lost.
    ['noeviction', GB, 12, 'warn'],
    ['volatile-lru', GB, 12, 'fail'],
  ])('judge %s with a limit of %d and %d evictions: %s', (policy, maxMemory, evictedKeys, status) => {
    const finding = judgePolicy({ policy, maxMemory, evictedKeys });
    expect(finding.status).toBe(status);
    expect(/12 keys were dropped/.test(finding.found)).toBe(evictedKeys > 0);
  });
});

describe('the persistence check', () => {
  const CONFIG = new Map([
    ['save', '3600 1'],
    ['stop-writes-on-bgsave-error', 'yes'],
  ]);
  it.each([
    ['', CONFIG, 'ok', /append-only file/],
    ['aof_last_write_status:err', CONFIG, 'fail', /MISCONF/],
    ['rdb_last_bgsave_status:err', CONFIG, 'fail', /MISCONF/],
    // Where CONFIG is denied the default applies: writes are refused.
    ['rdb_last_bgsave_status:err', new Map(), 'fail', /MISCONF/],
    [
      'rdb_last_bgsave_status:err',
      new Map([...CONFIG, ['stop-writes-on-bgsave-error', 'no']]),
      'warn',
      /failed/,
    ],
    ['rdb_last_bgsave_status:err', new Map([['save', '']]), 'warn', /failed/],
    ['aof_enabled:0\nrdb_changes_since_last_save:17', CONFIG, 'warn', /17 changes/],
    ['aof_enabled:0', new Map([['save', '']]), 'warn', /no snapshots either/],
  ])('judges %s', (lines, config, status, found) => {
    const finding = judgePersistence(facts(lines), config as Map<string, string>, NOW);
    expect(finding).toMatchObject({ status, found: expect.stringMatching(found) });
  });
});

describe('the role check', () => {
  it.each([
    ['', 'ok', 'primary, no replica'],
    ['connected_slaves:2', 'warn', 'primary, 2 replicas; min-replicas-to-write is off'],
    ['connected_slaves:2\nredis_mode:cluster', 'ok', '2 replicas at this one'],
    ['min_slaves_good_slaves:0', 'fail', 'min-replicas-to-write'],
    ['min_slaves_good_slaves:1\nconnected_slaves:1', 'ok', '1 replica'],
    ['role:slave\nmaster_host:10.0.0.1\nmaster_port:6379\nmaster_link_status:up', 'fail', '10.0.0.1:6379'],
    ['role:slave\nmaster_host:a\nmaster_port:1\nmaster_link_status:down', 'fail', 'which it has lost'],
  ])('judges %s: %s', (lines, status, found) => {
    expect(judgeRole(facts(lines))).toMatchObject({ status, found: expect.stringContaining(found) });
  });

  it.each([
    [5, 10_000, 'ok'],
    [85, 100, 'warn'],
    [96, 100, 'fail'],
    [5, 0, 'ok'],
  ])('judges %d of %d connections: %s', (open, most, status) => {
    const { status: found } = judgeClients(facts(`connected_clients:${open}\nmaxclients:${most}`));
    expect(found).toBe(status);
  });
});

describe('the permission check', () => {
  const all = [...new Set([...aclCommands('producer'), ...aclCommands('worker')])];
  it.each([
    ['nothing refused', [], 'ok', undefined],
    ['a command of both', ['zadd'], 'fail', /may not run ZADD, needed to submit$/],
    ['a sub-command', ['client|setname'], 'fail', /may not run CLIENT SETNAME, /],
    ['one of workers', ['zpopmin'], 'warn', /may submit, not serve: no ZPOPMIN$/],
    ['one of submitters', ['hmset'], 'warn', /may serve, not submit: no HMSET$/],
    ['all of it', all, 'fail', /may not use the keys/],
  ])('judges %s', (_, refused, status, found) => {
    const finding = judgeRights('bob', 'infer', all, refused);
    expect(finding.status).toBe(status);
    if (found !== undefined) expect(finding.found).toMatch(found);
  });

  it('gives the ACL command as the fix', () => {
    expect(judgeRights('bob', 'infer', all, ['zadd', 'xadd']).fix).toBe('ACL SETUSER bob +xadd +zadd');
    expect(judgeRights('bob', 'shop', all, all).fix).toBe('ACL SETUSER bob ~{shop:*}:* ~{shop}:*');
  });
});

describe('the results checks', () => {
  const sample = (results: number, others: number, total: number) => ({
    keys: [
      ...Array.from({ length: results }, (_, at) => ({ key: `{infer:q}:res:j${at}`, bytes: 1000 })),
      ...Array.from({ length: others }, (_, at) => ({ key: `{infer:q}:q:j${at}`, bytes: 1000 })),
    ],
    total,
  });
  it.each([
    ['none stored', sample(0, 0, 0), GB, 'ok'],
    ['few', sample(10, 10, 20), GB, 'ok'],
    ['most, and much of the limit', sample(90, 10, 1_000_000), 2 * GB, 'warn'],
    ['much, but not the most', sample(40, 60, 1_000_000), GB, 'ok'],
    ['much without a limit', sample(90, 10, 1_000_000), 0, 'warn'],
    ['little without a limit', sample(90, 10, 1000), 0, 'ok'],
  ])('judge memory used by results: %s', (_, keys, maxMemory, status) => {
    expect(judgeResults(keys, { maxMemory }, 'infer').status).toBe(status);
  });

  it('ignore results of another prefix', () => {
    expect(judgeResults(sample(100, 0, 1_000_000), { maxMemory: GB }, 'shop').found).toContain('0 %');
  });

  it.each([
    ['noeviction', 0.95, 'warn'],
    ['allkeys-lru', 0.95, 'ok'],
    ['noeviction', 0.5, 'ok'],
  ])('judge a Redis for results with %s at %d', (policy, share, status) => {
    const finding = judgeResultsRedis('redis://r:1', { policy, usedMemory: share * GB, maxMemory: GB });
    expect(finding.status).toBe(status);
  });
});

describe('the latency and clock checks', () => {
  it.each([
    [0.2, false, 'ok'],
    [25, false, 'warn'],
    [undefined, false, 'ok'],
    [0.2, true, 'warn'],
  ])('judge %s ms, isolated %s: %s', (ms, isolated, status) => {
    expect(judgeReach('redis://r:1', ms, isolated).status).toBe(status);
  });

  it.each([
    [3, 'ok', /3 ms/],
    [-900, 'ok', /900 ms/],
    [2500, 'warn', /2.5 s ahead/],
    [-20_000, 'fail', /20 s behind/],
  ])('judge a clock %d ms ahead: %s', (ahead, status, found) => {
    expect(judgeClock('this machine', ahead)).toMatchObject({ status, found: expect.stringMatching(found) });
  });
});

describe('the data check', () => {
  const loss = { kind: 'all', from: 0, seenAt: NOW - 2000, noticedAt: NOW - 1000 } as const;

  it('reports a loss for a day', () => {
    expect(judgeData([], NOW).status).toBe('ok');
    expect(judgeData([loss], NOW)).toMatchObject({
      status: 'warn',
      found: expect.stringMatching(/^Redis lost all data 1 s ago/),
      fix: expect.stringContaining('FLUSHALL'),
    });
    expect(judgeData([loss], loss.noticedAt + 86_400_000 - 1).status).toBe('warn');
    expect(judgeData([loss], loss.noticedAt + 86_400_000).status).toBe('ok');
  });
});
