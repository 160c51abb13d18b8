import { percent } from '../core/counts.js';
import { THRESHOLDS } from '../core/thresholds.js';
import { formatBytes, formatDuration } from '../core/units.js';
import type { RedisFacts } from '../redis/info.js';
import { memoryState, reaches } from '../redis/memory-state.js';
import type { Finding, TuneRole } from './rules.js';
import type { LatencyEvent, NodeFacts } from './server-facts.js';
import type { HostSettings } from './server-host.js';

/** A fork or stall longer than this is reported: every client waits for it. */
const LONG_STALL_MS = 100;

/**
 * A server's history and state: losses, refusals, disk, forks, stalls, and its kernel settings. Only what is
 * worth reporting. Pure.
 */
export function judgeHealth(node: NodeFacts, role: TuneRole): Finding[] {
  return [
    ...losses(node.info, role),
    ...fullness(node.info, role),
    ...disk(node.info),
    ...clients(node.info),
    ...replication(node.info),
    ...stalls(node.info, node.latency ?? []),
    ...(node.host === undefined ? [] : kernel(node.host)),
  ];
}

const since = (info: RedisFacts): string =>
  `since the server started ${formatDuration(info.uptimeSeconds * 1000)} ago`;

function losses(info: RedisFacts, role: TuneRole): Finding[] {
  if (info.evictedKeys === 0) return [];
  const now = String(info.evictedKeys);
  if (role === 'results') {
    const why = `results were dropped before their time ${since(info)}: it has been full`;
    return [
      {
        setting: 'evicted_keys',
        level: 'advice',
        now,
        wanted: '0',
        why,
        fix: 'raise maxmemory, or keep results shorter with --result-ttl',
      },
    ];
  }
  const why = `data was lost already: Redis dropped these keys ${since(info)}. Jobs among them run with no input, or never`;
  const fix =
    'set noeviction (infer redis-tune apply), resubmit what is missing, then clear the count: redis-cli CONFIG RESETSTAT';
  return [{ setting: 'evicted_keys', level: 'critical', now, wanted: '0', why, fix }];
}

function fullness(info: RedisFacts, role: TuneRole): Finding[] {
  const found: Finding[] = [];
  if (role === 'broker' && memoryState(info) === 'full') {
    const isBrim = reaches(info, THRESHOLDS.memoryBrim);
    found.push({
      setting: 'used_memory',
      level: isBrim ? 'critical' : 'warning',
      now: percent(Math.min(1, info.usedMemory / info.maxMemory)),
      wanted: `under ${percent(THRESHOLDS.memoryFull.value)}`,
      why: isBrim
        ? 'at the limit locks cannot be renewed nor results stored: running jobs run twice'
        : 'new jobs are refused until workers have caught up',
      fix: 'more workers, shorter --result-ttl, or infer redis-tune apply --maxmemory with more',
    });
  }
  const refused = Number(/count=(\d+)/.exec(info.raw.get('errorstat_OOM') ?? '')?.[1] ?? 0);
  if (refused > 0) {
    found.push({
      setting: 'errorstat_OOM',
      level: 'warning',
      now: String(refused),
      wanted: '0',
      why: `commands that were refused for lack of memory ${since(info)}`,
    });
  }
  return found;
}

const DISK_FIX = "free space on the server's disk and look at its log";

function disk({ raw, aof, rdb }: RedisFacts): Finding[] {
  const found: Finding[] = [];
  const broken = (setting: string, level: Finding['level'], why: string): void => {
    found.push({ setting, level, now: 'err', wanted: 'ok', why, fix: DISK_FIX });
  };
  if (!aof.lastWriteOk) {
    broken(
      'aof_last_write_status',
      'critical',
      'the append-only file cannot be written: changes are refused or would be lost',
    );
  }
  if ((raw.get('aof_last_bgrewrite_status') ?? 'ok') !== 'ok') {
    broken(
      'aof_last_bgrewrite_status',
      'warning',
      'the append-only file could not be rewritten and grows without end',
    );
  }
  if (!rdb.lastSaveOk) broken('rdb_last_bgsave_status', 'warning', 'the last snapshot could not be saved');
  const delayed = Number(raw.get('aof_delayed_fsync') ?? 0);
  if (delayed > 0) {
    const why = 'times that writing waited for a slow disk: each holds up every client';
    found.push({ setting: 'aof_delayed_fsync', level: 'advice', now: String(delayed), wanted: '0', why });
  }
  return found;
}

