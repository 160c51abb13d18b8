import type { ClusterOptions, RedisOptions } from 'ioredis';
import type { RedisAddress } from './address.js';
import type { TlsMaterial } from './tls-files.js';
import type { ConnectionRole } from './types.js';

/** Input of a connection's retry decision; changes while the connection lives. */
export interface RetryState {
  /** True until the connection has been ready once. */
  first: boolean;
  /** Keep trying the first connection too. */
  waitForRedis: boolean;
  lastError: unknown;
}

export interface OptionInput {
  address: RedisAddress;
  role: ConnectionRole;
  connectTimeoutMs: number;
  /** For a `command` connection: see ConnectionSettings. */
  answerTimeoutMs?: number | undefined;
  /** Material for a TLS connection. */
  tls: TlsMaterial;
  sentinel?: { username?: string | undefined; password?: string | undefined } | undefined;
}

/** A refused connection is tried 3 times in total: after 0, 100 and 200 ms. */
const FEW_RETRIES = 2;
const FEW_RETRIES_DELAY_MS = 100;

const LONG_RETRY_FIRST_MS = 50;
const LONG_RETRY_MAX_MS = 2000;

/** Commands of a CLI call answer in milliseconds: 5 s of silence with one pending means a dead peer. */
const COMMAND_SOCKET_TIMEOUT_MS = 5000;
/**
 * For half-open connections (a host that vanished, a firewall that dropped the state), which never raise an
 * error. Longer than any blocking read of ours, 5 s, and as long as a lock by default.
 */
const WORKER_SOCKET_TIMEOUT_MS = 10_000;

/**
 * Delay in ms before attempt `times` + 1, or null to stop. Workers double it from 50 ms to 2 s and take a
 * random 50..100 % of it, so that a fleet does not reconnect in step.
 */
export function retryDelay(role: ConnectionRole, state: RetryState, times: number): number | null {
  if (role === 'bulk' && !state.first) return null;
  if (role === 'command' || role === 'bulk' || (state.first && !state.waitForRedis)) {
    // A silent peer will be silent again, at 5 s per attempt.
    const silent = state.lastError instanceof Error && state.lastError.message.startsWith('Socket timeout');
    return silent || times > FEW_RETRIES ? null : FEW_RETRIES_DELAY_MS;
  }
  const delay = Math.min(LONG_RETRY_FIRST_MS * 2 ** Math.min(times - 1, 10), LONG_RETRY_MAX_MS);
  return Math.round(delay * (0.5 + Math.random() / 2));
}

const ELSEWHERE_EVERY_MS = 1000;
/** Replies that arrived with the first READONLY belong to the same reconnect. */
const SAME_LOOK_MS = 50;

/**
 * After a failover the old primary answers READONLY; while it restarts, LOADING: reconnect and send again.
 * Once a second at most: otherwise a server that stays a replica would cause endless reconnects. Errors in
 * between reach the caller, which has its own backoff.
 */
function resendElsewhere(): (error: Error) => false | 2 {
  let lookedAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (!/(?:^|[ -])(?:READONLY|LOADING)\b/.test(error.message)) return false;
    const ago = performance.now() - lookedAt;
    if (ago >= SAME_LOOK_MS && ago < ELSEWHERE_EVERY_MS) return false;
    if (ago >= ELSEWHERE_EVERY_MS) lookedAt = performance.now();
    return 2;
  };
}

/** ioredis options for a single server, a unix socket or a Sentinel setup. */
export function redisOptions(input: OptionInput, state: RetryState): RedisOptions {
  const { address } = input;
  const retry = (times: number): number | null => retryDelay(input.role, state, times);
  const options: RedisOptions = {
    ...commonOptions(input),
    db: address.db,
    retryStrategy: retry,
    enableOfflineQueue: true,
    lazyConnect: true,
    // Off for the first connection only, see `connect`.
    enableReadyCheck: false,
  };
  if (address.kind === 'unix') return { ...options, path: address.path ?? '' };
  if (address.kind === 'sentinel') {
    return {
      ...options,
      sentinels: address.endpoints,
      name: address.master ?? '',
      sentinelRetryStrategy: retry,
      sentinelCommandTimeout: input.connectTimeoutMs,
      ...(input.sentinel?.username === undefined ? {} : { sentinelUsername: input.sentinel.username }),
      ...(input.sentinel?.password === undefined ? {} : { sentinelPassword: input.sentinel.password }),
      ...(address.tls ? { sentinelTLS: input.tls, enableTLSForSentinelMode: true } : {}),
    };
  }
  const endpoint = address.endpoints[0] ?? { host: '127.0.0.1', port: 6379 };
  return { ...options, host: endpoint.host, port: endpoint.port };
}

/** ioredis options for a Redis Cluster; its start nodes are `address.endpoints`. */
export function clusterOptions(input: OptionInput, state: RetryState): ClusterOptions {
  const patient = input.role === 'worker' || input.role === 'blocking';
  return {
    lazyConnect: true,
    enableOfflineQueue: true,
    clusterRetryStrategy: (times) => retryDelay(input.role, state, times),
    // A failover takes a little longer than cluster-node-timeout (15 s by default); with ioredis's default of
    // 16 x 100 ms, a worker's commands would fail long before. 300 x 200 ms is a minute.
    ...(patient ? { maxRedirections: 300, retryDelayOnFailover: 200, retryDelayOnClusterDown: 200 } : {}),
    // Do not send the same bytes sixteen times over a connection that is closed because of them.
    ...(input.role === 'bulk' ? { maxRedirections: 3 } : {}),
    slotsRefreshTimeout: input.connectTimeoutMs,
    // Managed clusters (ElastiCache) have certificates for names, not addresses: never resolve.
    ...(input.address.tls ? { dnsLookup: (name, done) => done(null, name) } : {}),
    redisOptions: commonOptions(input),
  };
}

function commonOptions(input: OptionInput) {
  const { address, role } = input;
  const socketTimeout =
    role === 'command' ? (input.answerTimeoutMs ?? COMMAND_SOCKET_TIMEOUT_MS) : WORKER_SOCKET_TIMEOUT_MS;
  return {
    // Later than our own deadline, which knows better how far the connection got.
    connectTimeout: input.connectTimeoutMs + 500,
    // A peer that ignores our FIN would keep a finished command alive for 2 s.
    disconnectTimeout: 250,
    // Never `20`, the default, on a worker: BullMQ stores a job that succeeded as failed when
    // its completion runs into the limit.
    maxRetriesPerRequest: role === 'command' ? 1 : null,
    maxLoadingRetryTime: 500,
    connectionName: `infer-${role}`,
    // Two commands fewer per connection, and an error reply each on servers before 7.2.
    disableClientInfo: true,
    ...(role === 'command' || role === 'bulk' ? {} : { reconnectOnError: resendElsewhere() }),
    socketTimeout,
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    ...(address.tls ? { tls: input.tls } : {}),
  };
}
