import { percent } from '../../core/counts.js';
import { QUEUE_KEY_OF } from '../../core/key-parts.js';
import { THRESHOLDS } from '../../core/thresholds.js';
import { formatBytes } from '../../core/units.js';
import { closeClient, connect, resolveTarget } from '../../redis/connect.js';
import { resultSettings } from '../../redis/from-settings.js';
import { type RedisFacts, readInfo } from '../../redis/info.js';
import { reaches } from '../../redis/memory-state.js';
import { type KeySample, sampleKeys } from '../../redis/sample.js';
import { type Check, fail, type Judgement, ok, skip, warn } from '../check.js';
import { permitted } from '../context.js';

const SAMPLE = { maxKeys: 1000, maxMs: 1500 };

export const redisResults: Check = {
  id: 'redis-results',
  topic: 'redis',
  title: 'memory of results',
  run: async (context) => {
    const [facts, { client }] = await Promise.all([context.facts(), context.redis()]);
    const sample = await permitted(client, sampleKeys(client, SAMPLE));
    return judgeResults(sample, facts, context.loaded.values.prefix);
  },
};

/** Results make up more than this share of the stored data, */
const MOST = 0.5;
/** and take this share of the limit or, without one, this many bytes. */
const SHARE_OF_LIMIT = 0.25;
const MANY_BYTES = 256 * 2 ** 20;

export function judgeResults(
  { keys, total }: KeySample,
  { maxMemory }: Pick<RedisFacts, 'maxMemory'>,
  prefix: string,
): Judgement {
  if (keys.length === 0) return ok('nothing is stored');
  const sum = (some: KeySample['keys']): number => some.reduce((bytes, key) => bytes + key.bytes, 0);
  const results = keys.filter(({ key }) => isResult(key, prefix));
  const all = sum(keys);
  const share = all === 0 ? 0 : sum(results) / all;
  // Keys are returned in hash order, so the first thousand are a random sample.
  const bytes = (sum(results) / keys.length) * total;
  const about = keys.length < total ? 'about ' : '';
  const part = maxMemory > 0 ? `, ${Math.round((bytes / maxMemory) * 100)} % of the limit` : '';
  const found = `results take ${about}${formatBytes(bytes)}, ${percent(share)} of what is stored${part}`;
  const heavy = maxMemory > 0 ? bytes >= SHARE_OF_LIMIT * maxMemory : bytes >= MANY_BYTES;
  if (share < MOST || !heavy) return ok(found);
  return warn(
    found,
    'keep them shorter (INFER_RESULT_TTL=10m), skip those that are never read (submit --no-result), or give them a Redis of their own (INFER_RESULT_URL)',
  );
}

function isResult(key: string, prefix: string): boolean {
  return key.startsWith(`{${prefix}:`) && key.includes(`}:${QUEUE_KEY_OF.result}:`);
}

export const resultsRedis: Check = {
  id: 'results-redis',
  topic: 'redis',
  title: 'Redis for results',
  run: async ({ loaded, container }) => {
    const base = resultSettings(loaded);
    if (base === undefined) return skip('results stay with the jobs (INFER_RESULT_URL is not set)');
    const settings = { ...base, connectTimeoutMs: 2500, inContainer: container !== undefined };
    const target = await resolveTarget(settings);
    let client: Awaited<ReturnType<typeof connect>>;
    try {
      client = await connect(target, 'command', settings);
    } catch (error) {
      return {
        ...fail(error instanceof Error ? error.message : String(error), 'check INFER_RESULT_URL'),
        blocks: ['results', 'CPU workers', 'GPU workers'],
      };
    }
    try {
      return judgeResultsRedis(target.label, await permitted(client, readInfo(client)));
    } finally {
      await closeClient(client);
    }
  },
};

/**
 * A results Redis may evict results when there are many; results that cannot be written are held by the
 * worker and block it.
 */
export function judgeResultsRedis(
  label: string,
  facts: Pick<RedisFacts, 'usedMemory' | 'maxMemory' | 'policy'>,
): Judgement {
  const limit = facts.maxMemory > 0 ? formatBytes(facts.maxMemory) : 'no limit';
  const found = `${label}, ${formatBytes(facts.usedMemory)} used, ${limit}, ${facts.policy}`;
  if (reaches(facts, THRESHOLDS.resultsFull) && facts.policy === 'noeviction') {
    return warn(`${found}: when it is full, workers wait`, 'keep results shorter, or raise its maxmemory');
  }
  return ok(found);
}
