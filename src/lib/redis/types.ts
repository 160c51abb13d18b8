import type { Cluster, Redis } from 'ioredis';

/** A connected client; every other folder takes it from here and never imports ioredis itself. */
export type RedisClient = Redis | Cluster;

/** One server's own connection, for commands that are about a server and not about keys. */
export type RedisNode = Redis;

/**
 * What a connection is for:
 * `command`: a short-lived command: fails within seconds with a clear error, never hangs.
 * `worker`: retries forever with capped back-off, keeps commands queued while Redis is away.
 * `blocking`: like `worker`, for BLPOP and BZPOPMIN; no command or socket time-out.
 * `bulk`: for large writes: once it is lost it stays so, and what was under way fails instead of being sent again.
 */
export type ConnectionRole = 'command' | 'worker' | 'blocking' | 'bulk';

/** Where Redis is and how it was chosen. */
export interface RedisTarget {
  /** `redis://`, `rediss://` or `unix:///path/to.sock`; may hold a password: print `label` instead. */
  url: string;
  /** The same without user and password, for people. */
  label: string;
  /** Where the address came from; `embedded` is infer's own private server. */
  source: 'flag' | 'env' | 'file' | 'default' | 'embedded';
}
