import { InferError } from '../../core/errors.js';
import { readTokenFile } from '../auth/token-file.js';
import { controlNeedsTokens } from '../dashboard/options.js';
import { isLoopback } from '../http/listen.js';

/** What decides who reaches a gateway, and what they may do there. */
export interface GatewayAccess {
  host: string;
  /** Undefined: callers need no token. */
  tokenFile: string | undefined;
  control: boolean;
  dashboard?: boolean | undefined;
}

/** @throws InferError TOKENS_NEEDED (2), CONTROL_TOKENS (78). */
export function refuseOpenDoor({ host, tokenFile, control, dashboard }: GatewayAccess): void {
  if (tokenFile !== undefined) return;
  if (control && dashboard === true) throw controlNeedsTokens();
  if (isLoopback(host)) return;
  throw new InferError('TOKENS_NEEDED', `other machines can reach ${host}, so callers must have a token`, {
    hint: 'infer token create web --token-file tokens.json, then add --token-file tokens.json; or listen on 127.0.0.1',
  });
}

/**
 * Whether a gateway would start with these, for who starts it last of several parts.
 * @throws InferError TOKENS_NEEDED (2), CONTROL_TOKENS, TOKEN_FILE (78).
 */
export function checkAccess(access: GatewayAccess): void {
  refuseOpenDoor(access);
  if (access.tokenFile !== undefined) readTokenFile(access.tokenFile);
}
