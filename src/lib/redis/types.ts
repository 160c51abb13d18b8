import type { Cluster, Redis } from 'ioredis';

/** A connected client; all other folders import it from here, never from ioredis. */
export type RedisClient = Redis | Cluster;

/** A connection to one server, for commands about the server rather than keys. */
export type RedisNode = Redis;

/**
 * The purpose of a connection:
 * `command`: a short-lived command: fails within seconds with a clear error, never hangs.
 * `worker`: retries forever with capped backoff, keeps commands queued while Redis is unreachable.
 * `blocking`: like `worker`, for BLPOP and BZPOPMIN; no command or socket timeout.
 * `bulk`: for large writes: once lost it stays closed, and commands in progress fail instead of being sent again.
 */
export type ConnectionRole = 'command' | 'worker' | 'blocking' | 'bulk';

/** Where Redis is, and how it was chosen. */
export interface RedisTarget {
  /** `redis://`, `rediss://` or `unix:///path/to.sock`; may contain a password: print `label` instead. */
  url: string;
  /** The same without user and password, for display. */
  label: string;
  /** Where the address came from; `embedded` is infer's own private server. */
  source: 'flag' | 'env' | 'file' | 'default' | 'embedded';
  /** Set if infer's own server did not run and was started to resolve this. */
  started?: boolean | undefined;
}
