import { parseInfo } from '../../../src/lib/redis/info.js';
import { type Finding, judgeSettings, type TuneRole } from '../../../src/lib/tune/rules.js';
import type { NodeFacts } from '../../../src/lib/tune/server-facts.js';

export const GB = 1024 ** 3;

/** What a freshly started Redis 7.0 reports, and what a test reports instead. */
const DEFAULTS: Record<string, string> = {
  maxmemory: '0',
  'maxmemory-policy': 'noeviction',
  appendonly: 'no',
  appendfsync: 'everysec',
  'aof-load-truncated': 'yes',
  'stop-writes-on-bgsave-error': 'yes',
  'min-replicas-to-write': '0',
  'min-replicas-max-lag': '10',
  timeout: '0',
  'tcp-keepalive': '300',
  maxclients: '10000',
  'maxmemory-clients': '0',
  'client-output-buffer-limit': 'normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60',
  activedefrag: 'no',
  'lazyfree-lazy-user-del': 'no',
  'latency-monitor-threshold': '0',
  'slowlog-log-slower-than': '10000',
  hz: '10',
  'notify-keyspace-events': '',
};

export interface Server {
  config?: Record<string, string>;
  info?: Record<string, string | number>;
  memory?: NodeFacts['memory'];
  host?: NodeFacts['host'];
  latency?: NodeFacts['latency'];
  refused?: boolean;
}

/** A freshly started server, except for the given facts. */
export function server({ config = {}, info = {}, refused = false, ...more }: Server = {}): NodeFacts {
  const text = Object.entries({
    redis_version: '7.0.15',
    role: 'master',
    used_memory: 1_000_000,
    connected_clients: 4,
    uptime_in_seconds: 3600,
    maxmemory: config.maxmemory ?? '0',
    ...info,
  });
  return {
    label: 'redis://host:6379',
    info: parseInfo(text.map(([name, value]) => `${name}:${value}`).join('\r\n')),
    config: new Map(Object.entries(refused ? config : { ...DEFAULTS, ...config })),
    refusal: refused ? { kind: 'absent', text: 'ERR unknown command' } : undefined,
    memory: { bytes: 8 * GB, source: 'host' },
    host: undefined,
    latency: undefined,
    ...more,
  };
}

/** An audit's finding on one setting. */
export const setting = (name: string, node: NodeFacts, role: TuneRole = 'broker', workers = 2): Finding => {
  const found = judgeSettings(node, role, workers).find((one) => one.setting === name);
  if (found === undefined) throw new Error(`no finding ${name}`);
  return found;
};
