import { describe, expect, it } from 'vitest';
import { AUDITED, judgeSettings, type Level, type TuneRole } from '../../../src/lib/tune/rules.js';
import type { NodeFacts } from '../../../src/lib/tune/server-facts.js';
import { GB, server, setting } from './servers.js';

const MB = 1024 ** 2;

describe('the texts of an audit', () => {
  const words = (title: string, node: NodeFacts, role: TuneRole = 'broker') => [
    `== ${title}`,
    ...judgeSettings(node, role, 2).flatMap(({ setting: name, level, now, wanted, why, set, fix }) => [
      `${level} ${name}: ${now} (wanted: ${wanted})`,
      `  ${why}`,
      ...(set === undefined ? [] : [`  CONFIG SET ${set.name} ${set.value}`]),
      ...(fix === undefined ? [] : [`  ${fix}`]),
    ]),
    '',
  ];

  /** With every setting wrong. */
  const careless = server({
    config: {
      maxmemory: String(7 * GB),
      'maxmemory-policy': 'volatile-lru',
      appendfsync: 'no',
      'aof-load-truncated': 'no',
      'stop-writes-on-bgsave-error': 'no',
      timeout: '10',
      'tcp-keepalive': '0',
      maxclients: '50',
      'client-output-buffer-limit': 'normal 0 0 0 slave 0 0 0 pubsub 0 0 0',
      'slowlog-log-slower-than': '-1',
      hz: '500',
      'notify-keyspace-events': 'KEA',
    },
    info: { connected_slaves: 1, mem_fragmentation_ratio: 1.6, mem_fragmentation_bytes: 200 * MB },
    memory: { bytes: 8 * GB, source: 'cgroup' },
  });
  /** With nothing to report. */
  const careful = server({
    config: {
      maxmemory: String(GB),
      appendonly: 'yes',
      'min-replicas-to-write': '1',
      'tcp-keepalive': '60',
      'lazyfree-lazy-user-del': 'yes',
      'latency-monitor-threshold': '100',
    },
    info: { connected_slaves: 1 },
  });

  it('match the snapshot', async () => {
    const report = [
      ...words('as Redis comes', server()),
      ...words('careless', careless),
      ...words('careful', careful),
      ...words(
        'allkeys-lru, no memory known',
        server({ config: { 'maxmemory-policy': 'allkeys-lru' }, memory: undefined }),
      ),
      ...words('a server that does not say', server({ refused: true })),
      ...words('results alone', server({ config: { maxmemory: String(GB) } }), 'results'),
      ...words(
        'results alone, at random',
        server({ config: { 'maxmemory-policy': 'allkeys-random' } }),
        'results',
      ),
      ...words(
        'results alone, by age',
        server({ config: { 'maxmemory-policy': 'volatile-ttl' } }),
        'results',
      ),
    ];
    await expect(report.join('\n')).toMatchFileSnapshot('./audit.txt');
    expect(judgeSettings(careful, 'broker', 2).map(({ level }) => level)).toEqual(AUDITED.map(() => 'ok'));
  });
});

