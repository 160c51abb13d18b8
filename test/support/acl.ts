import type { TestRedis } from './redis.js';

/** Creates (or replaces) a user on the server. */
export async function setUser(
  redis: TestRedis,
  name: string,
  password: string,
  rules: readonly string[],
): Promise<void> {
  const client = await redis.client();
  await client.call('ACL', 'SETUSER', name, 'reset', 'on', `>${password}`, ...rules);
}

/** What was denied since the last call, as `user: command or key`. */
export async function denials(redis: TestRedis): Promise<string[]> {
  const client = await redis.client();
  const entries = (await client.call('ACL', 'LOG', '100')) as unknown[];
  await client.call('ACL', 'LOG', 'RESET');
  return entries.map((entry) => {
    // RESP2 returns a flat list of names and values, RESP3 a map.
    const fields = Array.isArray(entry) ? pairs(entry) : new Map(Object.entries(entry as object));
    return `${fields.get('username')}: ${fields.get('object')}`;
  });
}

function pairs(flat: readonly unknown[]): Map<string, unknown> {
  return new Map(flat.flatMap((name, at) => (at % 2 === 0 ? [[String(name), flat[at + 1]]] : [])));
}