function clients({ raw }: RedisFacts): Finding[] {
  const turnedAway = Number(raw.get('rejected_connections') ?? 0);
  if (turnedAway === 0) return [];
  const why = 'connections turned away because maxclients was reached';
  return [{ setting: 'rejected_connections', level: 'warning', now: String(turnedAway), wanted: '0', why }];
}

function replication({ role, raw }: RedisFacts): Finding[] {
  const found: Finding[] = [];
  const replicas = [...raw].flatMap(([name, text]) => {
    const at = /^slave\d+$/.test(name) ? /ip=([^,]+),port=(\d+)/.exec(text) : null;
    return at === null ? [] : [`redis://${at[1]}:${at[2]}`];
  });
  if (role === 'master' && replicas.length > 0) {
    found.push({
      setting: 'replicas',
      level: 'advice',
      now: String(replicas.length),
      wanted: 'set alike',
      why: 'a replica keeps settings of its own, which count after a failover',
      fix: `look at each: infer redis-tune --redis ${replicas[0]}`,
    });
  }
  if (role === 'replica') {
    const master = raw.get('master_host');
    found.push({
      setting: 'role',
      level: 'warning',
      now: 'replica',
      wanted: 'master',
      why: 'a replica takes no jobs; its own settings count after a failover',
      ...(master === undefined
        ? {}
        : { fix: `look at its master: --redis redis://${master}:${raw.get('master_port') ?? 6379}` }),
    });
    if (raw.get('master_link_status') === 'down') {
      found.push({
        setting: 'master_link_status',
        level: 'warning',
        now: 'down',
        wanted: 'up',
        why: 'this replica has lost its master and falls behind',
      });
    }
  }
  return found;
}

function stalls({ raw }: RedisFacts, latency: readonly LatencyEvent[]): Finding[] {
  const found: Finding[] = [];
  const fork = Number(raw.get('latest_fork_usec') ?? 0) / 1000;
  if (fork > LONG_STALL_MS) {
    found.push({
      setting: 'latest_fork_usec',
      level: 'advice',
      now: formatDuration(fork),
      wanted: `under ${LONG_STALL_MS} ms`,
      why: 'the last save or rewrite stopped Redis for this long: less data, no huge pages, or a machine without nested virtualization',
    });
  }
  for (const { name, lastMs, maxMs } of latency.filter((event) => event.maxMs > LONG_STALL_MS)) {
    found.push({
      setting: `latency ${name}`,
      level: 'advice',
      now: formatDuration(maxMs),
      wanted: `under ${LONG_STALL_MS} ms`,
      why: `the longest stall of this kind, the last one ${formatDuration(lastMs)}: redis-cli LATENCY DOCTOR explains it`,
    });
  }
  return found;
}

function kernel({ overcommit, hugePages, swap }: HostSettings): Finding[] {
  const found: Finding[] = [];
  if (overcommit !== undefined && overcommit !== 1) {
    found.push({
      setting: 'vm.overcommit_memory',
      level: 'advice',
      now: String(overcommit),
      wanted: '1',
      why: 'with less than half of the memory free a save or rewrite cannot fork, and fails',
      fix: 'sysctl vm.overcommit_memory=1',
    });
  }
  if (hugePages === 'always') {
    found.push({
      setting: 'transparent_hugepage',
      level: 'advice',
      now: hugePages,
      wanted: 'madvise or never',
      why: 'during a save each change copies 2 MB instead of 4 KB: slow, and it may double the memory used',
      fix: 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled',
    });
  }
  if (swap !== undefined && swap > 0) {
    found.push({
      setting: 'swap',
      level: 'advice',
      now: formatBytes(swap),
      wanted: 'none',
      why: 'a Redis that is swapped out answers in seconds; with maxmemory set it needs no swap',
    });
  }
  return found;
}
