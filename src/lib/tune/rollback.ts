import { InferError } from '../core/errors.js';
import { formatBytes } from '../core/units.js';
import type { ServerNode, SettingChange } from '../redis/server-config.js';
import { type NodeChanges, readBack, sameValue, setAll, type Verified } from './apply.js';
import { inSafeOrder } from './plan.js';
import type { NodeFacts } from './server-facts.js';
import type { SnapshotStore, StoredSnapshot } from './snapshot.js';

/** A setting with neither the value set by `apply` nor the one before: it has been changed since. */
export interface Conflict {
  label: string;
  name: string;
  /** What `apply` set. */
  left: string;
  now: string;
  before: string;
}

export interface RollbackPlan {
  /** In the order of the servers. */
  nodes: NodeChanges[];
  conflicts: Conflict[];
  /** Servers of the snapshot that are no longer masters here. */
  gone: string[];
}

/** What restoring a snapshot would set. Settings that already have their old value are skipped. Pure. */
export function planRollback(snapshot: StoredSnapshot, nodes: readonly NodeFacts[]): RollbackPlan {
  const conflicts: Conflict[] = [];
  const plans = nodes.map((node): NodeChanges => {
    const taken = snapshot.nodes.find(({ label }) => label === node.label)?.changes ?? [];
    const changes: SettingChange[] = [];
    for (const { name, from, to } of taken) {
      const now = node.config.get(name) ?? '';
      if (sameValue(now, from)) continue;
      changes.push({ name, from: now, to: from });
      if (!sameValue(now, to)) conflicts.push({ label: node.label, name, left: to, now, before: from });
    }
    return { label: node.label, changes: inSafeOrder(changes) };
  });
  const here = new Set(nodes.map(({ label }) => label));
  return {
    nodes: plans,
    conflicts,
    gone: snapshot.nodes.map(({ label }) => label).filter((label) => !here.has(label)),
  };
}

/**
 * @throws InferError TUNE_CHANGED_SINCE (exit 1) when the settings have been changed by others since, or
 *   TUNE_MAXMEMORY (2) when the old limit is below current usage.
 */
export function checkRollback(plan: RollbackPlan, nodes: readonly NodeFacts[]): void {
  const [first] = plan.conflicts;
  if (first !== undefined) {
    const { name, label, left, now, before } = first;
    const more = plan.conflicts.length > 1 ? `, and ${plan.conflicts.length - 1} more like it` : '';
    throw new InferError(
      'TUNE_CHANGED_SINCE',
      `${name} of ${label} was set to ${left} then and is ${now} now: someone has changed it since${more}`,
      { hint: `ask who did; --force restores ${before} anyway` },
    );
  }
  if (plan.gone.length > 0) {
    throw new InferError(
      'TUNE_CHANGED_SINCE',
      `${plan.gone.join(', ')} is no longer a master of this Redis`,
      { hint: '--force puts back the others' },
    );
  }
  for (const [at, { changes, label }] of plan.nodes.entries()) {
    const limit = Number(changes.find(({ name }) => name === 'maxmemory')?.to ?? 0);
    const used = nodes[at]?.info.usedMemory ?? 0;
    if (limit === 0 || limit > used) continue;
    throw new InferError(
      'TUNE_MAXMEMORY',
      `the old limit of ${label}, ${formatBytes(limit)}, is below the ${formatBytes(used)} in use now`,
      { hint: 'let the queues run empty first, or --force' },
    );
  }
}

/** Restores a snapshot, on every server or none; see `applyPlans` for what it throws. */
export async function rollBack(
  servers: readonly ServerNode[],
  plans: readonly NodeChanges[],
  snapshot: StoredSnapshot,
  store: SnapshotStore,
  signal?: AbortSignal,
): Promise<{ nodes: { label: string; changes: Verified[] }[]; verified: boolean }> {
  await setAll(servers, plans, signal, () => undefined);
  store.save({ ...snapshot, state: 'rolled-back' });
  return readBack(servers, plans);
}
