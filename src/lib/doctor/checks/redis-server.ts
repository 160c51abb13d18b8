import { THRESHOLDS } from '../../core/thresholds.js';
import { formatDuration } from '../../core/units.js';
import type { RedisFacts } from '../../redis/info.js';
import { CAPABILITIES, type Check, fail, type Judgement, ok, warn } from '../check.js';

const LEAST: readonly [number, number] = [6, 2];

export const redisVersion: Check = {
  id: 'redis-version',
  topic: 'redis',
  title: 'version',
  run: async (context) => judgeVersion(await context.facts()),
};

export function judgeVersion({
  version,
  flavour,
  uptimeSeconds,
}: Pick<RedisFacts, 'version' | 'flavour' | 'uptimeSeconds'>): Judgement {
  const name = { redis: 'Redis', valkey: 'Valkey', dragonfly: 'Dragonfly' }[flavour];
  const found = `${name} ${version}, up for ${formatDuration(Math.max(1, uptimeSeconds) * 1000)}`;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const old = major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1]);
  if (flavour === 'redis' && old) {
    return fail(
      `Redis ${version} is too old: infer needs ${LEAST.join('.')} or newer`,
      'install Redis 7 or Valkey 8 and move the data (REPLICAOF, or copy the dump file)',
      { blocks: CAPABILITIES },
    );
  }
  return ok(found);
}

export const redisRole: Check = {
  id: 'redis-role',
  topic: 'redis',
  title: 'role and replicas',
  run: async (context) => judgeRole(await context.facts()),
};

export function judgeRole({ role, mode, raw, nodes }: RedisFacts): Judgement {
  const blocks = ['submit', 'CPU workers', 'GPU workers'] as const;
  if (role === 'replica') {
    const primary = `${raw.get('master_host') ?? '?'}:${raw.get('master_port') ?? '?'}`;
    const link = raw.get('master_link_status') === 'up' ? '' : ', which it has lost';
    return fail(
      `a replica of ${primary}${link}: it takes no changes`,
      'give the address of the primary, or redis-sentinel://host:26379/name to follow a failover',
      { blocks },
    );
  }
  const replicas = Number(raw.get('connected_slaves') ?? 0);
  const good = raw.get('min_slaves_good_slaves');
  // Redis reports this only if min-replicas-to-write is set.
  if (good === '0') {
    return fail(
      'too few replicas are connected (min-replicas-to-write): changes are refused',
      'bring the replicas back, or lower min-replicas-to-write',
      { blocks },
    );
  }
  // A Cluster coordinates a failover with the old master; Sentinel and operators do not.
  if (mode !== 'cluster' && replicas > 0 && good === undefined) {
    return warn(
      `primary, ${count(replicas)}; min-replicas-to-write is off: a primary that was replaced keeps taking jobs, and they are lost`,
      'infer redis-tune apply (min-replicas-to-write 1)',
    );
  }
  if (mode === 'cluster') return ok(`one of ${nodes} nodes of a Cluster, ${count(replicas)} at this one`);
  return ok(`primary, ${count(replicas)}`);
}

function count(replicas: number): string {
  if (replicas === 0) return 'no replica';
  return replicas === 1 ? '1 replica' : `${replicas} replicas`;
}

export const redisClients: Check = {
  id: 'redis-clients',
  topic: 'redis',
  title: 'connections',
  run: async (context) => judgeClients(await context.facts()),
};

export function judgeClients({
  connectedClients,
  raw,
}: Pick<RedisFacts, 'connectedClients' | 'raw'>): Judgement {
  const most = Number(raw.get('maxclients') ?? 0);
  if (most <= 0) return ok(`${connectedClients} open`);
  const share = connectedClients / most;
  const found = `${connectedClients} of ${most} are in use`;
  if (share < THRESHOLDS.clientsCrowded.value) return ok(`${connectedClients} open, ${most} at most`);
  const fix = 'stop idle clients (redis-cli client list), or raise maxclients';
  return share >= THRESHOLDS.clientsFull.value
    ? fail(`${found}: new ones are refused soon`, fix)
    : warn(found, fix);
}
