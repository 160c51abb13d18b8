import { describe, expect, it } from 'vitest';
import { auditServers, worstOf } from '../../../src/lib/tune/audit.js';
import { judgeHealth } from '../../../src/lib/tune/health.js';
import { AUDITED, judgeSettings, type Level } from '../../../src/lib/tune/rules.js';
import type { NodeFacts } from '../../../src/lib/tune/server-facts.js';
import { GB, type Server, server, setting } from './servers.js';

describe('a tuning rule', () => {
  it.each<[string, Record<string, string>, Level, string | undefined]>([
    ['maxmemory', {}, 'warning', String(Math.floor((8 * GB * 0.6) / 2 ** 20) * 2 ** 20)],
    ['maxmemory', { maxmemory: String(4 * GB) }, 'ok', undefined],
    ['maxmemory', { maxmemory: String(7 * GB) }, 'warning', undefined],
    ['maxmemory-policy', {}, 'ok', undefined],
    ['maxmemory-policy', { 'maxmemory-policy': 'allkeys-lru' }, 'warning', 'noeviction'],
    [
      'maxmemory-policy',
      { 'maxmemory-policy': 'allkeys-lru', maxmemory: '1000000' },
      'critical',
      'noeviction',
    ],
    [
      'maxmemory-policy',
      { 'maxmemory-policy': 'volatile-ttl', maxmemory: '1000000' },
      'critical',
      'noeviction',
    ],
    ['appendonly', {}, 'warning', 'yes'],
    ['appendfsync', {}, 'ok', undefined],
    ['appendfsync', { appendfsync: 'always' }, 'ok', undefined],
    ['appendfsync', { appendfsync: 'no' }, 'warning', 'everysec'],
    ['aof-load-truncated', { 'aof-load-truncated': 'no' }, 'warning', 'yes'],
    ['stop-writes-on-bgsave-error', { 'stop-writes-on-bgsave-error': 'no' }, 'warning', 'yes'],
    ['timeout', { timeout: '59' }, 'warning', '0'],
    ['timeout', { timeout: '60' }, 'ok', undefined],
    ['tcp-keepalive', {}, 'advice', '60'],
    ['tcp-keepalive', { 'tcp-keepalive': '0' }, 'advice', '60'],
    ['tcp-keepalive', { 'tcp-keepalive': '30' }, 'ok', undefined],
    ['maxclients', {}, 'ok', undefined],
    ['maxclients', { maxclients: '50' }, 'warning', '1000'],
    ['maxmemory-clients', { maxmemory: String(4 * GB) }, 'advice', '5%'],
    ['maxmemory-clients', { maxmemory: String(GB) }, 'ok', undefined],
    ['client-output-buffer-limit', {}, 'ok', undefined],
    [
      'client-output-buffer-limit',
      { 'client-output-buffer-limit': 'normal 0 0 0 slave 0 0 0 pubsub 33554432 8388608 60' },
      'warning',
      'replica 268435456 67108864 60 pubsub 33554432 8388608 60',
    ],
    ['lazyfree-lazy-user-del', {}, 'advice', 'yes'],
    ['latency-monitor-threshold', { 'latency-monitor-threshold': '50' }, 'ok', undefined],
    ['slowlog-log-slower-than', { 'slowlog-log-slower-than': '-1' }, 'advice', '10000'],
    ['hz', { hz: '500' }, 'advice', '10'],
    ['notify-keyspace-events', { 'notify-keyspace-events': 'KEA' }, 'advice', undefined],
  ])('judges %s with %o as %s', (name, config, level, value) => {
    const found = setting(name, server({ config }));
    expect([found.level, found.set?.value]).toEqual([level, value]);
    expect(found.why).not.toBe('');
  });

  it("derives maxmemory from the container's limit if lower, and never below the memory in use", () => {
    const small = server({ memory: { bytes: GB, source: 'cgroup' } });
    expect(setting('maxmemory', small).set?.value).toBe(String(614 * 2 ** 20));
    const full = server({ memory: { bytes: GB, source: 'cgroup' }, info: { used_memory: 0.55 * GB } });
    expect(setting('maxmemory', full)).toMatchObject({
      level: 'warning',
      fix: expect.stringContaining('--maxmemory'),
    });
    expect(setting('maxmemory', full).set).toBeUndefined();
    expect(setting('maxmemory', server({ memory: undefined })).set).toBeUndefined();
  });

  it('advises defragmentation only where it gains memory', () => {
    const lost = { mem_fragmentation_ratio: 1.6, mem_fragmentation_bytes: 200 * 2 ** 20 };
    expect(setting('activedefrag', server({ info: lost })).level).toBe('advice');
    expect(setting('activedefrag', server({ info: { ...lost, mem_fragmentation_bytes: 5000 } })).level).toBe(
      'ok',
    );
  });

  it('requires replicas to bound the loss in a failover', () => {
    const with1 = { connected_slaves: 1 };
    expect(setting('min-replicas-to-write', server({ info: with1 })).set?.value).toBe('1');
    expect(setting('min-replicas-to-write', server()).level).toBe('ok');
    const lag = (seconds: string, more = { info: with1 }) =>
      setting('min-replicas-max-lag', server({ config: { 'min-replicas-max-lag': seconds }, ...more }));
    expect(['1', '10'].map((seconds) => lag(seconds).level)).toEqual(['ok', 'ok']);
    expect(['0', '11', '60'].map((seconds) => lag(seconds).set?.value)).toEqual(['10', '10', '10']);
    expect(lag('60')).toMatchObject({
      level: 'advice',
      wanted: '1 to 10',
      set: { name: 'min-replicas-max-lag', value: '10' },
    });
    expect(lag('60', { info: { connected_slaves: 0 } }).level).toBe('ok');
  });

  it('gives every worker its connections', () => {
    expect(setting('maxclients', server({ config: { maxclients: '500' } }), 'broker', 300).set?.value).toBe(
      '1000',
    );
    expect(setting('maxclients', server({ config: { maxclients: '500' } }), 'broker', 100).level).toBe('ok');
  });

  it.each<[string, Level]>([
    ['noeviction', 'warning'],
    ['volatile-ttl', 'ok'],
    ['allkeys-lru', 'ok'],
    ['volatile-lru', 'ok'],
    ['allkeys-random', 'advice'],
  ])('for results only judges %s: %s', (policy, level) => {
    const node = server({ config: { 'maxmemory-policy': policy } });
    expect(setting('maxmemory-policy', node, 'results').level).toBe(level);
    expect(setting('appendonly', node, 'results').level).toBe('ok');
  });

  it('reports what a server hides as unknown, and omits what an old one lacks', () => {
    const blind = server({ refused: true, config: { 'maxmemory-policy': 'noeviction' } });
    expect(setting('maxmemory-policy', blind).level).toBe('ok');
    expect(setting('timeout', blind)).toMatchObject({ level: 'unknown', now: '?', wanted: '0' });
    const old = server();
    const config = new Map(old.config);
    config.delete('maxmemory-clients');
    const names = judgeSettings({ ...old, config }, 'broker', 0).map((one) => one.setting);
    expect(names).toEqual(AUDITED.filter((name) => name !== 'maxmemory-clients'));
  });

  it('tells a results server that hides its settings what they should be', () => {
    const { level, wanted, why } = setting('maxmemory-policy', server({ refused: true }), 'results');
    expect([level, wanted]).toEqual(['unknown', 'volatile-ttl or allkeys-lru']);
    expect(why).toMatch(/^cannot be seen here\. a full results server refuses results/);
  });

  it('accepts a memory limit where the total memory is unknown', () => {
    const node = server({ config: { maxmemory: String(GB) }, memory: undefined });
    expect(setting('maxmemory', node)).toMatchObject({
      level: 'ok',
      now: '1 GB',
      why: 'new work is refused from 80 % of this on',
    });
  });
});

