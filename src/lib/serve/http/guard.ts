import { isIP } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { InferError } from '../../core/errors.js';
import { printable } from '../../core/printable.js';
import type { App } from './app.js';
import { vary } from './vary.js';

export interface GuardOptions {
  /** Names of this server, without ports; `*.example.com` includes all names below. */
  serverNames: readonly string[];
  /** Whether tokens protect it; then `Host` is checked only if names were given. */
  tokens: boolean;
  /** Origins whose pages may call it, such as `https://app.example.com`; `*` for all. */
  origins: readonly string[];
  /** What a refused page, or who runs the server, can do. */
  originHint: string;
}

const SAFE = ['GET', 'HEAD', 'OPTIONS'];
/** Response headers that a page of another origin may read. */
const EXPOSED = [
  'location',
  'retry-after',
  'ratelimit',
  'ratelimit-policy',
  'preference-applied',
  'server-timing',
  'x-request-id',
  'www-authenticate',
  'inference-header-content-length',
  'infer-failed-rows',
  'allow',
].join(', ');
const METHODS = 'GET, HEAD, POST, PUT, DELETE';
const HEADER_NAMES = /^[A-Za-z0-9-]+(?:\s*,\s*[A-Za-z0-9-]+)*$/;
const PREFLIGHT_S = '600';

/**
 * Protects a server from foreign web pages, which can make a visitor's browser send requests to any address.
 * They are refused by `Origin`, and by `Host` if a foreign name points to this server (DNS rebinding). Pages
 * of allowed origins get CORS headers.
 */
export function guard(app: App, options: GuardOptions): void {
  app.addHook('onRequest', async (request, reply) => {
    checkHost(request, options);
    const { origin } = request.headers;
    const allowed = origin !== undefined && isAllowed(origin, options.origins);
    if (options.origins.length > 0) vary(reply, 'origin');
    if (allowed) {
      reply.header('access-control-allow-origin', origin);
      reply.header('access-control-expose-headers', EXPOSED);
    }
    if (request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined)
      return preflight(request, reply, allowed, options);
    if (!SAFE.includes(request.method) && !allowed && isForeign(request)) throw foreign(origin, options);
  });
}

/** @throws InferError HTTP_HOST (421). Requests without a Host (HTTP/1.0) come from no browser. */
function checkHost({ headers }: FastifyRequest, { serverNames, tokens }: GuardOptions): void {
  if (headers.host === undefined || (tokens && serverNames.length === 0)) return;
  const name = hostName(headers.host);
  if (isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost')) return;
  if (serverNames.some((one) => matches(name, one.toLowerCase()))) return;
  throw new InferError('HTTP_HOST', 'the Host of the request is not a name of this server', {
    hint: 'start it with --server-name and the name that callers use',
  });
}

/** In lower case, without port, brackets and trailing dot. */
function hostName(host: string): string {
  const bare = host.startsWith('[') ? host.slice(1).split(']', 1)[0] : host.split(':', 1)[0];
  return (bare ?? '').toLowerCase().replace(/\.$/, '');
}

function matches(name: string, pattern: string): boolean {
  return pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern;
}

function isAllowed(origin: string, origins: readonly string[]): boolean {
  return origins.includes('*') || origins.includes(origin.toLowerCase());
}

/** Whether a page of another origin sent it, as far as the browser says. */
function isForeign({ headers }: FastifyRequest): boolean {
  const { origin, host } = headers;
  if (origin !== undefined) return originHost(origin) !== host?.toLowerCase();
  const site = headers['sec-fetch-site'];
  return site === 'cross-site' || site === 'same-site';
}

function originHost(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    // `null`: a page from a file or a sandbox.
    return undefined;
  }
}

function foreign(origin: string | undefined, { originHint: hint }: GuardOptions): InferError {
  const from = origin === undefined ? 'another origin' : `the origin ${printable(origin).slice(0, 200)}`;
  return new InferError('HTTP_ORIGIN', `a web page of ${from} may not call this server`, { hint });
}

function preflight(
  request: FastifyRequest,
  reply: FastifyReply,
  allowed: boolean,
  options: GuardOptions,
): FastifyReply {
  if (!allowed) throw foreign(request.headers.origin, options);
  const asked = request.headers['access-control-request-headers'] ?? '';
  reply.header('access-control-allow-methods', METHODS);
  if (HEADER_NAMES.test(asked)) reply.header('access-control-allow-headers', asked);
  reply.header('access-control-max-age', PREFLIGHT_S);
  return reply.code(204).send();
}
