import { percent } from '../core/counts.js';
import { THRESHOLDS } from '../core/thresholds.js';
import { formatBytes } from '../core/units.js';
import type { RedisFacts } from '../redis/info.js';
import type { NodeFacts } from './server-facts.js';
import type { HostMemory } from './server-host.js';

/** What a Redis is used for: the queues, or (with `INFER_RESULT_URL`) only results. */
export type TuneRole = 'broker' | 'results';

/**
 * `critical`: data was lost, or will be at the next shortage. `warning`: work will stop or be lost in a
 * likely case. `advice`: worth considering. `unknown`: the server does not tell.
 */
export type Level = 'ok' | 'advice' | 'unknown' | 'warning' | 'critical';

/** One line of the audit. All texts are for display. */
export interface Finding {
  setting: string;
  level: Level;
  now: string;
  wanted: string;
  why: string;
  /** What `apply` would set, in the form of CONFIG SET. */
  set?: { name: string; value: string };
  /** What helps if no setting does. */
  fix?: string;
}

/** What a rule knows besides its own setting. */
export interface ServerState {
  role: TuneRole;
  info: RedisFacts;
  memory: HostMemory | undefined;
  /** Number of live workers. */
  workers: number;
}

type Verdict = Omit<Finding, 'setting' | 'now'> & { now?: string };

interface SettingRule {
  name: string;
  judge(now: string, state: ServerState): Verdict;
}

/** Share of the machine's or container's memory that maxmemory gets by default, and at most. */
const MEMORY_SHARE = 0.6;
export const MEMORY_SHARE_MAX = 0.75;
const MIB = 1 << 20;

/** Measured with BullMQ on Redis 7.0; mentioned wherever an evicting policy comes up. */
export const EVICTION_MEASURED =
  'measured with allkeys-lru, 2,711 of 5,000 accepted jobs ran with empty input and were reported completed';
const VOLATILE_MEASURED =
  'measured with volatile-lru and volatile-ttl, every lock and all 500 results were dropped, and 6 of 6 running jobs ran twice';

export const POLICIES = [
  'noeviction',
  'volatile-ttl',
  'volatile-lru',
  'volatile-lfu',
  'volatile-random',
  'allkeys-lru',
  'allkeys-lfu',
  'allkeys-random',
] as const;

const ok = (wanted: string, why: string): Verdict => ({ level: 'ok', wanted, why });

/** A rule for a switch or number with one good value. */
function wants(
  name: string,
  value: string,
  level: 'advice' | 'warning',
  why: string,
  more: { roles?: readonly TuneRole[]; good?: (now: string, state: ServerState) => boolean } = {},
): SettingRule {
  const good = more.good ?? ((now: string) => now === value);
  return {
    name,
    judge: (now, state) => {
      const matters = more.roles?.includes(state.role) ?? true;
      if (!matters) return ok('any', 'results may be lost with their server: they are copies that expire');
      return good(now, state) ? ok(value, why) : { level, wanted: value, why, set: { name, value } };
    },
  };
}

const BROKER: readonly TuneRole[] = ['broker'];

const RULES: readonly SettingRule[] = [
  { name: 'maxmemory', judge: (now, state) => maxmemory(Number(now), state) },
  { name: 'maxmemory-policy', judge: policy },
  wants(
    'appendonly',
    'yes',
    'warning',
    'a restart loses every job since the last snapshot; the append-only file loses a second at most',
    { roles: BROKER },
  ),
  wants(
    'appendfsync',
    'everysec',
    'warning',
    'with `no` a power failure loses up to half a minute; `always` is safest and about 4 times slower',
    { roles: BROKER, good: (now) => now !== 'no' },
  ),
  wants(
    'aof-load-truncated',
    'yes',
    'warning',
    'after a power failure the file often ends in half a command: with `no` Redis refuses to start',
    { roles: BROKER },
  ),
  wants(
    'stop-writes-on-bgsave-error',
    'yes',
    'warning',
    'a full disk must be noticed while everything is still in memory',
    { roles: BROKER },
  ),
  { name: 'min-replicas-to-write', judge: minReplicas },
  { name: 'min-replicas-max-lag', judge: maxLag },
  wants('timeout', '0', 'warning', 'connections that wait for work are idle by design and must not be cut', {
    good: (now) => Number(now) === 0 || Number(now) >= 60,
  }),
  wants('tcp-keepalive', '60', 'advice', 'finds dead clients in minutes; 0 keeps their connections forever', {
    good: (now) => Number(now) > 0 && Number(now) <= 60,
  }),
  { name: 'maxclients', judge: maxclients },
  { name: 'maxmemory-clients', judge: maxmemoryClients },
  { name: 'client-output-buffer-limit', judge: outputLimits },
  { name: 'activedefrag', judge: activedefrag },
  wants(
    'lazyfree-lazy-user-del',
    'yes',
    'advice',
    'deleting a large input or result then happens in the background',
  ),
  wants(
    'latency-monitor-threshold',
    '100',
    'advice',
    'records stalls over 100 ms, so that LATENCY DOCTOR can answer afterwards; costs nothing until then',
    { good: (now) => Number(now) > 0 },
  ),
  wants(
    'slowlog-log-slower-than',
    '10000',
    'advice',
    'records commands over 10 ms; mind that SLOWLOG keeps arguments, payloads too',
    { good: (now) => Number(now) >= 1000 },
  ),
  wants('hz', '10', 'advice', 'more than 100 a second costs processor time and expires keys no better', {
    good: (now) => Number(now) >= 1 && Number(now) <= 100,
  }),
  { name: 'notify-keyspace-events', judge: keyspaceEvents },
];

