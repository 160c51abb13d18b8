import { printable } from '../core/job.js';
import type { RedisFacts } from '../redis/info.js';
import type { Family, ValueFamily } from './family.js';

function ofEach(
  type: ValueFamily['type'],
  name: ValueFamily['name'],
  help: string,
  value: (facts: RedisFacts) => number,
): ValueFamily {
  return {
    name,
    help,
    type,
    labels: ['node'],
    samples: ({ reading }) =>
      (reading?.snapshot.redis ?? []).map(({ node, facts }) => [{ node: printable(node) }, value(facts)]),
  };
}

/** Values from INFO, one series for each master of a Cluster. */
export const REDIS_FAMILIES: readonly Family[] = [
  {
    name: 'infer_redis_info',
    help: 'Always 1; the labels describe the server and its eviction policy',
    type: 'gauge',
    labels: ['node', 'flavour', 'version', 'mode', 'policy'],
    samples: ({ reading }) =>
      (reading?.snapshot.redis ?? []).map(({ node, facts }) => [
        {
          node: printable(node),
          flavour: facts.flavour,
          version: printable(facts.version),
          mode: facts.mode,
          policy: printable(facts.policy),
        },
        1,
      ]),
  },
  ofEach('gauge', 'infer_redis_memory_used_bytes', 'Memory of Redis in use', (facts) => facts.usedMemory),
  ofEach(
    'gauge',
    'infer_redis_memory_max_bytes',
    'Memory that Redis may use; 0 means no limit',
    (facts) => facts.maxMemory,
  ),
  ofEach(
    'gauge',
    'infer_redis_noeviction',
    'Whether a full Redis refuses writes instead of dropping jobs: 1 or 0; only 1 is safe',
    (facts) => (facts.policy === 'noeviction' ? 1 : 0),
  ),
  ofEach(
    'counter',
    'infer_redis_evicted_keys_total',
    'Keys that Redis dropped for lack of memory: above 0, jobs may be lost',
    (facts) => facts.evictedKeys,
  ),
  ofEach('gauge', 'infer_redis_connected_clients', 'Connections to Redis', (facts) => facts.connectedClients),
  ofEach('gauge', 'infer_redis_uptime_seconds', 'Time since Redis started', (facts) => facts.uptimeSeconds),
];