describe('the threshold of a tuning rule', () => {
  it.each<[string, string, Level]>([
    ['timeout', '59', 'warning'],
    ['timeout', '60', 'ok'],
    ['timeout', '0', 'ok'],
    ['tcp-keepalive', '1', 'ok'],
    ['tcp-keepalive', '60', 'ok'],
    ['tcp-keepalive', '61', 'advice'],
    ['latency-monitor-threshold', '0', 'advice'],
    ['latency-monitor-threshold', '1', 'ok'],
    ['slowlog-log-slower-than', '999', 'advice'],
    ['slowlog-log-slower-than', '1000', 'ok'],
    ['hz', '0', 'advice'],
    ['hz', '1', 'ok'],
    ['hz', '100', 'ok'],
    ['hz', '101', 'advice'],
    ['maxmemory', String(6 * GB), 'ok'],
    ['maxmemory', String(6 * GB + 1), 'warning'],
    ['appendonly', 'yes', 'ok'],
  ])('judges %s %s as %s', (name, value, level) => {
    expect(setting(name, server({ config: { [name]: value } })).level).toBe(level);
  });

  it('for maxmemory defaults to 60 % in whole MB, and at least a quarter above the use', () => {
    const bytes = (memory: number, used: number) =>
      setting('maxmemory', server({ memory: { bytes: memory, source: 'host' }, info: { used_memory: used } }))
        .set?.value;
    expect(bytes(10 * MB, 0)).toBe(String(6 * MB));
    expect(bytes(11 * MB, 0)).toBe(String(6 * MB));
    expect(bytes(1000 * MB, 479 * MB)).toBe(String(600 * MB));
    expect(bytes(1000 * MB, 480 * MB)).toBeUndefined();
  });

  it('for maxclients is three per worker plus a hundred, with a fifth of them free', () => {
    const judge = (limit: string, workers: number, connected = 4) => {
      const node = server({ config: { maxclients: limit }, info: { connected_clients: connected } });
      const { level, set } = setting('maxclients', node, 'broker', workers);
      return [level, set?.value];
    };
    expect(judge('400', 100)).toEqual(['ok', undefined]);
    expect(judge('399', 100)).toEqual(['warning', '1000']);
    expect(judge('1000', 0, 799)).toEqual(['ok', undefined]);
    expect(judge('1000', 0, 800)).toEqual(['warning', '1600']);
    expect(judge('300', 500)).toEqual(['warning', '1600']);
  });

  it('for client memory applies from 2 GB, and only where no limit is set', () => {
    const level = (maxmemory: number, value = '0') =>
      setting(
        'maxmemory-clients',
        server({ config: { maxmemory: String(maxmemory), 'maxmemory-clients': value } }),
      ).level;
    expect([level(2 * GB - 1), level(2 * GB), level(2 * GB, '1gb')]).toEqual(['ok', 'advice', 'ok']);
  });

  it('for defragmentation is a ratio of 1.4 and 100 MB', () => {
    const level = (ratio: number, bytes: number, now = 'no') =>
      setting(
        'activedefrag',
        server({
          config: { activedefrag: now },
          info: { mem_fragmentation_ratio: ratio, mem_fragmentation_bytes: bytes },
        }),
      ).level;
    expect([level(1.4, GB), level(1.41, GB), level(1.41, GB, 'yes')]).toEqual(['ok', 'advice', 'ok']);
    expect([level(2, 100 * MB), level(2, 100 * MB + 1)]).toEqual(['ok', 'advice']);
  });

  it('for replicas applies to queues only', () => {
    const node = server({ info: { connected_slaves: 2 } });
    expect(setting('min-replicas-to-write', node, 'results').level).toBe('ok');
    const slow = server({ config: { 'min-replicas-max-lag': '60' }, info: { connected_slaves: 2 } });
    expect([
      setting('min-replicas-max-lag', slow).level,
      setting('min-replicas-max-lag', slow, 'results').level,
    ]).toEqual(['advice', 'ok']);
    const kept = server({ config: { 'min-replicas-to-write': '2' }, info: { connected_slaves: 2 } });
    expect(setting('min-replicas-to-write', kept)).toMatchObject({ level: 'ok', wanted: '1 or more' });
  });

  it.each([
    ['normal 0 0 0 replica 0 0 0 pubsub 1 1 1', 'no limit for replica'],
    ['normal 0 0 0 slave 1 1 1 pubsub 0 0 0', 'no limit for pubsub'],
    ['normal 0 0 0 slave 10 0 0 pubsub 10 0 0', 'limited'],
  ])('for output limits shows %s as %s', (value, now) => {
    expect(
      setting('client-output-buffer-limit', server({ config: { 'client-output-buffer-limit': value } })).now,
    ).toBe(now);
  });

  it.each<[string, string, Level]>([
    ['volatile-lfu', 'volatile-lru and volatile-ttl', 'critical'],
    ['allkeys-random', 'allkeys-lru', 'critical'],
  ])('for %s cites the measurement %s', (policy, measured, level) => {
    const found = setting(
      'maxmemory-policy',
      server({ config: { 'maxmemory-policy': policy, maxmemory: '1' } }),
    );
    expect([found.level, found.why]).toEqual([level, expect.stringContaining(measured)]);
  });
});
