import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { bounded, settledWithin } from '../core/bounded.js';
import { hasTrait } from '../core/error-table.js';
import { InferError, messageOf } from '../core/errors.js';
import { parseRedisUrl } from './address.js';
import { explainRedisError, schemeError } from './errors.js';
import { clusterOptions, type OptionInput, type RetryState, redisOptions } from './options.js';
import { ask } from './probe.js';
import { checkLeads, sentinelClient } from './sentinel-client.js';
import type { ConnectionSettings } from './target.js';
import { liveTlsFiles, readTlsFiles } from './tls-files.js';
import type { ConnectionRole, RedisClient, RedisTarget } from './types.js';
import { speaksPlain, speaksTls, tlsFailure } from './wire.js';

export { type ConnectionSettings, embeddedTargetOf, resolveTarget } from './target.js';

export type ConnectionEvent =
  /** The first connection could not be made and `waitForRedis` keeps trying; sent once. */
  | { state: 'waiting'; error: InferError }
  | { state: 'lost'; error: InferError | undefined }
  | { state: 'back'; downMs: number };

export interface ConnectOptions {
  /** Keep trying when nothing answers yet. A wrong password or a peer that is not Redis still fails. */
  waitForRedis?: boolean | undefined;
  /** Ends the wait; `connect` then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called once per outage, not once per attempt. */
  onState?: ((event: ConnectionEvent) => void) | undefined;
}

interface Session {
  target: RedisTarget;
  role: ConnectionRole;
  settings: ConnectionSettings;
  retry: RetryState;
  closing: boolean;
  /** Another connection was made with the same target and settings, so the scheme of its URL is right. */
  schemeKnown: boolean;
}

const sessions = new WeakMap<RedisClient, Session>();

const CLUSTER_PROBE_MS = 500;

/** Whether waiting cannot help; an error unknown to infer may be temporary. */
function isPermanent({ facts: { retryable, fault } }: InferError): boolean {
  return !retryable && fault !== 'bug';
}

/**
 * Opens a connection that has answered PING. The first connection fails within `settings.connectTimeoutMs`
 * for every role, unless `waitForRedis`; after that, `worker` and `blocking` connections reconnect forever.
 * The client always has an `error` listener, which keeps the last error for `explain`.
 * @throws InferError with the wording of `explainRedisError`.
 */
export function connect(
  target: RedisTarget,
  role: ConnectionRole,
  settings: ConnectionSettings,
  options: ConnectOptions = {},
): Promise<RedisClient> {
  return open({ target, role, settings, schemeKnown: false }, options);
}

async function open(
  { target, role, settings, schemeKnown }: Omit<Session, 'retry' | 'closing'>,
  options: ConnectOptions,
): Promise<RedisClient> {
  options.signal?.throwIfAborted();
  const retry: RetryState = {
    first: true,
    waitForRedis: options.waitForRedis === true && role !== 'command' && role !== 'bulk',
    lastError: undefined,
  };
  const session: Session = { target, role, settings, retry, closing: false, schemeKnown };
  const client = createClient(session);
  sessions.set(client, session);
  watch(client, session, options.onState);
  try {
    await firstConnection(client, session, options.signal);
  } catch (error) {
    session.closing = true;
    client.disconnect();
    throw (await wireReason(session, error)) ?? (await clusterReason(session, error));
  }
  retry.first = false;
  return client;
}

/** A second connection to the same place, in the same or another role. */
export function connectLike(
  client: RedisClient,
  role?: ConnectionRole,
  options: ConnectOptions = {},
): Promise<RedisClient> {
  const { target, role: sameRole, settings } = sessionOf(client);
  return open({ target, role: role ?? sameRole, settings, schemeKnown: true }, options);
}

/** Describes a failure of this client, with the last connection error as the reason if there is one. */
export function explain(client: RedisClient, error: unknown): InferError {
  const { target, settings, retry } = sessionOf(client);
  return explainRedisError(error, target, {
    inContainer: settings.inContainer,
    lastError: retry.lastError,
    clientCertificate: settings.tlsCertFile !== undefined,
  });
}

/**
 * Sends QUIT, and disconnects if that takes longer than `deadlineMs`. Never throws. A blocking connection is
 * closed at once: its QUIT would queue behind the BLPOP.
 */
