import { InferError } from '../../core/errors.js';
import type { App } from '../http/app.js';
import { bearerMatches } from './bearer.js';
import { ANYONE } from './caller.js';

/**
 * Requires one token on every route that is not `open`; undefined requires none.
 * @param variable the environment variable with the token
 */
export function askOneToken(app: App, token: string | undefined, variable: string): void {
  app.addHook('onRequest', async (request) => {
    request.caller = ANYONE;
    if (token === undefined || request.routeOptions.config.access === 'open') return;
    if (bearerMatches(request.headers.authorization, token)) return;
    throw new InferError('TOKEN', 'this needs a token', {
      hint: `send the header Authorization: Bearer with the token of ${variable}`,
    });
  });
}
