import { percent } from '../../core/counts.js';
import { THRESHOLDS } from '../../core/thresholds.js';
import { formatBytes } from '../../core/units.js';
import { EVICTION_FIX, evictionRisk } from '../../redis/eviction.js';
import type { RedisFacts } from '../../redis/info.js';
import { memoryState } from '../../redis/memory-state.js';
import { type Check, fail, type Judgement, ok, warn } from '../check.js';

const TUNE = EVICTION_FIX;
const REFUSED = `new jobs are refused from ${percent(THRESHOLDS.memoryFull.value)} on`;

export const redisMemory: Check = {
  id: 'redis-memory',
  topic: 'redis',
  title: 'memory',
  run: async (context) => judgeMemory(await context.facts()),
};

export function judgeMemory(facts: Pick<RedisFacts, 'usedMemory' | 'maxMemory'>): Judgement {
  const state = memoryState(facts);
  const used = formatBytes(facts.usedMemory);
  if (state === 'unlimited') {
    return warn(`${used} used and no limit: it grows until the system kills it, jobs and all`, TUNE);
  }
  const found = `${used} of ${formatBytes(facts.maxMemory)} used (${percent(facts.usedMemory / facts.maxMemory)})`;
  if (state === 'full') {
    return fail(
      `${found}: ${REFUSED}`,
      'let workers catch up (infer inspect), keep results shorter (--result-ttl), or raise the limit: infer redis-tune apply',
      { blocks: ['submit'] },
    );
  }
  if (state === 'filling') return warn(`${found}; ${REFUSED}`, 'infer redis-tune');
  return ok(found);
}

export const redisPolicy: Check = {
  id: 'redis-policy',
  topic: 'redis',
  title: 'eviction',
  run: async (context) => judgePolicy(await context.facts()),
};

export function judgePolicy({
  policy,
  maxMemory,
  evictedKeys,
}: Pick<RedisFacts, 'policy' | 'maxMemory' | 'evictedKeys'>): Judgement {
  const lost =
    evictedKeys > 0
      ? `${evictedKeys} keys were dropped for lack of memory since it started: jobs, inputs or results are lost`
      : undefined;
  const drops = evictionRisk(policy);
  if (drops === undefined) {
    if (lost !== undefined) return warn(lost, 'submit again what is missing; infer redis-tune');
    return ok(policy === '' ? 'the server does not say' : 'noeviction: nothing is dropped');
  }
  const risk = `${drops}, and empty jobs run as if nothing were wrong`;
  if (lost !== undefined) return fail(`${lost} (maxmemory-policy is ${policy})`, TUNE);
  // Without a limit it is never full, until one is set.
  return maxMemory > 0 ? fail(risk, TUNE) : warn(risk, TUNE);
}
