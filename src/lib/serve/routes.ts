import { createHash, timingSafeEqual } from 'node:crypto';

/** A request to a route; there is no body, because all routes are read-only. */
export interface RouteRequest {
  path: string;
  /** For a route that ends in `/`: the rest of the path, decoded. Otherwise empty. */
  rest: string;
  query: URLSearchParams;
  /** Fires when the caller has disconnected or the answer took too long. */
  signal: AbortSignal;
}

export interface Reply {
  status: number;
  contentType: string;
  body: string;
}

export interface Route {
  /** Needs no bearer token: for probes, which have none. */
  open?: true;
  handle(request: RouteRequest): Promise<Reply>;
}

/**
 * Routes by path. A path that ends in `/`, such as `/autoscale/`, also handles everything below it and gets
 * the remainder as `rest`; an exact path takes precedence.
 */
export type RouteTable = Readonly<Record<string, Route>>;

export function textReply(status: number, text: string): Reply {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${text}\n` };
}

export function jsonReply(status: number, value: unknown): Reply {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n` };
}

export interface FoundRoute {
  route: Route;
  rest: string;
}

/** The route of a path; undefined when there is none, or its remainder is not encoded correctly. */
export function findRoute(routes: RouteTable, path: string): FoundRoute | undefined {
  if (Object.hasOwn(routes, path)) return { route: routes[path] as Route, rest: '' };
  const above = Object.keys(routes)
    .filter((key) => key.length > 1 && key.endsWith('/') && path.startsWith(key))
    .sort((a, b) => b.length - a.length)[0];
  if (above === undefined) return undefined;
  try {
    return { route: routes[above] as Route, rest: decodeURIComponent(path.slice(above.length)) };
  } catch {
    return undefined;
  }
}

/** Whether an `Authorization` header contains the token; in constant time. */
export function bearerMatches(header: string | undefined, token: string): boolean {
  const given = /^Bearer (.+)$/i.exec(header ?? '')?.[1];
  if (given === undefined) return false;
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
