/**
 * Scopes of tokens. `read` allows reading the token's own jobs, `read:all` all jobs; `metrics` allows reading
 * metrics of the whole deployment, but no job; `control` allows controlling queues and workers.
 */
export const SCOPES = ['submit', 'read', 'read:all', 'metrics', 'control'] as const;
export type Scope = (typeof SCOPES)[number];

/**
 * What a route requires of its caller: nothing (`open`, for probes); nothing, but a token that is sent must be
 * valid and may add to the response (`optional`); any valid token; or a scope.
 */
export type RouteAccess = 'open' | 'optional' | 'known' | Scope;

/** Limits of a caller; undefined = none. */
export interface Limits {
  /** Requests per second that submit work. */
  readonly rate?: number | undefined;
  /** Requests at once after a pause [the rate, at least 1]. */
  readonly burst?: number | undefined;
  /** Jobs and groups that have not ended. */
  readonly jobs?: number | undefined;
  /** Jobs and groups that have not started. */
  readonly waiting?: number | undefined;
}

export interface TokenLimits extends Limits {
  /** Maximum number of open event streams and waits at one gateway [2000]. */
  readonly open?: number | undefined;
  /** Additional limits for single models, by name. */
  readonly models?: Readonly<Record<string, Limits>> | undefined;
}

/** Who sent a request. */
export interface Caller {
  /** Name of the token; undefined if the server requires none: that caller may do everything. */
  readonly name: string | undefined;
  allows(scope: Scope): boolean;
  /** Models that it may use; undefined = all. */
  readonly models?: readonly string[] | undefined;
  readonly limits?: TokenLimits | undefined;
}

/** Every caller of a server without tokens. */
export const ANYONE: Caller = { name: undefined, allows: () => true };

/** A caller without a token, on an open route of a server with tokens. */
export const UNKNOWN: Caller = { name: undefined, allows: () => false };
