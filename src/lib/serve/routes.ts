import { createHash, timingSafeEqual } from 'node:crypto';

/** What a route is asked; there is no body: all of them only read. */
export interface RouteRequest {
  path: string;
  /** For a route that ends in `/`: what follows it, decoded. Else empty. */
  rest: string;
  query: URLSearchParams;
  /** Fires when the caller went away or the answer took too long. */
  signal: AbortSignal;
}

export interface Reply {
  status: number;
  contentType: string;
  body: string;
}

export interface Route {
  /** Answers without the bearer token too: for probes, which have none. */
  open?: true;
  handle(request: RouteRequest): Promise<Reply>;
}

/**
 * Routes by path. A path that ends in `/`, such as `/autoscale/`, also takes everything below it and
 * gets the remainder as `rest`; an exact path goes before it.
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

/** The route of a path; undefined when there is none, or its remainder is not well encoded. */
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

/** Whether an `Authorization` header holds the token; takes as long for a near miss as for any other. */
export function bearerMatches(header: string | undefined, token: string): boolean {
  const given = /^Bearer (.+)$/i.exec(header ?? '')?.[1];
  if (given === undefined) return false;
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
