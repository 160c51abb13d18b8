import { changedServerText } from './audit-text.js';
import type { Operation } from './operation.js';
import type { ServerChanged } from './outcomes.js';

/** A change to the Redis server: its settings, their persistence, or its users. */
export interface ServerChange<Outcome> {
  action: 'redis-tune apply' | 'redis-tune rollback' | 'redis-tune acl';
  /** The server, or the user. */
  target: string;
  /** Old and new values of settings, or the role of a user; never a password. */
  detail: string;
  needsConsent: boolean;
  /** Makes the change; undoes what it has begun when the signal fires. */
  change(signal: AbortSignal): Promise<Outcome>;
  changed(outcome: Outcome): ServerChanged;
}

/** Changing a Redis server. The plan was made and shown before: reading a server is not part of this. */
export function changeServer<Outcome>(wanted: ServerChange<Outcome>): Operation<null, Outcome> {
  const { action, target, detail, needsConsent } = wanted;
  return {
    action,
    target,
    detail,
    needsConsent: () => needsConsent,
    plan: async () => null,
    preview: async () => null,
    act: (_, { signal }) => wanted.change(signal),
    summary: (outcome) => {
      const changed = wanted.changed(outcome);
      const kept = changed.persisted === false ? 'partial' : 'ok';
      return {
        count: changed.count,
        outcome: changed.verified ? kept : 'failed',
        result: changedServerText(changed),
      };
    },
  };
}