/** Names of all settings read by an audit. */
export const AUDITED: readonly string[] = RULES.map(({ name }) => name);

/** Judges every audited setting of one server. Pure. */
export function judgeSettings(node: NodeFacts, role: TuneRole, workers: number): Finding[] {
  const state: ServerState = { role, info: node.info, memory: node.memory, workers };
  return RULES.flatMap((rule): Finding[] => {
    const now = node.config.get(rule.name);
    // A setting that this version lacks is not a finding; a refused one is.
    if (now === undefined) return node.refusal === undefined ? [] : [unseen(rule, state)];
    return [{ setting: rule.name, now, ...rule.judge(now, state) }];
  });
}

function unseen(rule: SettingRule, state: ServerState): Finding {
  const { wanted, why } = rule.judge('', state);
  return { setting: rule.name, level: 'unknown', now: '?', wanted, why: `cannot be seen here. ${why}` };
}

/** Bytes that maxmemory should get on a machine of this size; undefined when nothing fits. */
function roomFor(memory: HostMemory | undefined, usedMemory: number): number | undefined {
  if (memory === undefined) return undefined;
  const bytes = Math.floor((memory.bytes * MEMORY_SHARE) / MIB) * MIB;
  return bytes > usedMemory * 1.25 ? bytes : undefined;
}

function maxmemory(now: number, { memory, info }: ServerState): Verdict {
  const place = memory?.source === 'cgroup' ? 'container' : 'machine';
  if (now === 0) {
    const bytes = roomFor(memory, info.usedMemory);
    const why =
      'without a limit nothing refuses work before the kernel kills Redis, and it is killed again while it reads its file';
    if (bytes === undefined) {
      return {
        level: 'warning',
        now: 'no limit',
        wanted: 'a limit',
        why,
        fix: 'infer redis-tune apply --maxmemory 2gb',
      };
    }
    const set = { name: 'maxmemory', value: String(bytes) };
    return { level: 'warning', now: 'no limit', wanted: formatBytes(bytes), why, set };
  }
  const shown = formatBytes(now);
  if (memory !== undefined && now > memory.bytes * MEMORY_SHARE_MAX) {
    const share = Math.round((now / memory.bytes) * 100);
    return {
      level: 'warning',
      now: shown,
      wanted: `up to ${formatBytes(memory.bytes * MEMORY_SHARE_MAX)}`,
      why: `${share} % of the ${place}'s ${formatBytes(memory.bytes)}: saving, rewriting and clients need the rest`,
      fix: 'infer redis-tune apply --maxmemory 60%',
    };
  }
  const of = memory === undefined ? '' : `; the ${place} has ${formatBytes(memory.bytes)}`;
  return {
    ...ok('a limit', `new work is refused from ${percent(THRESHOLDS.memoryFull.value)} of this on${of}`),
    now: shown,
  };
}

function policy(now: string, { role, info }: ServerState): Verdict {
  if (role === 'results') return resultsPolicy(now);
  if (now === 'noeviction' || now === '') {
    return ok('noeviction', 'when memory is short new work is refused; nothing accepted is dropped');
  }
  const measured = now.startsWith('volatile') ? VOLATILE_MEASURED : EVICTION_MEASURED;
  return {
    level: info.maxMemory > 0 ? 'critical' : 'warning',
    wanted: 'noeviction',
    why: `when memory is short Redis silently drops what it has accepted: ${measured}`,
    set: { name: 'maxmemory-policy', value: 'noeviction' },
  };
}

function resultsPolicy(now: string): Verdict {
  const set = { name: 'maxmemory-policy', value: 'volatile-ttl' };
  if (now === 'noeviction' || now === '') {
    const why =
      'a full results server refuses results, and jobs wait for it; the oldest result may go instead';
    return { level: 'warning', wanted: 'volatile-ttl or allkeys-lru', why, set };
  }
  if (now.endsWith('-random')) {
    const why = 'drops any result; volatile-ttl drops those that would go next anyway';
    return { level: 'advice', wanted: 'volatile-ttl or allkeys-lru', why, set };
  }
  return ok('volatile-ttl or allkeys-lru', 'when memory is short results go early; jobs do not notice');
}

