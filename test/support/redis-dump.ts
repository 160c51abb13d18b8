import type { Redis } from 'ioredis';

/** Text where it is UTF-8, else base64. */
type Bytes = string | { base64: string };

/** One key with all its content, as JSON; scores in Redis's notation. */
export type DumpedKey = {
  key: string;
  /** Remaining TTL in milliseconds; absent for none. */
  ttlMs?: number;
} & (
  | { type: 'string'; value: Bytes }
  | { type: 'list'; value: Bytes[] }
  | { type: 'set'; value: Bytes[] }
  | { type: 'hash'; value: [field: Bytes, value: Bytes][] }
  | { type: 'zset'; value: [member: Bytes, score: string][] }
  | { type: 'stream'; value: [id: string, fields: Bytes[]][] }
);

/** What a dump and its load need from a client, ours or a plain one. */
type Client = Pick<Redis, 'call' | 'callBuffer'>;

/** Every key of a server, by name. JSON and not DUMP, whose form depends on the version of Redis. */
export async function dumpRedis(client: Client): Promise<DumpedKey[]> {
  const keys = (await client.call('KEYS', '*')) as string[];
  return Promise.all(keys.sort().map((key) => dumpKey(client, key)));
}

async function dumpKey(client: Client, key: string): Promise<DumpedKey> {
  const [type, ttl] = await Promise.all([client.call('TYPE', key), client.call('PTTL', key)]);
  const head = { key, ...(Number(ttl) > 0 ? { ttlMs: Number(ttl) } : {}) };
  // RESP3 returns nested pairs.
  const read = async (command: string, ...args: string[]): Promise<Buffer[]> =>
    ((await client.callBuffer(command, key, ...args)) as Buffer[]).flat() as Buffer[];
  switch (type) {
    case 'string':
      return { ...head, type, value: toJson((await client.callBuffer('GET', key)) as Buffer) };
    case 'list':
      return { ...head, type, value: (await read('LRANGE', '0', '-1')).map(toJson) };
    case 'set':
      return { ...head, type, value: (await read('SMEMBERS')).map(toJson) };
    case 'hash':
      return { ...head, type, value: pairs(await read('HGETALL')).map(([a, b]) => [toJson(a), toJson(b)]) };
    case 'zset': {
      const found = pairs(await read('ZRANGE', '0', '-1', 'WITHSCORES'));
      return { ...head, type, value: found.map(([member, score]) => [toJson(member), String(score)]) };
    }
    case 'stream': {
      const entries = (await client.callBuffer('XRANGE', key, '-', '+')) as [Buffer, Buffer[]][];
      return { ...head, type, value: entries.map(([id, fields]) => [String(id), fields.map(toJson)]) };
    }
    default:
      throw new Error(`key ${key} is a ${String(type)}`);
  }
}

/** Writes the keys of a dump; TTLs restart in full. */
export async function loadRedis(client: Client, keys: readonly DumpedKey[]): Promise<void> {
  for (const dumped of keys) {
    for (const [command, ...args] of writes(dumped)) await client.call(command, dumped.key, ...args);
    if (dumped.ttlMs !== undefined) await client.call('PEXPIRE', dumped.key, dumped.ttlMs);
  }
}

const NEAR_MS = 3_600_000;
/** BullMQ's score of a delayed job: milliseconds * 4096 and a counter. */
const DELAYED_UNIT = 4096;

/**
 * A dump as if it had been made at another time: times within an hour of `from` are shifted by the same distance to
 * `to`, both ms since the epoch. Otherwise what was due soon would never be due on a host whose clock is behind.
 */
export function movedInTime(keys: readonly DumpedKey[], from: number, to: number): DumpedKey[] {
  const isNear = (ms: number): boolean => Math.abs(ms - from) < NEAR_MS;
  const moved = (digits: string): string => {
    const value = Number(digits);
    if (isNear(value)) return String(value + to - from);
    return isNear(value / DELAYED_UNIT) ? String(value + (to - from) * DELAYED_UNIT) : digits;
  };
  return JSON.parse(JSON.stringify(keys).replace(/\d{13,16}/g, moved)) as DumpedKey[];
}

function writes(dumped: DumpedKey): [command: string, ...args: (string | Buffer)[]][] {
  switch (dumped.type) {
    case 'string':
      return [['SET', fromJson(dumped.value)]];
    case 'list':
      return [['RPUSH', ...dumped.value.map(fromJson)]];
    case 'set':
      return [['SADD', ...dumped.value.map(fromJson)]];
    case 'hash':
      return [['HSET', ...dumped.value.flat().map(fromJson)]];
    case 'zset':
      return [['ZADD', ...dumped.value.flatMap(([member, score]) => [score, fromJson(member)])]];
    case 'stream':
      return dumped.value.map(([id, fields]) => ['XADD', id, ...fields.map(fromJson)]);
  }
}

function pairs<T>(flat: readonly T[]): [T, T][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] as T, flat[2 * i + 1] as T]);
}

function toJson(bytes: Buffer): Bytes {
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : { base64: bytes.toString('base64') };
}

function fromJson(bytes: Bytes): string | Buffer {
  return typeof bytes === 'string' ? bytes : Buffer.from(bytes.base64, 'base64');
}