describe('the health of a server', () => {
  it.each<[string, Server, Level]>([
    ['evicted_keys', { info: { evicted_keys: 7 } }, 'critical'],
    ['used_memory', { info: { maxmemory: 1000, used_memory: 850 } }, 'warning'],
    ['used_memory', { info: { maxmemory: 1000, used_memory: 990 } }, 'critical'],
    ['errorstat_OOM', { info: { errorstat_OOM: 'count=3' } }, 'warning'],
    ['aof_last_write_status', { info: { aof_last_write_status: 'err' } }, 'critical'],
    ['aof_last_bgrewrite_status', { info: { aof_last_bgrewrite_status: 'err' } }, 'warning'],
    ['rdb_last_bgsave_status', { info: { rdb_last_bgsave_status: 'err' } }, 'warning'],
    ['aof_delayed_fsync', { info: { aof_delayed_fsync: 4 } }, 'advice'],
    ['rejected_connections', { info: { rejected_connections: 1 } }, 'warning'],
    ['latest_fork_usec', { info: { latest_fork_usec: 250_000 } }, 'advice'],
    ['role', { info: { role: 'slave', master_host: 'm', master_port: 6379 } }, 'warning'],
    ['master_link_status', { info: { role: 'slave', master_link_status: 'down' } }, 'warning'],
    ['replicas', { info: { slave0: 'ip=10.0.0.2,port=6380,state=online' } }, 'advice'],
    ['latency fork', { latency: [{ name: 'fork', lastMs: 120, maxMs: 400 }] }, 'advice'],
    ['vm.overcommit_memory', { host: { overcommit: 0, hugePages: 'never', swap: 0 } }, 'advice'],
    ['transparent_hugepage', { host: { overcommit: 1, hugePages: 'always', swap: 0 } }, 'advice'],
    ['swap', { host: { overcommit: 1, hugePages: 'never', swap: GB } }, 'advice'],
  ])('reports %s', (name, facts, level) => {
    expect(judgeHealth(server(facts), 'broker').map((one) => [one.setting, one.level])).toContainEqual([
      name,
      level,
    ]);
  });

  it('reports nothing on a healthy server', () => {
    const host = { overcommit: 1, hugePages: 'madvise', swap: 0 };
    const well = server({ host, latency: [{ name: 'command', lastMs: 5, maxMs: 20 }] });
    expect(judgeHealth(well, 'broker')).toEqual([]);
  });

  it('does not treat evictions as a loss where only results are kept', () => {
    expect(judgeHealth(server({ info: { evicted_keys: 7 } }), 'results')[0]?.level).toBe('advice');
  });
});

it('an audit lists the worst first, and its grade ignores advice', () => {
  const facts = (node: NodeFacts) => ({
    label: node.label,
    source: 'flag' as const,
    cluster: false,
    nodes: [node],
    hosts: [],
    queues: [],
    workers: 0,
  });
  const good = { maxmemory: String(GB), appendonly: 'yes' };
  expect(worstOf(auditServers(facts(server({ config: good })), 'broker'))).toBe('ok');
  expect(worstOf(auditServers(facts(server()), 'broker'))).toBe('warning');
  const bad = auditServers(facts(server({ info: { evicted_keys: 1 } })), 'broker');
  expect(worstOf(bad)).toBe('critical');
  expect(bad[0]?.findings[0]?.level).toBe('critical');
});