export async function closeClient(client: RedisClient, deadlineMs = 1000): Promise<void> {
  const session = sessions.get(client);
  if (session !== undefined) session.closing = true;
  try {
    if (client.status === 'ready' && session?.role !== 'blocking') {
      await settledWithin(deadlineMs, client.quit());
    }
    const open = OPEN.has(client.status);
    const ended = new Promise<void>((resolve) => client.once('end', () => resolve()));
    client.disconnect();
    // Bounded by `disconnectTimeout`, 250 ms, after which the socket is destroyed.
    if (open) await settledWithin(300, ended);
  } catch {
    // Closing is best effort: the process or the server will close the socket anyway.
  }
}

const OPEN = new Set<string>(['connecting', 'connect', 'ready', 'disconnecting']);

function sessionOf(client: RedisClient): Session {
  const session = sessions.get(client);
  if (session === undefined) throw new TypeError('not a client made by connect()');
  return session;
}

function createClient({ target, role, settings, retry }: Session): RedisClient {
  const address = parseRedisUrl(target.url);
  const input: OptionInput = {
    address,
    role,
    connectTimeoutMs: settings.connectTimeoutMs,
    answerTimeoutMs: settings.answerTimeoutMs,
    sentinel: settings.sentinel,
    tls: address.tls ? liveTlsFiles(settings) : {},
  };
  // `as object`: the library's generic constructor types do not take exactOptionalPropertyTypes.
  if (address.kind === 'cluster')
    return new Cluster(address.endpoints, clusterOptions(input, retry) as object);
  const options = redisOptions(input, retry);
  return address.kind === 'sentinel' ? sentinelClient(options) : new Redis(options as object);
}

const BARE = /^(Connection is closed|All sentinels are unreachable|Failed to refresh slots cache)/;

const NOBODY_THERE = /connection refused|not known|name service|cannot be reached/;

/**
 * What the server speaks when the client's error does not say it: TLS or not, and any certificate problem.
 * Undefined when that is not the reason.
 */
