import { printable } from '../core/job.js';
import { QUEUE_KEY_OF } from '../core/key-parts.js';
import type { ServerNode } from '../redis/server-config.js';
import { allowed } from './facts.js';

/** What the keys of one server are, from a bounded sample. */
export interface Keyspace {
  /** Keys of the connection's database. */
  keys: number;
  /** Keys sampled; all of them when equal to `keys`. */
  looked: number;
  /** Stored results, estimated from the sample: keys and bytes. */
  results: { keys: number; bytes: number };
  /** Keys of other programs or installations, estimated from the sample, and how some begin. */
  others: { keys: number; examples: string[] };
  /** Keys in the other databases of this server, which share its memory. */
  otherDatabases: number;
}

/** SCAN steps of about 1,000 keys, each under a millisecond of Redis. */
const STEPS = 10;
const STEP_KEYS = 1000;
const RESULT_SAMPLE = 100;
const EXAMPLES = 3;

/**
 * Samples up to about 10,000 keys of a server (unlike KEYS, SCAN never blocks it) and extrapolates. Undefined
 * where SCAN or DBSIZE is refused; result bytes are 0 where MEMORY USAGE is.
 */
export async function lookAtKeys(
  { node }: ServerNode,
  prefix: string,
  raw: ReadonlyMap<string, string>,
): Promise<Keyspace | undefined> {
  const keys = await allowed(node.dbsize());
  const names = keys === undefined ? undefined : await allowed(scan(node));
  if (keys === undefined || names === undefined) return undefined;
  const results: string[] = [];
  const others: string[] = [];
  for (const name of names) {
    const kind = kindOf(name, prefix);
    if (kind === 'result') results.push(name);
    else if (kind === 'other') others.push(name);
  }
  // SCAN may return a key twice, and keys are added and removed: never report more than exist.
  const whole = (found: number): number =>
    names.size === 0 ? 0 : Math.min(keys, Math.round((found / names.size) * keys));
  const sample = results.slice(0, RESULT_SAMPLE);
  const sizes = (await allowed(Promise.all(sample.map((name) => node.memory('USAGE', name))))) ?? [];
  const bytes = sizes.reduce<number>((sum, one) => sum + Number(one ?? 0), 0);
  const resultKeys = whole(results.length);
  const own = [...raw].filter(([name]) => /^db\d+$/.test(name));
  const all = own.reduce((sum, [, text]) => sum + Number(/keys=(\d+)/.exec(text)?.[1] ?? 0), 0);
  return {
    keys,
    looked: Math.min(names.size, keys),
    results: {
      keys: resultKeys,
      bytes: sample.length === 0 ? 0 : Math.round((bytes / sample.length) * resultKeys),
    },
    others: { keys: whole(others.length), examples: examplesOf(others) },
    otherDatabases: Math.max(0, all - keys),
  };
}

async function scan(node: ServerNode['node']): Promise<Set<string>> {
  const names = new Set<string>();
  let cursor = '0';
  for (let step = 0; step < STEPS; step++) {
    const [next, found] = await node.scan(cursor, 'COUNT', STEP_KEYS);
    for (const name of found) names.add(name);
    cursor = next;
    if (cursor === '0') break;
  }
  return names;
}

/** The owner of a key: `{prefix}:…` and `{prefix:queue}:…` belong to this installation. */
export function kindOf(name: string, prefix: string): 'result' | 'own' | 'other' {
  const tag = /^\{([^}]*)\}:/.exec(name);
  const inside = tag?.[1] ?? '';
  if (inside !== prefix && !inside.startsWith(`${prefix}:`)) return 'other';
  return name.startsWith(`${QUEUE_KEY_OF.result}:`, tag?.[0].length) ? 'result' : 'own';
}

/** How other programs' keys begin, most frequent first; whole names may be confidential. */
function examplesOf(names: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const name of names) {
    const start = printable(/^(\{[^}]{1,20}\}|[^:]{1,20})/.exec(name)?.[0] ?? '?');
    counts.set(start, (counts.get(start) ?? 0) + 1);
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .slice(0, EXAMPLES)
    .map(([start]) => `${start}…`);
}
