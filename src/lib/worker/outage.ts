import type { ConnectionEvent } from '../redis/connect.js';
import { rateLimiter } from '../telemetry/logger.js';

/** Redis coming and going is told this often at most. */
const STATE_EVERY_MS = 10_000;

/** Tells of an outage once in ten seconds at most, and of an end only where its beginning was told. */
export function calmed(onState: (event: ConnectionEvent) => void): (event: ConnectionEvent) => void {
  const limiter = rateLimiter(STATE_EVERY_MS);
  let told = false;
  return (event) => {
    if (event.state === 'lost') told = limiter.pass('lost') !== undefined;
    if (told || event.state === 'waiting') onState(event);
  };
}
