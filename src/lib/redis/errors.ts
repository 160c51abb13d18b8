import { InferError, messageOf, type OwnFailure } from '../core/errors.js';
import { printable } from '../core/job.js';
import { containerKind } from './container.js';
import { damagedKeyFailure } from './damaged-key.js';
import { REPLIES } from './reply-rules.js';
import { describeTls, isTlsCode, wrongScheme } from './tls-errors.js';
import type { RedisTarget } from './types.js';

export interface ExplainContext {
  /** Whether this process runs in a container; looked up on disk if omitted. */
  inContainer?: boolean | undefined;
  /** Whether a client certificate is configured, for explaining what a server says about TLS. */
  clientCertificate?: boolean | undefined;
  /** The last error seen on the connection: the reason behind a bare "Connection is closed.". */
  lastError?: unknown;
}

type Where = Pick<RedisTarget, 'label' | 'source'>;

/**
 * True inside a container, where localhost is the container itself. Pass the value of
 * `KUBERNETES_SERVICE_HOST`, which this folder may not read itself.
 */
export function insideContainer(kubernetesServiceHost?: string | undefined): boolean {
  const kubernetes = kubernetesServiceHost !== undefined && kubernetesServiceHost !== '';
  return containerKind({ kubernetes }) !== undefined;
}

/** True for anything thrown by the Redis client or its sockets, as opposed to a bug in our own code. */
export function isRedisError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'ReplyError' || REDIS_ERROR_NAMES.has(error.name)) return true;
  return (
    codeOf(error) in SOCKET_REASONS ||
    isTlsCode(codeOf(error)) ||
    LOST.test(error.message) ||
    SILENT.test(error.message)
  );
}

const REDIS_ERROR_NAMES = new Set([
  'MaxRetriesPerRequestError',
  'ClusterAllFailedError',
  'AbortError',
  'ParserError',
  'RedisError',
]);
/** What ioredis says of a command whose pipeline had some of its answers when the connection was lost. */
const INTERRUPTED = 'Command aborted due to connection close';
const LOST = new RegExp(`^(Connection is closed|${INTERRUPTED}|Cluster is disconnect|None of startup nodes)`);
const SILENT = /^(Socket timeout|Command timed out)/;

/**
 * Whether a pipeline was interrupted after some of its answers had come. ioredis resends a pipeline without any answer,
 * and rejects the rest of one with some: what of it has run is unknown.
 */
export function isInterrupted(error: unknown): boolean {
  return error instanceof Error && error.message === INTERRUPTED;
}

const SOCKET_REASONS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ENOENT: 'there is no such socket',
  ENOTSOCK: 'that file is not a socket',
  ENOTDIR: 'part of its path is not a directory',
  ENOTFOUND: 'that host name is not known',
  EAI_AGAIN: 'the name service does not answer',
  ETIMEDOUT: 'the connection timed out',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
};

/**
 * Turns any failure of the Redis client into an InferError with a stable code, the address and a fix. Uses
 * only the first words of a server's error, and keys of its `command`, which contains the job's payload and up
 * to 40 KB of Lua. For the same reason, `cause` is a cleaned copy.
 */
export function explainRedisError(error: unknown, target: Where, context: ExplainContext = {}): InferError {
  if (error instanceof InferError) return error;
  const reason = underlying(error, context.lastError);
  if (reason instanceof InferError) return reason;
  const { code, message, hint } = describe(reason, target, context);
  return new InferError(code, message, { hint, cause: cleanCause(reason) });
}

/** The shown part of a driver's message: one line, no arguments, no control characters, 200 characters. */
function cleanMessage(error: unknown): string {
  const line = messageOf(error).split(/\r?\n/)[0] ?? '';
  return printable(line.replace(/,? with args beginning with:.*$/i, '')).slice(0, 200);
}

