import { InferError, messageOf } from '../core/errors.js';
import {
  readConfig,
  refusalOf,
  type ServerNode,
  type SettingChange,
  setConfig,
  shortReply,
  UndoFailed,
} from '../redis/server-config.js';
import type { SnapshotStore, StoredSnapshot } from './snapshot.js';

/** What to set on one server. */
export interface NodeChanges {
  label: string;
  changes: readonly SettingChange[];
}

/** A setting as read back from the server after the change. */
export interface Verified extends SettingChange {
  now: string;
}

export interface Applied {
  nodes: { label: string; changes: Verified[] }[];
  snapshot: StoredSnapshot;
  /** False when a server reports another value than the one it acknowledged. */
  verified: boolean;
}

export interface ApplyOptions {
  /** Address without credentials, for the snapshot. */
  target: string;
  now: number;
  signal?: AbortSignal | undefined;
}

/**
 * Changes every server, or none: the old values are saved to disk first, each server is changed in one step,
 * and if one refuses or `signal` aborts, the earlier ones are restored. If it is killed in between, the
 * snapshot stays `applying`, and a rollback restores what was changed.
 * @param servers in the order of `plans`.
 * @throws InferError TUNE_CHANGED (exit 75) when a setting has changed since the plan was made,
 *   TUNE_PERMISSION (77) when a server refuses CONFIG, TUNE_REFUSED (78) when it refuses a value,
 *   TUNE_HALF_DONE (3) when undoing failed too.
 */
export async function applyPlans(
  servers: readonly ServerNode[],
  plans: readonly NodeChanges[],
  store: SnapshotStore,
  options: ApplyOptions,
): Promise<Applied> {
  for (const [at, plan] of plans.entries()) await checkUnchanged(nodeAt(servers, at), plan);
  options.signal?.throwIfAborted();
  const snapshot = store.create({
    version: 1,
    at: options.now,
    target: options.target,
    state: 'applying',
    persisted: false,
    nodes: plans.map(({ label, changes }) => ({
      label,
      changes: changes.map(({ name, from, to }) => ({ name, from, to })),
    })),
  });
  await setAll(servers, plans, options.signal, () => store.save({ ...snapshot, state: 'undone' }));
  const applied = store.save({ ...snapshot, state: 'applied' });
  return { ...(await readBack(servers, plans)), snapshot: applied };
}

/** Applies plans one server after the other; on failure undoes everything and reports it through `undone`. */
export async function setAll(
  servers: readonly ServerNode[],
  plans: readonly NodeChanges[],
  signal: AbortSignal | undefined,
  undone: () => void,
): Promise<void> {
  const done: number[] = [];
  try {
    for (const [at, plan] of plans.entries()) {
      signal?.throwIfAborted();
      if (plan.changes.length > 0) await setConfig(nodeAt(servers, at).node, plan.changes, signal);
      done.unshift(at);
    }
    signal?.throwIfAborted();
  } catch (error) {
    const failedAt = plans[done.length]?.label ?? '';
    const left = error instanceof UndoFailed ? [...error.left] : [];
    for (const at of done) left.push(...(await putBack(nodeAt(servers, at), plans[at] as NodeChanges)));
    if (left.length > 0) throw halfDone(left, error);
    undone();
    throw refused(error, failedAt);
  }
}

/** Undoes one server's whole change; returns what it refused. */
async function putBack({ node }: ServerNode, { changes }: NodeChanges): Promise<SettingChange[]> {
  const back = changes.map(({ name, from, to }) => ({ name, from: to, to: from })).reverse();
  try {
    if (back.length > 0) await setConfig(node, back);
    return [];
  } catch {
    return [...changes];
  }
}

/** Current values of the changed settings, read from the servers. */
export async function readBack(
  servers: readonly ServerNode[],
  plans: readonly NodeChanges[],
): Promise<Pick<Applied, 'nodes' | 'verified'>> {
  const nodes = await Promise.all(
    plans.map(async ({ label, changes }, at) => {
      const values = await currentValues(nodeAt(servers, at), changes);
      return { label, changes: changes.map((one) => ({ ...one, now: values.get(one.name) ?? '?' })) };
    }),
  );
  return {
    nodes,
    verified: nodes.every(({ changes }) => changes.every(({ now, to }) => sameValue(now, to))),
  };
}

/**
 * Treats values as equal that Redis writes differently from its input: `slave` for `replica`, letter case.
 */
export function sameValue(a: string, b: string): boolean {
  const plain = (value: string): string => value.toLowerCase().replaceAll('slave', 'replica').trim();
  // Limits of classes that were not given are unchanged, but are listed too.
  return plain(a) === plain(b) || (plain(b).includes(' ') && plain(a).includes(plain(b)));
}

async function currentValues(
  { node }: ServerNode,
  changes: readonly SettingChange[],
): Promise<Map<string, string>> {
  const names = changes.map(({ name }) => name);
  const values = await readConfig(node, names);
  if (values instanceof Map) return values;
  throw new InferError('TUNE_PERMISSION', `the server refuses CONFIG: ${values.text}`, {
    hint: '`infer redis-tune apply --dry-run` shows what to set, and with which command of its provider',
  });
}

async function checkUnchanged(server: ServerNode, { label, changes }: NodeChanges): Promise<void> {
  const values = await currentValues(server, changes);
  const moved = changes.find(({ name, from }) => values.get(name) !== from);
  if (moved === undefined) return;
  throw new InferError('TUNE_CHANGED', `${moved.name} of ${label} was changed while you decided`, {
    hint: 'nothing was set; run the command again',
  });
}

function nodeAt(servers: readonly ServerNode[], at: number): ServerNode {
  const server = servers[at];
  if (server === undefined) throw new TypeError('more plans than servers');
  return server;
}

/** The server's message for a setting it refuses; any other error is unchanged. */
function refused(error: unknown, label: string): unknown {
  if (refusalOf(error) === undefined) return error;
  return new InferError('TUNE_REFUSED', `${label} refuses it: ${shortReply(error)}`, {
    hint: 'nothing was changed; leave that setting out with --only, or correct its value',
  });
}

function halfDone(left: readonly SettingChange[], cause: unknown): InferError {
  const names = [...new Set(left.map(({ name }) => name))].join(', ');
  return new InferError(
    'TUNE_HALF_DONE',
    `stopped half-way (${messageOf(cause instanceof UndoFailed ? cause.cause : cause).slice(0, 120)}), and not put back: ${names}`,
    { hint: 'infer redis-tune rollback, as soon as the server answers' },
  );
}
