import { formatBytes } from '../../core/units.js';
import { HIGH_WATER } from '../../queue/broker/admission.js';
import { EVICTION_FIX, evictionRisk } from '../../redis/eviction.js';
import { memoryHeadroom, type RedisFacts } from '../../redis/info.js';
import { type Check, type Finding, fail, ok, warn } from '../check.js';

const TUNE = EVICTION_FIX;
/** Above this share it is time to look, below the one at which submits are refused. */
const FILLING = 0.6;

export const redisMemory: Check = {
  id: 'redis-memory',
  topic: 'redis',
  title: 'memory',
  run: async (context) => judgeMemory(await context.facts()),
};

export function judgeMemory(facts: Pick<RedisFacts, 'usedMemory' | 'maxMemory'>): Finding {
  const headroom = memoryHeadroom(facts);
  const used = formatBytes(facts.usedMemory);
  if (headroom === undefined) {
    return warn(`${used} used and no limit: it grows until the system kills it, jobs and all`, TUNE);
  }
  const share = 1 - headroom;
  const found = `${used} of ${formatBytes(facts.maxMemory)} used (${percent(share)})`;
  if (share >= HIGH_WATER) {
    return fail(
      `${found}: new jobs are refused from ${percent(HIGH_WATER)} on`,
      'let workers catch up (infer inspect), keep results shorter (--result-ttl), or raise the limit: infer redis-tune apply',
      { blocks: ['submit'] },
    );
  }
  if (share >= FILLING) {
    return warn(`${found}; new jobs are refused from ${percent(HIGH_WATER)} on`, 'infer redis-tune');
  }
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
}: Pick<RedisFacts, 'policy' | 'maxMemory' | 'evictedKeys'>): Finding {
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
  // Without a limit it is never full, until someone sets one.
  return maxMemory > 0 ? fail(risk, TUNE) : warn(risk, TUNE);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
