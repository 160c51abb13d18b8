import type { Cluster } from 'ioredis';
import { messageOf } from '../core/errors.js';
import { printable } from '../core/job.js';
import type { RedisClient, RedisNode } from './types.js';

/** One server behind a connection. */
export interface ServerNode {
  /** `host:port` on a Cluster; otherwise empty, since the connection's address says it. */
  label: string;
  node: RedisNode;
}

/** Why a server refuses to tell or change its settings: its error word and, shortened, the rest. */
export interface ConfigRefusal {
  /** `acl`: this user may not; `absent`: the command does not exist here (renamed, or a managed server). */
  kind: 'acl' | 'absent' | 'other';
  text: string;
}

/** Every master: all servers with keys of their own. One, unless it is a Cluster. */
export function masterNodes(client: RedisClient): ServerNode[] {
  return nodesOf(client, 'master');
}

/** Every server, including replicas of a Cluster: each has its own users and settings. */
export function allNodes(client: RedisClient): ServerNode[] {
  return nodesOf(client, 'all');
}

function nodesOf(client: RedisClient, role: 'master' | 'all'): ServerNode[] {
  if (!client.isCluster) return [{ label: '', node: client as RedisNode }];
  return (client as Cluster)
    .nodes(role)
    .map((node) => ({ label: `${node.options.host}:${node.options.port}`, node }))
    .sort((a, b) => a.label.localeCompare(b.label));
}

/**
 * Settings from CONFIG GET, by name; those unknown to this server are absent. Read one by one: several names
 * per command need Redis 7.0, and `*` would send passwords too.
 * @throws the client's error when the connection fails; a refusal is a return value.
 */
export async function readConfig(
  node: RedisNode,
  names: readonly string[],
): Promise<Map<string, string> | ConfigRefusal> {
  try {
    const replies = await Promise.all(names.map((name) => node.call('CONFIG', 'GET', name)));
    const values = new Map<string, string>();
    for (const reply of replies) {
      const [name, value] = flat(reply);
      if (name !== undefined && value !== undefined) values.set(name, value);
    }
    return values;
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    return refusal;
  }
}

/** RESP2 returns a flat list, RESP3 a map, which the client may pass on as either. */
function flat(reply: unknown): string[] {
  if (Array.isArray(reply)) return reply.map(String);
  return typeof reply === 'object' && reply !== null ? Object.entries(reply).flat().map(String) : [];
}

/** The meaning of a server's error reply to CONFIG, MEMORY, LATENCY…; undefined for any other error. */
export function refusalOf(error: unknown): ConfigRefusal | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined;
  const text = shortReply(error);
  // These are temporary and have nothing to do with rights.
  if (/^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|NOAUTH|WRONGPASS)\b/.test(text)) return undefined;
  if (/^NOPERM\b/.test(text)) return { kind: 'acl', text };
  return { kind: /unknown command|unknown subcommand/i.test(text) ? 'absent' : 'other', text };
}

/** The first line of a reply without the arguments that some servers repeat. */
export function shortReply(error: unknown): string {
  const line = messageOf(error).split(/\r?\n/)[0] ?? '';
  return printable(line.replace(/,? with args beginning with:.*$/i, '')).slice(0, 240);
}

/** A setting to change, and its former value, which undoing restores. */
export interface SettingChange {
  name: string;
  from: string;
  to: string;
}

/** Errors of a server that accepts only one setting per command (before Redis 7.0). */
const ONE_AT_A_TIME =
  /wrong number of arguments|unknown subcommand or wrong number|unsupported CONFIG parameter|syntax error/i;

/**
 * Sets all or nothing: with one CONFIG SET, which Redis 7.0 and later apply atomically; where that is not
 * supported, one after the other, and reverted when one fails or `signal` aborts.
 * @returns which of the two was used.
 * @throws the server's reply, after everything was undone; `UndoFailed` when undoing failed too.
 */
export async function setConfig(
  node: RedisNode,
  changes: readonly SettingChange[],
  signal?: AbortSignal,
): Promise<'atomic' | 'stepwise'> {
  try {
    await node.call('CONFIG', 'SET', ...changes.flatMap(({ name, to }) => [name, to]));
    return 'atomic';
  } catch (error) {
    if (changes.length < 2 || !ONE_AT_A_TIME.test(messageOf(error))) throw error;
  }
  const done: SettingChange[] = [];
  try {
    for (const change of changes) {
      signal?.throwIfAborted();
      // Recorded first: if the answer is lost, it may have been set nevertheless.
      done.unshift(change);
      await node.call('CONFIG', 'SET', change.name, change.to);
    }
    signal?.throwIfAborted();
    return 'stepwise';
  } catch (error) {
    await undo(node, done, error);
    throw error;
  }
}

/** Some settings could neither all be set nor all be restored. */
export class UndoFailed extends Error {
  override readonly name = 'UndoFailed';

  constructor(
    readonly left: readonly SettingChange[],
    override readonly cause: unknown,
  ) {
    super(`not put back: ${left.map(({ name }) => name).join(', ')}`);
  }
}

async function undo(node: RedisNode, done: readonly SettingChange[], cause: unknown): Promise<void> {
  const left: SettingChange[] = [];
  for (const change of done) {
    try {
      await node.call('CONFIG', 'SET', change.name, change.from);
    } catch {
      left.push(change);
    }
  }
  if (left.length > 0) throw new UndoFailed(left, cause);
}
