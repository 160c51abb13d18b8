import { answerWithin } from '../core/bounded.js';
import { INSTALLATION_KEY, INSTALLATION_KEY_OF } from '../core/key-parts.js';
import { parseInfo } from '../redis/info.js';
import type { RedisClient } from '../redis/types.js';

const PATIENCE_MS = 3000;

/** What workers and gateways write without any work: who runs, which models they have, what was seen. */
const { audit, jobAudit, ...others } = INSTALLATION_KEY;
const NOTED: ReadonlySet<string> = new Set(Object.values(others));
const { worker, totals, lease, autoscaler, minutes, hours } = INSTALLATION_KEY_OF;
const NOTED_OF = [worker, totals, lease, autoscaler, minutes, hours].map((name) => `${name}:`);

/**
 * Whether no one else is connected to the server, and it holds no work: no job, group, result or entry of the
 * audit log, under any prefix. False also when it does not answer in time.
 */
export async function isUnused(client: RedisClient): Promise<boolean> {
  return answerWithin(PATIENCE_MS, hasNothing(client), () => false).catch(() => false);
}

async function hasNothing(client: RedisClient): Promise<boolean> {
  const { connectedClients } = parseInfo(String(await client.info('clients')));
  if (connectedClients !== 1) return false;
  let cursor = '0';
  do {
    const [next, keys] = (await client.call('SCAN', cursor, 'COUNT', '1000')) as [string, string[]];
    if (!keys.every(isNoted)) return false;
    cursor = next;
  } while (cursor !== '0');
  return true;
}

/** Whether a key exists without any work. Each queue has its `meta` as soon as a worker serves it. */
export function isNoted(key: string): boolean {
  const [, tag = '', name = ''] = /^\{([^}]+)\}:(.+)$/.exec(key) ?? [];
  if (NOTED.has(name) || NOTED_OF.some((begin) => name.startsWith(begin))) return true;
  const [queue, ...rest] = name.split(/:(?=meta$)/);
  return rest.length === 1 && tag.endsWith(`:${queue}`);
}
