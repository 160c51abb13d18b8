import { type RedisFacts, readMemory } from './info.js';
import type { RedisClient } from './types.js';

/** The command that sets the right policy, or says how where the server is managed by others. */
export const EVICTION_FIX = 'infer redis-tune apply';

/**
 * What a policy other than `noeviction` does to a queue; undefined for `noeviction`, and where the
 * server does not say. Holds without `maxmemory` too: it may be set at any time.
 */
export function evictionRisk(policy: string): string | undefined {
  if (policy === '' || policy === 'noeviction') return undefined;
  const what = policy.startsWith('volatile') ? 'inputs and results' : 'jobs, inputs and results';
  return `maxmemory-policy is ${policy}: when Redis is full it drops ${what}`;
}

/** One line for those who submit or run jobs; undefined when all is well or INFO is not allowed. Never throws. */
export async function evictionWarning(client: RedisClient): Promise<string | undefined> {
  const facts: Pick<RedisFacts, 'policy'> | undefined = await readMemory(client).catch(() => undefined);
  const risk = facts === undefined ? undefined : evictionRisk(facts.policy);
  return risk === undefined ? undefined : `${risk}. Set noeviction: ${EVICTION_FIX}`;
}
