import type { FastifyRequest } from 'fastify';
import type { App } from '../http/app.js';
import { Refusal } from '../http/refusal.js';
import { bearerToken } from './bearer.js';
import { ANYONE, type Caller, type RouteAccess, UNKNOWN } from './caller.js';

/** Finds the caller that a token belongs to. */
export interface KnownTokens {
  find(token: string): Caller | undefined;
}

/**
 * Identifies the caller of every route. Unknown addresses require a token too.
 * @param tokens undefined: no token is required, and everyone may do everything.
 */
export function askToken(app: App, tokens: KnownTokens | undefined): void {
  app.addHook('onRequest', async (request) => {
    if (tokens === undefined) {
      request.caller = ANYONE;
      return;
    }
    const access: RouteAccess = request.routeOptions?.config?.access ?? 'known';
    const { authorization } = request.headers;
    if (access === 'open' || (access === 'optional' && authorization === undefined)) {
      request.caller = UNKNOWN;
      return;
    }
    const asked = access === 'optional' ? 'known' : access;
    request.caller = known(tokens, authorization, asked);
    request.holds = () => holds(tokens, authorization, asked);
  });
}

/** Whether a token is still one, and allows the same: for answers that go on for long. */
function holds(
  tokens: KnownTokens,
  header: string | undefined,
  access: Exclude<RouteAccess, 'open' | 'optional'>,
): boolean {
  try {
    known(tokens, header, access);
    return true;
  } catch {
    return false;
  }
}

function known(
  tokens: KnownTokens,
  header: string | undefined,
  access: Exclude<RouteAccess, 'open' | 'optional'>,
): Caller {
  const token = bearerToken(header);
  const caller = token === undefined ? undefined : tokens.find(token);
  if (caller === undefined) throw unknown(token);
  if (access === 'known' || caller.allows(access)) return caller;
  throw new Refusal('TOKEN_SCOPE', `this needs a token with the scope ${access}`, {
    hint: `infer token create NAME --scope ${access}`,
    headers: { 'www-authenticate': `Bearer realm="infer", error="insufficient_scope", scope="${access}"` },
  });
}

/** @throws Refusal TOKEN (401) if the token of a request was revoked while the request waited. */
export function requireHeld({ holds: stillHolds, headers }: Pick<FastifyRequest, 'holds' | 'headers'>): void {
  if (stillHolds?.() === false) throw unknown(bearerToken(headers.authorization));
}

function unknown(token: string | undefined): Refusal {
  return new Refusal('TOKEN', token === undefined ? 'this needs a token' : 'the token is not valid', {
    hint: 'send the header Authorization: Bearer with a token that infer token create made',
    headers: {
      'www-authenticate': `Bearer realm="infer"${token === undefined ? '' : ', error="invalid_token"'}`,
    },
  });
}
