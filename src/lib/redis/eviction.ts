import { type RedisFacts, readMemory } from './info.js';
import type { RedisClient } from './types.js';

/** The command that sets the right policy or, if the server is managed by others, says how. */
export const EVICTION_FIX = 'infer redis-tune apply';

/**
 * The danger of a policy other than `noeviction` for a queue; undefined for `noeviction`, and if the server
 * does not tell. Applies without `maxmemory` too, because that may be set at any time.
 */
export function evictionRisk(policy: string): string | undefined {
  if (policy === '' || policy === 'noeviction') return undefined;
  const what = policy.startsWith('volatile') ? 'inputs and results' : 'jobs, inputs and results';
  return `maxmemory-policy is ${policy}: when Redis is full it drops ${what}`;
}

/**
 * A one-line warning for commands that submit or run jobs; undefined when all is well or INFO is not allowed.
 * Never throws.
 */
export async function evictionWarning(client: RedisClient): Promise<string | undefined> {
  const facts: Pick<RedisFacts, 'policy'> | undefined = await readMemory(client).catch(() => undefined);
  const risk = facts === undefined ? undefined : evictionRisk(facts.policy);
  return risk === undefined ? undefined : `${risk}. Set noeviction: ${EVICTION_FIX}`;
}
