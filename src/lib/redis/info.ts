import type { Cluster, Redis } from 'ioredis';
import { messageOf } from '../core/errors.js';
import type { RedisClient } from './types.js';

export type RedisFlavour = 'redis' | 'valkey' | 'dragonfly';

/** A server's INFO. Bytes, seconds; of one master in a Cluster. */
export interface RedisFacts {
  version: string;
  flavour: RedisFlavour;
  mode: 'standalone' | 'sentinel' | 'cluster';
  role: 'master' | 'replica';
  /** Bytes. */
  usedMemory: number;
  /** Bytes; 0 means no limit. */
  maxMemory: number;
  /** `maxmemory_policy`, such as `noeviction`; empty when the server does not tell. */
  policy: string;
  uptimeSeconds: number;
  connectedClients: number;
  blockedClients: number;
  /** Keys evicted since the start: above 0, jobs may be lost. */
  evictedKeys: number;
  /** True while the data set is still being read from disk. */
  loading: boolean;
  aof: { enabled: boolean; lastWriteOk: boolean };
  rdb: { lastSaveOk: boolean; lastSaveAt: number };
  /** Process id on the server's own host. */
  pid: number | undefined;
  /** Nodes known to the client: 1 unless it is a Cluster. */
  nodes: number;
  /** Every `name:value` line, for checks that need more. */
  raw: ReadonlyMap<string, string>;
}

/**
 * Reads and parses INFO. On a Cluster: of one master, plus the number of nodes.
 * @throws the client's error (NOPERM, a lost connection); `explain` of connect.ts words it.
 */
export async function readInfo(client: RedisClient): Promise<RedisFacts> {
  if (!client.isCluster) return parseInfo(await (client as Redis).info());
  const cluster = client as Cluster;
  const master = cluster.nodes('master')[0];
  const text = await (master ?? cluster).info();
  return { ...parseInfo(text), nodes: cluster.nodes().length };
}

/**
 * Memory only: that of the fullest master, with the policy of a master that evicts if there is one; undefined
 * when this user may not ask. One short INFO section: cheap enough to read every second.
 */
export async function readMemory(
  client: RedisClient,
): Promise<Pick<RedisFacts, 'usedMemory' | 'maxMemory' | 'policy'> | undefined> {
  const nodes = client.isCluster ? (client as Cluster).nodes('master') : [client as Redis];
  try {
    const facts = (await Promise.all(nodes.map((node) => node.info('memory')))).map(parseInfo);
    const fullest = facts.reduce((full, next) =>
      (memoryHeadroom(next) ?? 1) < (memoryHeadroom(full) ?? 1) ? next : full,
    );
    const evicting = facts.find(({ policy }) => policy !== '' && policy !== 'noeviction');
    return { ...fullest, policy: (evicting ?? fullest).policy };
  } catch (error) {
    if (messageOf(error).startsWith('NOPERM')) return undefined;
    throw error;
  }
}

/**
 * INFO of every master; just one outside a Cluster. Named by `host:port`, the path of a socket, or the name
 * Sentinel uses.
 */
export async function readMasters(client: RedisClient): Promise<{ node: string; facts: RedisFacts }[]> {
  const nodes = client.isCluster ? (client as Cluster).nodes('master') : [client as Redis];
  return Promise.all(
    nodes.map(async (node) => {
      const { path, host, port, sentinels, name } = node.options;
      const place = sentinels ? String(name) : (path ?? `${host}:${port}`);
      return { node: place, facts: parseInfo(await node.info()) };
    }),
  );
}

/** Parses the text of an INFO reply; absent fields become 0, '' or the harmless value. */
export function parseInfo(text: string): RedisFacts {
  const raw = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) raw.set(line.slice(0, colon), line.slice(colon + 1));
  }
  const number = (name: string): number => {
    const value = Number(raw.get(name));
    return Number.isFinite(value) ? value : 0;
  };
  const flavour = flavourOf(raw);
  const mode = raw.get('redis_mode') ?? raw.get('server_mode');
  return {
    version: raw.get(`${flavour}_version`)?.replace(/^df-v?/, '') ?? raw.get('redis_version') ?? '',
    flavour,
    mode: mode === 'cluster' || mode === 'sentinel' ? mode : 'standalone',
    role: raw.get('role') === 'slave' || raw.get('role') === 'replica' ? 'replica' : 'master',
    usedMemory: number('used_memory'),
    maxMemory: number('maxmemory'),
    policy: raw.get('maxmemory_policy') ?? '',
    uptimeSeconds: number('uptime_in_seconds'),
    connectedClients: number('connected_clients'),
    blockedClients: number('blocked_clients'),
    evictedKeys: number('evicted_keys'),
    // `loading` counts async loads of replicas too; both mean "not ready yet".
    loading: number('loading') !== 0,
    aof: {
      enabled: number('aof_enabled') === 1,
      lastWriteOk: (raw.get('aof_last_write_status') ?? 'ok') === 'ok',
    },
    rdb: {
      lastSaveOk: (raw.get('rdb_last_bgsave_status') ?? 'ok') === 'ok',
      lastSaveAt: number('rdb_last_save_time'),
    },
    pid: raw.has('process_id') ? number('process_id') : undefined,
    nodes: 1,
    raw,
  };
}

function flavourOf(raw: ReadonlyMap<string, string>): RedisFlavour {
  if (raw.has('dragonfly_version')) return 'dragonfly';
  if (raw.has('valkey_version') || raw.get('server_name') === 'valkey') return 'valkey';
  return 'redis';
}

/** Free share of `maxmemory`, 0..1; undefined when the server has no limit. */
export function memoryHeadroom(facts: Pick<RedisFacts, 'usedMemory' | 'maxMemory'>): number | undefined {
  if (facts.maxMemory <= 0) return undefined;
  return Math.min(1, Math.max(0, 1 - facts.usedMemory / facts.maxMemory));
}
