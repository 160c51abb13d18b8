import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';

export interface Endpoint {
  host: string;
  port: number;
}

/** A parsed Redis URL; `connect` turns it into client options. */
export interface RedisAddress {
  kind: 'single' | 'unix' | 'sentinel' | 'cluster';
  tls: boolean;
  /** One entry for `single`, none for `unix`, otherwise every sentinel or start node. */
  endpoints: Endpoint[];
  /** Socket path, `unix` only. */
  path?: string;
  /** Name of the master, `sentinel` only. */
  master?: string;
  username?: string;
  password?: string;
  db: number;
}

interface Scheme {
  kind: RedisAddress['kind'];
  tls: boolean;
  port: number;
}

const SCHEMES: Record<string, Scheme> = {
  redis: { kind: 'single', tls: false, port: 6379 },
  rediss: { kind: 'single', tls: true, port: 6379 },
  unix: { kind: 'unix', tls: false, port: 0 },
  'redis-sentinel': { kind: 'sentinel', tls: false, port: 26379 },
  'rediss-sentinel': { kind: 'sentinel', tls: true, port: 26379 },
  'redis-cluster': { kind: 'cluster', tls: false, port: 6379 },
  'rediss-cluster': { kind: 'cluster', tls: true, port: 6379 },
};

const EXAMPLES =
  'use redis://host:6379, redis://<user>:<password>@host:6379, rediss://host:6379 (TLS), ' +
  'unix:///path/to.sock, redis-sentinel://host:26379,host:26379/name or redis-cluster://host:6379,host:6379';

/** Names that other clients use for the password or user in a URL's query. */
const CREDENTIALS_IN_QUERY = /[?&](?:password|passwd|auth|user(?:name)?)=/i;

/**
 * Parses a Redis URL. Own code instead of `URL`, which supports neither several hosts nor a password with an
 * unescaped `@` or `/`, both common in pasted URLs.
 * @throws InferError REDIS_URL (exit 78); its message never contains the user or password.
 */
export function parseRedisUrl(url: string): RedisAddress {
  const text = url.trim();
  const split = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text);
  if (split === null) throw badUrl(text, 'it has no scheme');
  const schemeName = (split[1] as string).toLowerCase();
  const scheme = SCHEMES[schemeName];
  if (scheme === undefined) throw badUrl(text, `'${printable(schemeName)}://' is not known`);

  if (scheme.kind !== 'unix' && CREDENTIALS_IN_QUERY.test(text)) {
    throw badUrl(text, 'user and password go before the host');
  }

  const { userInfo, rest } = splitUserInfo(split[2] as string, scheme.kind);
  const [location = '', query = ''] = splitOnce(rest, '?');
  const address: RedisAddress = {
    kind: scheme.kind,
    tls: scheme.tls,
    endpoints: [],
    db: 0,
    ...credentials(userInfo),
  };
  if (scheme.kind === 'unix') {
    if (!location.startsWith('/')) throw badUrl(text, 'a socket path must be absolute');
    address.path = decode(location);
  } else {
    const [hosts = '', path = ''] = splitOnce(location, '/');
    address.endpoints = hosts.split(',').map((host) => parseEndpoint(host, scheme.port, text));
    if (scheme.kind === 'single' && address.endpoints.length > 1) {
      throw badUrl(text, 'several hosts need redis-sentinel:// or redis-cluster://');
    }
    applyPath(address, path, text);
  }
  applyQuery(address, query, text);
  if (scheme.kind === 'cluster' && address.db !== 0) {
    throw badUrl(text, 'Redis Cluster has database 0 only');
  }
  return address;
}

/** The URL without user, password and query, safe for terminals and logs; also for broken URLs. */
export function maskUrl(url: string): string {
  try {
    return labelOf(parseRedisUrl(url));
  } catch {
    return maskBroken(url.trim());
  }
}

/** Hosts with ports, and a path of a master name and a database: nothing that could be secret. */
const PLAIN_PLACE = /^[a-z0-9.[\]:_,-]*(?:\/[^?]*)?$/i;
const HOST_AND_PORT = /^(?:\[[0-9a-f:.%]*\]|[^:]+)(?::\d{0,5})?$/i;

/**
 * The part of an unparsable URL that certainly contains no secret. If it contains an `@`, any part may belong
 * to the password, even what follows the last `@` or stands in place of a port.
 */
