import { messageOf } from '../core/errors.js';
import { type Logger, rateLimiter } from '../telemetry/logger.js';

const EVERY_MS = 60_000;

/** The kind of an error: the first word of a server's reply (`OOM`, `READONLY`), else its beginning. */
function kindOf(reason: string): string {
  return /^-?([A-Z]{2,})\b/.exec(reason)?.[1] ?? reason.slice(0, 24);
}

/**
 * Logs a recurring failure once a minute per kind, with a count, so that a Redis that is full or unreachable
 * for an hour fills neither a disk nor a screen.
 */
export class RepeatedWarnings {
  private readonly limiter = rateLimiter(EVERY_MS);

  constructor(private readonly log: Logger) {}

  report(what: string, error: unknown, fields: Record<string, unknown>): void {
    const reason = messageOf(error);
    const held = this.limiter.pass(`${what} ${kindOf(reason)}`);
    if (held === undefined) return;
    this.log.warn({ ...fields, reason, ...(held > 0 ? { alike: held } : {}) }, what);
  }
}
