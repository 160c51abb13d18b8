import type { Cluster } from 'ioredis';
import { messageOf } from '../core/errors.js';
import { printable } from '../core/job.js';
import type { RedisClient, RedisNode } from './types.js';

/** One server behind a connection. */
export interface ServerNode {
  /** `host:port` on a Cluster; else empty: the address of the connection says it. */
  label: string;
  node: RedisNode;
}

/** Why a server does not let itself be asked or told: its own word and, in short, the rest. */
export interface ConfigRefusal {
  /** `acl`: this user may not; `absent`: the command does not exist here (renamed away, or managed). */
  kind: 'acl' | 'absent' | 'other';
  text: string;
}

/** Every master: all servers that hold keys of their own. One, unless it is a Cluster. */
export function masterNodes(client: RedisClient): ServerNode[] {
  return nodesOf(client, 'master');
}

/** Every server, replicas of a Cluster among them: each has users and settings of its own. */
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
 * Settings as CONFIG GET says them, by name; those that this server does not know are absent. One
 * by one: several names in a command came with Redis 7.0, and `*` would send passwords too.
 * @throws what the client throws when the connection fails; a refusal is an answer.
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

/** RESP2 answers a flat list, RESP3 a map, which the client may hand on as either. */
function flat(reply: unknown): string[] {
  if (Array.isArray(reply)) return reply.map(String);
  return typeof reply === 'object' && reply !== null ? Object.entries(reply).flat().map(String) : [];
}

/** What a server's error reply means for CONFIG, MEMORY, LATENCY…; undefined when it is none. */
export function refusalOf(error: unknown): ConfigRefusal | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined;
  const text = shortReply(error);
  // These pass by themselves and are no matter of rights.
  if (/^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|NOAUTH|WRONGPASS)\b/.test(text)) return undefined;
  if (/^NOPERM\b/.test(text)) return { kind: 'acl', text };
  return { kind: /unknown command|unknown subcommand/i.test(text) ? 'absent' : 'other', text };
}

/** The first line of a reply without the arguments that some servers repeat. */
export function shortReply(error: unknown): string {
  const line = messageOf(error).split(/\r?\n/)[0] ?? '';
  return printable(line.replace(/,? with args beginning with:.*$/i, '')).slice(0, 240);
}

/** One setting to set, and what it was: what undoing it sets. */
export interface SettingChange {
  name: string;
  from: string;
  to: string;
}

/** A server that takes one setting a command (before Redis 7.0) says one of these. */
const ONE_AT_A_TIME =
  /wrong number of arguments|unknown subcommand or wrong number|unsupported CONFIG parameter|syntax error/i;

/**
 * Sets all or nothing: in one CONFIG SET, which Redis 7.0 and newer apply whole or not at all;
 * where that is not known, one after the other, and back again when one fails or `signal` aborts.
 * @returns how it was done.
 * @throws the server's reply, everything undone; `UndoFailed` when that failed too.
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
      // Noted first: should the answer get lost, it may have been set all the same.
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

/** Some settings could be neither all set nor all put back. */
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