function maskBroken(text: string): string {
  const [, scheme = '', rest = text] = /^([a-z][a-z0-9+.-]*:\/\/)(.*)$/is.exec(text) ?? [];
  const place = rest.split('?', 1)[0] as string;
  const isPath = scheme.toLowerCase() === 'unix://' && place.startsWith('/');
  const hosts = (place.split('/', 1)[0] as string).split(',');
  const plain = PLAIN_PLACE.test(place) && hosts.every((host) => HOST_AND_PORT.test(host));
  const safe = isPath || (plain && !text.includes('@'));
  return printable(`${scheme}${safe ? place : '***'}`).slice(0, 200);
}

/** The usual form of the address, with every port and without credentials. */
export function labelOf(address: RedisAddress): string {
  const db = address.db === 0 ? '' : `/${address.db}`;
  if (address.kind === 'unix') {
    return `${socketUrl(address.path ?? '')}${db && `?db=${address.db}`}`;
  }
  const hosts = address.endpoints.map(formatEndpoint).join(',');
  const scheme = (address.tls ? 'rediss' : 'redis') + (address.kind === 'single' ? '' : `-${address.kind}`);
  const name = address.kind === 'sentinel' ? `/${address.master ?? ''}` : '';
  return printable(`${scheme}://${hosts}${name}${db}`);
}

/** The URL of an address, credentials included: the inverse of `parseRedisUrl`. */
export function formatRedisUrl(address: RedisAddress): string {
  const label = labelOf(address);
  if (address.password === undefined && address.username === undefined) return label;
  const user = encodeURIComponent(address.username ?? '');
  const secret = encodeURIComponent(address.password ?? '');
  return label.replace('://', `://${user}:${secret}@`);
}

/** Characters that have another meaning in a URL, or must not reach a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to escape
const TO_ESCAPE = /[%?#\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]|^ | $/g;

/** The URL of a unix socket, which `parseRedisUrl` reads back as the same path; spaces stay unescaped. */
export function socketUrl(path: string): string {
  return `unix://${path.replace(TO_ESCAPE, (character) => encodeURIComponent(character))}`;
}

function formatEndpoint({ host, port }: Endpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function splitOnce(text: string, mark: string): string[] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function splitUserInfo(
  text: string,
  kind: RedisAddress['kind'],
): { userInfo: string | undefined; rest: string } {
  // A socket path may contain an @, a host may not: if a path comes first there is no user part.
  const at = kind === 'unix' && text.startsWith('/') ? -1 : text.lastIndexOf('@');
  return at < 0
    ? { userInfo: undefined, rest: text }
    : { userInfo: text.slice(0, at), rest: text.slice(at + 1) };
}

function credentials(userInfo: string | undefined): { username?: string; password?: string } {
  if (userInfo === undefined || userInfo === '') return {};
  const [user = '', password] = splitOnce(userInfo, ':');
  return {
    ...(user === '' ? {} : { username: decode(user) }),
    ...(password === undefined || password === '' ? {} : { password: decode(password) }),
  };
}

function parseEndpoint(text: string, defaultPort: number, url: string): Endpoint {
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/i.exec(text.trim());
  if (match === null) throw badUrl(url, 'its host and port cannot be read');
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  if (port < 1 || port > 65_535) throw badUrl(url, `port ${port} is not in 1..65535`);
  return { host: (match[1] ?? match[2]) as string, port };
}

function applyPath(address: RedisAddress, path: string, url: string): void {
  const parts = path.split('/').filter((part) => part !== '');
  if (address.kind === 'sentinel') {
    const master = parts.shift();
    if (master === undefined) throw badUrl(url, "the master's name is missing after the hosts");
    address.master = decode(master);
  }
  const db = parts.shift();
  if (parts.length > 0) throw badUrl(url, 'its path has too many parts');
  if (db !== undefined) address.db = parseDb(db, url);
}

function applyQuery(address: RedisAddress, query: string, url: string): void {
  for (const [name, value] of new URLSearchParams(query)) {
    if (name !== 'db') {
      // After an `@` in a password a `?` may be one of its characters.
      const shown = url.includes('@') ? 'an option' : `the option '${printable(name)}'`;
      throw badUrl(url, `${shown} is not known; only db is`);
    }
    address.db = parseDb(value, url);
  }
}

function parseDb(text: string, url: string): number {
  if (!/^\d{1,5}$/.test(text)) throw badUrl(url, 'the database must be a number, such as /0');
  return Number(text);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone % comes from a password pasted unescaped: leave it unchanged.
    return text;
  }
}

function badUrl(url: string, reason: string): InferError {
  return new InferError('REDIS_URL', `'${maskBroken(url)}' is not a Redis URL: ${reason}`, {
    hint: EXAMPLES,
  });
}
