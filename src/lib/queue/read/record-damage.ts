import { messageOf } from '../../core/errors.js';
import { INSTALLATION_KEY_OF, QUEUE_KEY_OF } from '../../core/key-parts.js';
import { aKind, installationKey, onceKeys } from '../../redis/installation-keys.js';
import { scanKeys } from '../../redis/scan-keys.js';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable, numberOr } from '../../redis/wrong-type.js';
import { type DamagedKey, typeOf } from '../damage.js';
import { LAYOUTS, newerThan } from '../layout.js';
import { GROUP } from '../wire.js';
import { GROUP_NUMBERS } from './reader.js';

/** A group whose record cannot be read. */
export interface DamagedGroup {
  id: string;
  queue: string;
  key: string;
  /** `is a string, not a hash`. */
  what: string;
}

/** Damage in addition to keys and jobs of queues. */
export interface RecordDamage {
  /** Keys of the installation that have the wrong type. */
  keys: DamagedKey[];
  groups: DamagedGroup[];
  /** False if the server has more keys than were checked. */
  complete: boolean;
}

/** Bounds of the search: number of steps of about 1,000 keys and 1 ms of Redis time each, and total ms. */
const STEPS = 100;
const SEARCH_MS = 2000;
/** Keys per request. */
const TOGETHER = 200;

/**
 * Keys of the installation with the wrong type, and groups whose record is damaged; read-only. Keys that
 * occur once are always checked. Keys of one worker, token or group are searched for among the first 100,000
 * keys of each server, for at most 2 s, and not at all if the user may not SCAN.
 */
export async function readRecordDamage(
  client: RedisClient,
  prefix: string,
  bounds: { steps: number; ms: number } = { steps: STEPS, ms: SEARCH_MS },
): Promise<RecordDamage> {
  const damage: RecordDamage = { keys: [], groups: [], complete: true };
  await look(client, prefix, onceKeys(prefix), damage);
  const end = performance.now() + bounds.ms;
  const seen = new Set<string>();
  let steps = 0;
  try {
    for await (const keys of scanKeys(client, `{${prefix}`)) {
      const mine = keys.filter(
        (key) => !seen.has(key) && (isEach(prefix, key) || groupOf(prefix, key) !== undefined),
      );
      for (const key of mine) seen.add(key);
      for (let from = 0; from < mine.length; from += TOGETHER) {
        await look(client, prefix, mine.slice(from, from + TOGETHER), damage);
      }
      if (++steps < bounds.steps && performance.now() < end) continue;
      damage.complete = false;
      break;
    }
  } catch (error) {
    if (!messageOf(error).includes('NOPERM')) throw error;
    damage.complete = false;
  }
  return damage;
}

async function look(
  client: RedisClient,
  prefix: string,
  keys: readonly string[],
  damage: RecordDamage,
): Promise<void> {
  const types = await Promise.all(keys.map((key) => typeOf(client, key)));
  const groups: { key: string; id: string; queue: string }[] = [];
  for (const [i, key] of keys.entries()) {
    const found = types[i];
    if (found === undefined || found === 'none') continue;
    const group = groupOf(prefix, key);
    const facts = group === undefined ? installationKey(key) : undefined;
    if (facts !== undefined && facts.kind !== found) {
      damage.keys.push({ key, what: `is ${aKind(found)}, not ${aKind(facts.kind)}`, effect: facts.effect });
    }
    if (group !== undefined && found === 'hash') groups.push({ key, ...group });
    else if (group !== undefined)
      damage.groups.push({ key, ...group, what: `is ${aKind(found)}, not a hash` });
  }
  const faults = await Promise.all(groups.map(({ key }) => faultOfGroup(client, key)));
  for (const [i, group] of groups.entries()) {
    const what = faults[i];
    if (what !== undefined) damage.groups.push({ ...group, what });
  }
}

/** Named fields of a group. */
const FIELDS = Object.values(GROUP).filter((name) => !name.endsWith(':'));

async function faultOfGroup(client: RedisClient, key: string): Promise<string | undefined> {
  const values = await ifReadable(client.hmget(key, ...FIELDS), undefined);
  if (values === undefined) return undefined;
  const fields = Object.fromEntries(FIELDS.map((name, i) => [name, values[i] ?? undefined]));
  if (newerThan(LAYOUTS, fields[GROUP.layout]) !== undefined) return undefined;
  // A record that has expired in the meantime looks the same.
  if (values.every((value) => value === null)) {
    return (await client.exists(key)) === 1 ? 'has no field of a group' : undefined;
  }
  const bad = GROUP_NUMBERS.find((name) => numberOr(fields[name] ?? '0', undefined) === undefined);
  return bad === undefined ? undefined : `has a field ${bad} that is not a number`;
}

/** Whether a key belongs to one worker, device, order, autoscaler or token of the installation. */
function isEach(prefix: string, key: string): boolean {
  const own = `{${prefix}}:`;
  return key.startsWith(own) && EACH.some((part) => key.startsWith(part, own.length));
}

const EACH = Object.values(INSTALLATION_KEY_OF).map((part) => `${part}:`);

/** The group whose record is in the key. */
function groupOf(prefix: string, key: string): { id: string; queue: string } | undefined {
  const beginning = `{${prefix}:`;
  const infix = `}:${QUEUE_KEY_OF.group}:`;
  const at = key.indexOf(infix);
  if (!key.startsWith(beginning) || at === -1) return undefined;
  return { queue: key.slice(beginning.length, at), id: key.slice(at + infix.length) };
}