function placeOf({ label }: Where): string {
  return label.replace(/^rediss?:\/\//, '');
}

/** For an address with the wrong one of `redis://` and `rediss://`; `isTls` says what the server speaks. */
export function schemeError(target: Where, isTls: boolean): InferError {
  const instead = target.label.replace(/^rediss?/, isTls ? 'rediss' : 'redis');
  return InferError.of(wrongScheme(placeOf(target), isTls, instead));
}

function describe(error: unknown, target: Where, context: ExplainContext): OwnFailure {
  const at = placeOf(target);
  const text = messageOf(error);
  const code = codeOf(error);
  if (isTlsCode(code)) {
    const plain = target.label.replace(/^rediss/, 'redis');
    return describeTls(error, at, plain, context.clientCertificate === true);
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return {
      code: 'REDIS_PERMISSION',
      message: `this user may not open the Redis socket ${at}`,
      hint: 'run as the user who started that server, or give another address with --redis',
    };
  }
  if (SILENT.test(text)) return silentPeer(at);
  if (/Unknown RESP type|Protocol error, got /.test(text)) {
    return {
      code: 'REDIS_PROTOCOL',
      message: `what listens at ${at} is not Redis`,
      hint: 'check host and port; for a TLS port write rediss:// instead of redis://',
    };
  }
  if (/invalid reply: (null|undefined)?$|No such master with that name/.test(text)) {
    return {
      code: 'REDIS_SENTINEL',
      message: `the sentinels at ${at} know no master of that name`,
      hint: '`redis-cli -p 26379 sentinel masters` lists the names; write redis-sentinel://host:26379/name',
    };
  }
  const damaged = damagedKeyFailure(error);
  if (damaged !== undefined) return damaged;
  const known = REPLIES.find(({ match }) => match.test(text));
  if (known !== undefined) return known.make(at, text);
  if (code in SOCKET_REASONS || LOST.test(text) || isUnreachable(error)) {
    return unreachable(SOCKET_REASONS[code] ?? lostReason(text), at, code, target, context);
  }
  return isRedisError(error)
    ? {
        code: 'REDIS_ERROR',
        message: `Redis at ${at} answered: ${cleanMessage(error)}`,
      }
    : { code: 'INTERNAL', message: cleanMessage(error) };
}

/** The error behind one that only says that the connection is closed. */
function underlying(error: unknown, lastError: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const nodeError: unknown = (error as { lastNodeError?: unknown }).lastNodeError;
  const bare =
    LOST.test(error.message) || REDIS_ERROR_NAMES.has(error.name) || /^All sentinels/.test(error.message);
  if (!bare) return error;
  // A node of a Cluster only says "Connection is closed."; its socket error was emitted as an event before.
  if (nodeError instanceof Error && !LOST.test(nodeError.message)) return nodeError;
  return lastError ?? nodeError ?? error;
}

function isUnreachable(error: unknown): boolean {
  return (
    error instanceof Error &&
    (error.name === 'MaxRetriesPerRequestError' ||
      error.name === 'ClusterAllFailedError' ||
      error.name === 'AbortError' ||
      /sentinel/i.test(error.message) ||
      /^Failed to refresh slots cache/.test(error.message))
  );
}

function lostReason(text: string): string {
  if (/All sentinels|to sentinel/.test(text)) return 'no sentinel answers';
  // For sentinels and Cluster nodes, ioredis embeds the socket's message in a longer sentence.
  const inner = /\b(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ECONNRESET)\b/.exec(text)?.[1];
  return SOCKET_REASONS[inner ?? ''] ?? 'the connection was closed';
}

function unreachable(
  reason: string,
  at: string,
  code: string,
  target: Where,
  context: ExplainContext,
): OwnFailure {
  return {
    code: 'REDIS_UNREACHABLE',
    message: `no Redis answers at ${at}: ${reason}`,
    hint: unreachableHint(code, target, context),
  };
}

const LOCAL = /^rediss?(?:-\w+)?:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])[:/]/;

function unreachableHint(code: string, target: Where, context: ExplainContext): string {
  if (target.source === 'embedded') {
    return '`infer redis start` starts it again, `infer redis status` shows its log';
  }
  if (LOCAL.test(target.label)) {
    return (context.inContainer ?? insideContainer())
      ? 'inside a container, localhost is the container itself: give the Redis host by name, such as ' +
          'redis://redis:6379 (a service) or redis://host.docker.internal:6379 (the host), or run `infer redis start` here'
      : 'start one with `infer redis start` or `redis-server`, or give another address with --redis or INFER_REDIS_URL';
  }
  if (target.label.startsWith('unix://')) {
    return 'start the server that owns this socket, or run `infer redis start` and give no address';
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return 'check the spelling in --redis or INFER_REDIS_URL, and that this machine can resolve the name';
  }
  return 'check that Redis runs there, its `bind` setting and the firewall; for a local one: `infer redis start`';
}

function silentPeer(at: string): OwnFailure {
  return {
    code: 'REDIS_TIMEOUT',
    message: `${at} accepts connections and does not answer`,
    hint: 'check that the port is a Redis port (TLS needs rediss://), and that the server is neither stopped nor busy',
  };
}

function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : '';
}

function cleanCause(error: unknown): Error {
  const copy = new Error(cleanMessage(error));
  copy.name = error instanceof Error ? error.name : 'Error';
  if (error instanceof Error && error.name !== 'ReplyError' && error.stack !== undefined) {
    const frames = error.stack.split('\n').filter((line) => /^\s+at /.test(line));
    copy.stack = [`${copy.name}: ${copy.message}`, ...frames].join('\n');
  }
  return copy;
}
