/** What a token may allow. `read` sees one's own jobs, `read:all` everyone's, `control` steers queues and workers. */
export const SCOPES = ['submit', 'read', 'read:all', 'control'] as const;
export type Scope = (typeof SCOPES)[number];

/** What a route asks of its caller: nothing (for probes), any known caller, or a scope. */
export type RouteAccess = 'open' | 'known' | Scope;

/** Who asks. */
export interface Caller {
  /** Name of the token; undefined where the server asks for none: that caller may do everything. */
  readonly name: string | undefined;
  allows(scope: Scope): boolean;
}

/** Whoever reaches a server that asks for no token. */
export const ANYONE: Caller = { name: undefined, allows: () => true };
