import { embeddedTargetOf } from '../redis/connect.js';
import { keepSettings } from '../redis/embedded-settings.js';
import { refusalOf, type ServerNode, shortReply } from '../redis/server-config.js';
import type { RedisTarget } from '../redis/types.js';
import type { NodeChanges } from './apply.js';
import type { NodeFacts } from './server-facts.js';

/** Whether settings will survive a restart of a server, and what to do if not. */
export interface Persisted {
  label: string;
  ok: boolean;
  /** Where they were saved, or why not. */
  text: string;
  /** Lines for the operator of that server. */
  instead: string[];
}

export const REWRITE_WARNING =
  'CONFIG REWRITE writes everything that was changed at runtime into the configuration file, by anyone, ACL users among it, and reorders its lines';

/**
 * Makes settings survive a restart: with CONFIG REWRITE, or for infer's own server in the file it is started
 * with. A server without a configuration file cannot save them: then `instead` says what to add where it is
 * started. Never throws for a refusal.
 */
export async function persist(
  servers: readonly ServerNode[],
  nodes: readonly NodeFacts[],
  plans: readonly NodeChanges[],
  target: RedisTarget,
  stateDir: string,
): Promise<Persisted[]> {
  if (isOwnServer(target, stateDir)) {
    const changes = plans.flatMap((plan) => plan.changes);
    const file = keepSettings(stateDir, Object.fromEntries(changes.map(({ name, to }) => [name, to])));
    return [{ label: plans[0]?.label ?? '', ok: true, text: `kept for every start in ${file}`, instead: [] }];
  }
  return Promise.all(
    servers.map(async ({ node }, at): Promise<Persisted> => {
      const plan = plans[at] as NodeChanges;
      const file = nodes[at]?.info.raw.get('config_file') ?? '';
      if (file === '') {
        const text = 'this server was started without a configuration file, so a restart undoes it';
        return { label: plan.label, ok: false, text, instead: startLines(plan) };
      }
      try {
        await node.call('CONFIG', 'REWRITE');
        return { label: plan.label, ok: true, text: `written to ${file}`, instead: [] };
      } catch (error) {
        if (refusalOf(error) === undefined) throw error;
        const text = `${file} could not be written: ${shortReply(error)}`;
        return { label: plan.label, ok: false, text, instead: confLines(plan) };
      }
    }),
  );
}

/** True for infer's own server, even if its socket was given. */
export function isOwnServer(target: RedisTarget, stateDir: string): boolean {
  return target.source === 'embedded' || target.label === embeddedTargetOf(stateDir).label;
}

/** The same as lines of redis.conf. */
export function confLines({ changes }: NodeChanges): string[] {
  return changes.map(({ name, to }) => `${name} ${to === '' ? '""' : to}`);
}

/**
 * How servers without a configuration file are started: by arguments, in Docker, Compose, Helm or systemd.
 */
function startLines({ changes }: NodeChanges): string[] {
  const words = changes.flatMap(({ name, to }) => [`--${name}`, to === '' ? '""' : quoted(to)]);
  const list = changes.flatMap(({ name, to }) => [`--${name}`, to]).map((word) => JSON.stringify(word));
  return [
    `command line, Docker:  redis-server ${words.join(' ')}`,
    `Compose, Kubernetes:   command: ["redis-server", ${list.join(', ')}]`,
    `systemd:               ExecStart=/usr/bin/redis-server ${words.join(' ')}`,
  ];
}

const quoted = (word: string): string => (/\s/.test(word) ? `"${word}"` : word);