function minReplicas(now: string, { role, info }: ServerState): Verdict {
  const replicas = Number(info.raw.get('connected_slaves') ?? 0);
  if (role === 'results' || replicas === 0) return ok('any', 'no replica is connected');
  const why =
    'a master that has lost its replicas, or was replaced, stops taking jobs that its successor would never see';
  if (Number(now) >= 1) return ok('1 or more', why);
  return { level: 'advice', wanted: '1', why, set: { name: 'min-replicas-to-write', value: '1' } };
}

/** Seconds after which a silent replica no longer counts: Redis's own default. */
const MAX_LAG_S = 10;

/** How long an isolated master accepts jobs that its successor never sees. */
function maxLag(now: string, { role, info }: ServerState): Verdict {
  const replicas = Number(info.raw.get('connected_slaves') ?? 0);
  if (role === 'results' || replicas === 0) return ok('any', 'no replica is connected');
  const wanted = `1 to ${MAX_LAG_S}`;
  const why =
    'seconds for which a master that is cut off keeps taking jobs, which are lost with it; with 0 min-replicas-to-write has no effect';
  if (now === '' || (Number(now) >= 1 && Number(now) <= MAX_LAG_S)) return ok(wanted, why);
  const set = { name: 'min-replicas-max-lag', value: String(MAX_LAG_S) };
  return { level: 'advice', wanted, why, set };
}

/** Connections of one worker with two queues, and of all other clients. */
const CONNECTIONS_PER_WORKER = 3;
const CONNECTIONS_OF_OTHERS = 100;

function maxclients(now: string, { info, workers }: ServerState): Verdict {
  const needed = workers * CONNECTIONS_PER_WORKER + CONNECTIONS_OF_OTHERS;
  const limit = Number(now);
  const why = `${info.connectedClients} are connected; a worker takes ${CONNECTIONS_PER_WORKER}, and one too many is turned away`;
  if (now === '' || (limit >= needed && info.connectedClients < limit * THRESHOLDS.clientsCrowded.value))
    return ok(`${needed} or more`, why);
  const value = String(Math.max(needed, info.connectedClients * 2, 1000));
  return { level: 'warning', wanted: value, why, set: { name: 'maxclients', value } };
}

/** Below this, 5 % would be less than one large input in transit, whose submitter would be disconnected. */
const CLIENT_LIMIT_FROM = 2 * 1024 * MIB;

function maxmemoryClients(now: string, { info }: ServerState): Verdict {
  const why = 'clients that read slowly can hold any amount of memory on top of the data';
  if (now !== '0' || info.maxMemory < CLIENT_LIMIT_FROM) return ok('any', why);
  return { level: 'advice', wanted: '5%', why, set: { name: 'maxmemory-clients', value: '5%' } };
}

const OUTPUT_LIMITS = 'replica 268435456 67108864 60 pubsub 33554432 8388608 60';

/** Defaults are fine: only a removed limit is worth reporting. */
function outputLimits(now: string): Verdict {
  const unlimited = ['replica', 'slave', 'pubsub'].filter((kind) => new RegExp(`\\b${kind} 0 0 `).test(now));
  const why = 'a replica or subscriber that falls behind would take memory without end';
  if (unlimited.length === 0) return { ...ok('limits for replica and pubsub', why), now: 'limited' };
  return {
    level: 'warning',
    now: `no limit for ${unlimited.join(', ')}`,
    wanted: '256 MB, 32 MB',
    why,
    set: { name: 'client-output-buffer-limit', value: OUTPUT_LIMITS },
  };
}

const FRAGMENTED_RATIO = 1.4;
const FRAGMENTED_BYTES = 100 * MIB;

function activedefrag(now: string, { info }: ServerState): Verdict {
  const ratio = Number(info.raw.get('mem_fragmentation_ratio') ?? 1);
  const lost = Number(info.raw.get('mem_fragmentation_bytes') ?? 0);
  const why = `${formatBytes(Math.max(0, lost))} of memory is lost between the data (ratio ${ratio})`;
  if (now !== 'no' || ratio <= FRAGMENTED_RATIO || lost <= FRAGMENTED_BYTES) return ok('any', why);
  return { level: 'advice', wanted: 'yes', why, set: { name: 'activedefrag', value: 'yes' } };
}

function keyspaceEvents(now: string): Verdict {
  const why = 'infer needs none; every key that changes costs a message';
  if (now === '') return { ...ok('none', why), now: 'none' };
  // There may be listeners: reported, never changed.
  return { level: 'advice', wanted: 'none', why };
}