async function wireReason({ target, settings }: Session, error?: unknown): Promise<InferError | undefined> {
  const { endpoints, tls } = parseRedisUrl(target.url);
  const [node] = endpoints;
  if (node === undefined) return undefined;
  if (error !== undefined) {
    if (!(error instanceof InferError) || !hasTrait(error.code, 'unclear-peer')) return undefined;
    if (NOBODY_THERE.test(error.message)) return undefined;
  }
  if (!tls) return (await speaksTls(node)) ? schemeError(target, true) : undefined;
  if (await speaksPlain(node)) return schemeError(target, false);
  const failure = await tlsFailure(node, readTlsFiles(settings));
  if (failure === undefined || failure.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return undefined;
  const clientCertificate = settings.tlsCertFile !== undefined;
  const reason = explainRedisError(failure, target, { inContainer: settings.inContainer, clientCertificate });
  return reason.code === 'REDIS_TLS' ? reason : undefined;
}

/** A Cluster client hides the socket's own error: ask the first start node once more. */
async function clusterReason({ target, settings }: Session, error: unknown): Promise<unknown> {
  const { kind, endpoints } = parseRedisUrl(target.url);
  const [node] = endpoints;
  const vague = error instanceof InferError && error.code === 'REDIS_UNREACHABLE';
  if (kind !== 'cluster' || node === undefined || !vague) return error;
  const answer = await ask(node, 'PING', CLUSTER_PROBE_MS);
  if (answer.kind !== 'absent') return error;
  const reason = Object.assign(new Error(answer.code), { code: answer.code });
  return explainRedisError(reason, target, { inContainer: settings.inContainer });
}

function watch(client: RedisClient, session: Session, onState: ConnectOptions['onState']): void {
  const keep = (error: unknown): void => {
    // These follow the real reason and must not hide it.
    if (session.retry.lastError === undefined || !BARE.test(messageOf(error)))
      session.retry.lastError = error;
    if (session.retry.first && session.retry.waitForRedis && !told) {
      told = true;
      onState?.({ state: 'waiting', error: explain(client, error) });
    }
  };
  let told = false;
  let lostAt: number | undefined;
  client.on('error', keep);
  client.on('node error', keep);
  client.on('sentinelError', keep);
  client.on('close', () => {
    if (session.retry.first || session.closing || lostAt !== undefined) return;
    lostAt = performance.now();
    const { lastError } = session.retry;
    onState?.({
      state: 'lost',
      error: lastError === undefined ? undefined : explain(client, lastError),
    });
  });
  client.on('ready', () => {
    session.retry.lastError = undefined;
    if (lostAt === undefined) return;
    const downMs = performance.now() - lostAt;
    lostAt = undefined;
    onState?.({ state: 'back', downMs });
  });
}

async function firstConnection(
  client: RedisClient,
  session: Session,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { retry, settings } = session;
  const timeoutMs = retry.waitForRedis ? undefined : settings.connectTimeoutMs;
  const deadline = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
  const failed = new AbortController();
  const fail = (error: unknown): void => failed.abort(error);
  const onError = (error: unknown): void => {
    const explained = explain(client, error);
    if (isPermanent(explained)) fail(explained);
  };
  const onEnd = (): void => fail(explain(client, retry.lastError ?? new Error('Connection is closed.')));
  const onAbort = (): void => fail(signal?.reason);
  const looking = session.schemeKnown ? undefined : lookAtWire(session, fail);
  client.on('error', onError);
  client.once('end', onEnd);
  signal?.addEventListener('abort', onAbort, { once: true });
  const late = (): unknown => explain(client, timeoutReason(client, retry));
  try {
    const limits = { timeoutMs, signal: failed.signal };
    await bounded(() => establish(client, deadline, retry.waitForRedis), limits, late);
  } finally {
    looking?.abort();
    signal?.removeEventListener('abort', onAbort);
    client.off('error', onError);
    client.off('end', onEnd);
  }
}

const FIRST_LOOK_MS = 300;
const LAST_LOOK_MS = 10_000;

/**
 * Runs when a connection takes longer than any nearby Redis needs to answer: a wrong scheme is reported
 * immediately, not after the timeout, even to a worker that would wait forever. Each look is a further socket.
 */
function lookAtWire(session: Session, fail: (error: unknown) => void): AbortController {
  const over = new AbortController();
  const look = async (): Promise<void> => {
    for (let wait = FIRST_LOOK_MS; !over.signal.aborted; wait = Math.min(2 * wait, LAST_LOOK_MS)) {
      await delay(wait, undefined, { signal: over.signal });
      const reason = await wireReason(session);
      if (reason !== undefined && !over.signal.aborted) fail(reason);
    }
  };
  look().catch(() => undefined);
  return over;
}

async function establish(client: RedisClient, deadline: number, patient: boolean): Promise<void> {
  // The promise of ioredis's connect() says "Connection is closed." on the first failed attempt, while
  // retries continue: the events tell more.
  const ready = new Promise<void>((resolve) => client.once('ready', () => resolve()));
  client.connect().catch(() => undefined);
  await ready;
  const sentinel = parseRedisUrl(sessionOf(client).target.url).kind === 'sentinel';
  // Not `pollUntil`: it depends on the error whether another try makes sense, and the last error is reported.
  for (;;) {
    try {
      await client.ping();
      if (sentinel) await checkLeads(client as Redis);
      break;
    } catch (error) {
      const explained = explain(client, error);
      // A user without the right to PING may still have every right that matters; a server that cannot write
      // to its disk refuses PING too, yet still answers reads.
      if (hasTrait(explained.code, 'still-serves')) break;
      const replaced = explained.code === 'REDIS_READONLY';
      const passing = hasTrait(explained.code, 'soon-over') || (patient && !isPermanent(explained));
      const over = client.status === 'end' || performance.now() + 100 > deadline;
      if (!passing || over) throw explained;
      // If the deadline hits first, report this error, not a timeout.
      sessionOf(client).retry.lastError = error;
      if (replaced) client.disconnect(true);
      await delay(100);
    }
  }
  await checkReadinessFromNowOn(client);
}

/**
 * With ioredis' ready check a reconnected worker keeps its commands until the server has loaded its data. It
 * needs INFO; without that right, it would write to the console at every connection. So it is off at first,
 * and enabled where INFO is allowed.
 */
async function checkReadinessFromNowOn(client: RedisClient): Promise<void> {
  const { role } = sessionOf(client);
  if (client.isCluster || role === 'command' || role === 'bulk') return;
  const allowed = await client.info('server').then(
    () => true,
    () => false,
  );
  (client as Redis).options.enableReadyCheck = allowed;
}

function timeoutReason(client: RedisClient, retry: RetryState): unknown {
  if (retry.lastError !== undefined) return retry.lastError;
  // `connect`: the socket is open and the handshake unanswered.
  if (client.status === 'connect') return new Error('Socket timeout');
  // A plain Redis port waits for a line ending, which a TLS greeting never contains.
  const stream = client.isCluster ? undefined : (client as Redis).stream;
  const greeted = stream !== undefined && 'encrypted' in stream && !stream.connecting;
  const code = greeted ? 'ERR_TLS_HANDSHAKE_TIMEOUT' : 'ETIMEDOUT';
  return Object.assign(new Error(`connect ${code}`), { code });
}
