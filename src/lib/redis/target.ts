import { existsSync } from 'node:fs';
import { InferError } from '../core/errors.js';
import { formatRedisUrl, labelOf, parseRedisUrl, socketUrl } from './address.js';
import { embeddedPaths, startEmbedded, statusEmbedded } from './embedded.js';
import { explainRedisError } from './errors.js';
import { type Answer, ask } from './probe.js';
import { readSecretFile } from './secret-file.js';
import type { RedisTarget } from './types.js';

export interface ConnectionSettings {
  /** A Redis URL; if omitted, the default address or infer's own server is used. */
  url?: string | undefined;
  /** Where `url` was given; default `flag`. */
  source?: 'flag' | 'env' | 'file' | undefined;
  /** The password; takes precedence over one in the URL. */
  password?: string | undefined;
  /** File whose first line is the password; takes precedence over both others. */
  passwordFile?: string | undefined;
  /** PEM file of the authority that signed the server's certificate. */
  tlsCaFile?: string | undefined;
  /** PEM file of the client's certificate and the chain below it, for a server that requires one. */
  tlsCertFile?: string | undefined;
  /** PEM file of its private key; may be included in `tlsCertFile`. */
  tlsKeyFile?: string | undefined;
  /** Password of an encrypted private key. */
  tlsKeyPassword?: string | undefined;
  /** Milliseconds within which a first connection is made, retries included. */
  connectTimeoutMs: number;
  /** Milliseconds without an answer after which a command's connection counts as dead [5000]. */
  answerTimeoutMs?: number | undefined;
  /** infer's state directory; its own server is in `redis/` below it. */
  stateDir: string;
  /** Whether infer's own server is started if no other is found. */
  autostart: boolean;
  /** Credentials for the sentinels themselves; those for Redis are in the URL. */
  sentinel?: { username?: string | undefined; password?: string | undefined } | undefined;
  /** Treat a `redis://` URL as the start node of a Redis Cluster. */
  cluster?: boolean | undefined;
  /** Whether localhost is a container's own; looked up if omitted. */
  inContainer?: boolean | undefined;
}

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 6379;
/** Loopback refuses in under 1 ms; a Redis under load may take a while to answer PING. */
const PROBE_TIMEOUT_MS = 1000;

/**
 * Finds Redis. A given URL is used unchanged and never replaced by another. Without one: a Redis on
 * 127.0.0.1:6379, else infer's own server, which is started if `autostart` is set.
 * @throws InferError REDIS_URL, REDIS_PASSWORD_FILE (78), REDIS_AUTH (77), REDIS_UNREACHABLE,
 * REDIS_SERVER_MISSING, REDIS_START_FAILED (69).
 */
export async function resolveTarget(settings: ConnectionSettings): Promise<RedisTarget> {
  const password = readPassword(settings.passwordFile) ?? settings.password;
  if (settings.url !== undefined) {
    return makeTarget(settings.url, settings.source ?? 'flag', settings, password);
  }
  const answer = await ask({ host: DEFAULT_HOST, port: DEFAULT_PORT }, 'PING', PROBE_TIMEOUT_MS);
  const wantsPassword = answer.kind === 'error' && answer.text.startsWith('NOAUTH');
  // HTTP servers and silent ports belong to other programs.
  if (isRedis(answer)) {
    const target = makeTarget(`redis://${DEFAULT_HOST}:${DEFAULT_PORT}`, 'default', settings, password);
    if (wantsPassword && password === undefined) {
      throw explainRedisError(new Error(answer.text), target);
    }
    return target;
  }
  const status = await statusEmbedded(settings.stateDir);
  if (status.running) return embeddedTarget(status.socket);
  if (settings.autostart) {
    const { socket, alreadyRunning } = await startEmbedded(settings.stateDir);
    return { ...embeddedTarget(socket), ...(alreadyRunning ? {} : { started: true }) };
  }
  throw new InferError(
    'REDIS_UNREACHABLE',
    `no Redis: none was named, nothing answers at ${DEFAULT_HOST}:${DEFAULT_PORT} and infer's own is not running`,
    {
      hint: 'run `infer redis start`, or name one with --redis or INFER_REDIS_URL',
    },
  );
}

function isRedis(answer: Answer): boolean {
  if (answer.kind === 'reply') return answer.text === 'PONG';
  return (
    answer.kind === 'error' && /^(NOAUTH|LOADING|MASTERDOWN|MISCONF|NOPERM|BUSY|ERR)\b/.test(answer.text)
  );
}

/** The target for infer's own server, running or not. */
export function embeddedTargetOf(stateDir: string): RedisTarget {
  return embeddedTarget(embeddedPaths(stateDir).socket);
}

function embeddedTarget(socket: string): RedisTarget {
  const url = socketUrl(socket);
  return { url, label: url, source: 'embedded' };
}

function makeTarget(
  url: string,
  source: RedisTarget['source'],
  settings: ConnectionSettings,
  password: string | undefined,
): RedisTarget {
  const address = parseRedisUrl(url);
  if (address.kind === 'unix') address.path = socketPath(address.path ?? '', url);
  if (settings.cluster === true && address.kind === 'single') address.kind = 'cluster';
  if (password !== undefined) address.password = password;
  const unused =
    address.tls || source === 'default' || address.kind === 'unix' ? undefined : tlsFile(settings);
  if (unused !== undefined) {
    throw new InferError('REDIS_URL', `${unused} is given, but ${labelOf(address)} is not a TLS address`, {
      hint: `write ${labelOf({ ...address, tls: true })}`,
    });
  }
  return { url: formatRedisUrl(address), label: labelOf(address), source };
}

function tlsFile(settings: ConnectionSettings): string | undefined {
  if (settings.tlsCaFile !== undefined) return 'a certificate authority';
  return settings.tlsCertFile === undefined ? undefined : 'a client certificate';
}

/**
 * `sun_path` has 104 bytes on macOS and 108 on Linux, including the final NUL; libuv truncates longer paths.
 */
const SOCKET_BYTES_MAX = process.platform === 'linux' ? 107 : 103;

/** A path is percent-decoded, as in any URL; one typed exactly as on disk is found too. */
function socketPath(decoded: string, url: string): string {
  const [typed = ''] = url.trim().slice(url.trim().indexOf('/', 'unix://'.length)).split('?');
  const path = decoded !== typed && !existsSync(decoded) && existsSync(typed) ? typed : decoded;
  if (Buffer.byteLength(path) <= SOCKET_BYTES_MAX) return path;
  throw new InferError(
    'REDIS_URL',
    `the socket path has ${Buffer.byteLength(path)} bytes, and a socket can have ${SOCKET_BYTES_MAX} at most: ${socketUrl(path)}`,
    {
      hint: 'have the server make its socket in a shorter directory, or link to it',
    },
  );
}

function readPassword(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  const text = readSecretFile(file, 'REDIS_PASSWORD_FILE', 'password file').split(/\r?\n/)[0] ?? '';
  if (text !== '') return text;
  throw new InferError('REDIS_PASSWORD_FILE', `the password file ${file} is empty`, {
    hint: 'its first line is the password',
  });
}
