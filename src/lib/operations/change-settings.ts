import type { LoadedSettings } from '../config/load.js';
import { applyPlans, type NodeChanges, type Verified } from '../tune/apply.js';
import { auditServers } from '../tune/audit.js';
import type { OpenServer } from '../tune/open-server.js';
import { confLines, type Persisted, persist } from '../tune/persist.js';
import { type Asked, type NodePlan, planNode } from '../tune/plan.js';
import { checkRollback, planRollback, rollBack } from '../tune/rollback.js';
import { SnapshotStore, type StoredSnapshot } from '../tune/snapshot.js';
import { changeServer } from './change-server.js';
import type { Operation } from './operation.js';
import type { ServerChanged } from './outcomes.js';

/** The outcome of changing servers, in the JSON of `apply` and `rollback`. */
export interface ChangeJson {
  /** False for a dry run, when the user declined, when there was nothing to do, or when CONFIG is refused. */
  applied: boolean;
  /** True when the settings, read back from the servers, have the new values. */
  verified: boolean;
  nodes: { label: string; changes: (Verified & { why?: string })[]; warnings: string[] }[];
  /** With `--persist`: where it was written, or what to do instead. */
  persisted: Persisted[] | null;
  snapshot: string | null;
  /** When CONFIG is refused: what to do at the provider, or to write into redis.conf. */
  instead: string[];
}

/** The plan for every server: what the audit found wrong, and what was requested. */
export function planApply({ facts }: OpenServer, asked: Asked): NodePlan[] {
  const audits = auditServers(facts, asked.role);
  return facts.nodes.map((node, at) => planNode(node, audits[at]?.findings ?? [], asked));
}

/** A change that was not made, as JSON: `now` is the current value of a setting. */
export function untouched(
  plans: readonly (NodeChanges & { warnings?: string[] })[],
  instead: string[] = [],
): ChangeJson {
  return {
    applied: false,
    verified: true,
    nodes: plans.map(({ label, changes, warnings }) => ({
      label,
      changes: changes.map((one) => ({ ...one, now: one.from })),
      warnings: warnings ?? [],
    })),
    persisted: null,
    snapshot: null,
    instead,
  };
}

/** What to do when CONFIG is refused: the provider's own method, else lines for redis.conf. */
export function insteadOf({ provider, facts }: OpenServer, plans: readonly NodePlan[]): string[] {
  const [plan] = plans.filter(({ changes }) => changes.length > 0);
  if (plan === undefined) return [];
  if (provider !== undefined) return provider.set(plan.changes);
  const acl = facts.nodes.some(({ refusal }) => refusal?.kind === 'acl');
  return acl
    ? ['ACL SETUSER <user> +config|get +config|set +config|rewrite', ...configLines(plan)]
    : confLines(plan);
}

const configLines = (plan: NodePlan): string[] => [`CONFIG SET ${confLines(plan).join(' ')}`];

/** Applies the changes and, if requested, persists them. A first signal undoes everything. */
export function applyChange(
  open: OpenServer,
  plans: readonly NodePlan[],
  loaded: LoadedSettings,
  wanted: { persist: boolean },
): Operation<null, ChangeJson> {
  return changeServer({
    action: 'redis-tune apply',
    target: open.target.label,
    detail: changesText(plans),
    needsConsent: true,
    changed: settingsOf,
    change: async (signal) => {
      const store = new SnapshotStore(loaded.values.stateDir);
      const told = { target: open.target.label, now: Date.now(), signal };
      const { snapshot, nodes, verified } = await applyPlans(open.servers, plans, store, told);
      const persisted = wanted.persist ? await persistNodes(open, plans, loaded) : null;
      if (persisted?.some(({ ok }) => ok)) store.save({ ...snapshot, persisted: true });
      return {
        applied: true,
        verified,
        nodes: nodes.map((node, at) => ({ ...node, warnings: plans[at]?.warnings ?? [] })),
        persisted,
        snapshot: snapshot.file,
        instead: [],
      };
    },
  });
}

/** What a rollback would restore. @throws as `checkRollback`, unless forced. */
export function planBack({ facts }: OpenServer, snapshot: StoredSnapshot, force: boolean): NodeChanges[] {
  const plan = planRollback(snapshot, facts.nodes);
  if (!force) checkRollback(plan, facts.nodes);
  return plan.nodes;
}

/** Restores a snapshot; what was persisted then is persisted again with its old values. */
export function rollbackChange(
  open: OpenServer,
  plans: NodeChanges[],
  loaded: LoadedSettings,
  snapshot: StoredSnapshot,
): Operation<null, ChangeJson> {
  return changeServer({
    action: 'redis-tune rollback',
    target: open.target.label,
    detail: changesText(plans),
    needsConsent: plans.some(({ changes }) => changes.length > 0),
    changed: settingsOf,
    change: async (signal) => {
      const store = new SnapshotStore(loaded.values.stateDir);
      const { nodes, verified } = await rollBack(open.servers, plans, snapshot, store, signal);
      const again = snapshot.persisted ? await persistNodes(open, plans, loaded) : null;
      return {
        applied: true,
        verified,
        nodes: nodes.map((node) => ({ ...node, warnings: [] })),
        persisted: again,
        snapshot: snapshot.file,
        instead: [],
      };
    },
  });
}

/**
 * `apply --persist` with nothing left to set: makes what was applied before survive a restart. Undefined when
 * this user has applied nothing here.
 */
export function persistChange(
  open: OpenServer,
  loaded: LoadedSettings,
): Operation<null, ChangeJson> | undefined {
  const store = new SnapshotStore(loaded.values.stateDir);
  const snapshot = store.latest(open.target.label);
  if (snapshot === undefined) return undefined;
  const plans = open.facts.nodes.map(({ label }) => ({
    label,
    changes: snapshot.nodes.find((node) => node.label === label)?.changes ?? [],
    warnings: [],
  }));
  return changeServer({
    action: 'redis-tune apply',
    target: open.target.label,
    detail: 'persist what was set before',
    needsConsent: false,
    changed: settingsOf,
    change: async () => {
      const persisted = await persistNodes(open, plans, loaded);
      if (persisted.some(({ ok }) => ok)) store.save({ ...snapshot, persisted: true });
      return { ...untouched([]), persisted, snapshot: snapshot.file };
    },
  });
}

/** The settings that were changed, for the audit log. */
function settingsOf({ nodes, verified, persisted }: ChangeJson): ServerChanged {
  return {
    what: 'settings',
    count: nodes.reduce((sum, { changes }) => sum + changes.length, 0),
    verified,
    persisted: persisted === null ? null : persisted.every(({ ok }) => ok),
  };
}

function changesText(plans: readonly NodeChanges[]): string {
  const changes = plans.flatMap((plan) => plan.changes);
  return [...new Set(changes.map(({ name, from, to }) => `${name} ${from} -> ${to}`))].join(', ');
}

function persistNodes(
  { servers, facts, target }: OpenServer,
  plans: readonly NodeChanges[],
  loaded: LoadedSettings,
): Promise<Persisted[]> {
  return persist(servers, facts.nodes, plans, target, loaded.values.stateDir);
}
