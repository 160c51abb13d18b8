import { messageOf } from '../core/errors.js';
import { listQueues } from '../queue/read/reader.js';
import { listWorkers } from '../queue/registry.js';
import { parseRedisUrl } from '../redis/address.js';
import { parseInfo } from '../redis/info.js';
import { readConfig, refusalOf, type ServerNode } from '../redis/server-config.js';
import type { RedisClient, RedisTarget } from '../redis/types.js';
import { AUDITED } from './rules.js';
import type { LatencyEvent, NodeFacts, ServerFacts } from './server-facts.js';
import { isLocal, readServerHost } from './server-host.js';

/**
 * Reads every server's facts. Read-only, and anything refused is left out: INFO alone is enough for an audit.
 */
export async function readFacts(
  client: RedisClient,
  servers: readonly ServerNode[],
  target: RedisTarget,
  prefix: string,
): Promise<ServerFacts> {
  const { endpoints, kind } = parseRedisUrl(target.url);
  const local = isLocal(endpoints);
  const [nodes, queues, workers] = await Promise.all([
    Promise.all(servers.map((server) => readNode(server, target.label, local))),
    allowed(listQueues(client, prefix)),
    allowed(listWorkers(client, prefix)),
  ]);
  return {
    label: target.label,
    source: target.source,
    cluster: kind === 'cluster',
    nodes,
    hosts: endpoints.map(({ host }) => host),
    queues,
    workers: workers?.length ?? 0,
  };
}

async function readNode({ label, node }: ServerNode, address: string, local: boolean): Promise<NodeFacts> {
  const [text, config, latency] = await Promise.all([
    node.info(),
    readConfig(node, AUDITED),
    allowed(node.call('LATENCY', 'LATEST')),
  ]);
  const info = parseInfo(text);
  const host = readServerHost(info.raw, local, info.pid);
  const refused = !(config instanceof Map);
  return {
    label: label === '' ? address : label,
    info,
    config: refused ? settingsInInfo(info.raw) : config,
    refusal: refused ? config : undefined,
    memory: host.memory,
    host: host.settings,
    latency: latency === undefined ? undefined : latencyEvents(latency),
  };
}

/** INFO's names of settings that it also contains. */
const IN_INFO: Readonly<Record<string, string>> = {
  maxmemory: 'maxmemory',
  'maxmemory-policy': 'maxmemory_policy',
  maxclients: 'maxclients',
  hz: 'configured_hz',
};

function settingsInInfo(raw: ReadonlyMap<string, string>): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, field] of Object.entries(IN_INFO)) {
    const value = raw.get(field);
    if (value !== undefined) found.set(name, value);
  }
  const aof = raw.get('aof_enabled');
  if (aof !== undefined) found.set('appendonly', aof === '1' ? 'yes' : 'no');
  return found;
}

/** The result, or undefined if this user or server does not support the request. */
export async function allowed<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (refusalOf(error) === undefined) throw error;
    return undefined;
  }
}

function latencyEvents(reply: unknown): LatencyEvent[] {
  if (!Array.isArray(reply)) return [];
  return (reply as unknown[][]).map(([name, , last, max]) => ({
    name: messageOf(name),
    lastMs: Number(last),
    maxMs: Number(max),
  }));
}
