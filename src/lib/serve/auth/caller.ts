/** What a token may allow. `read` sees one's own jobs, `read:all` everyone's, `control` steers queues and workers. */
export const SCOPES = ['submit', 'read', 'read:all', 'control'] as const;
export type Scope = (typeof SCOPES)[number];

/**
 * What a route asks of its caller: nothing (`open`, for probes); nothing, but a token that is sent has to be
 * valid and may make the answer say more (`optional`); any known caller; or a scope.
 */
export type RouteAccess = 'open' | 'optional' | 'known' | Scope;

/** Bounds of what a caller may ask for; undefined = none. */
export interface Limits {
  /** Requests that submit, a second. */
  readonly rate?: number | undefined;
  /** Requests at once after a pause [the rate, 1 at the least]. */
  readonly burst?: number | undefined;
  /** Jobs and groups that have not ended. */
  readonly jobs?: number | undefined;
  /** Jobs and groups of which nothing has started. */
  readonly waiting?: number | undefined;
}

export interface TokenLimits extends Limits {
  /** Further limits for single models, by name. */
  readonly models?: Readonly<Record<string, Limits>> | undefined;
}

/** Who asks. */
export interface Caller {
  /** Name of the token; undefined where the server asks for none: that caller may do everything. */
  readonly name: string | undefined;
  allows(scope: Scope): boolean;
  /** Models that it may use; undefined = all. */
  readonly models?: readonly string[] | undefined;
  readonly limits?: TokenLimits | undefined;
}

/** Whoever reaches a server that asks for no token. */
export const ANYONE: Caller = { name: undefined, allows: () => true };

/** Whoever asks for what is open to all at a server that asks for tokens. */
export const UNKNOWN: Caller = { name: undefined, allows: () => false };
