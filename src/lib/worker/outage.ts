import type { ConnectionEvent } from '../redis/connect.js';
import { rateLimiter } from '../telemetry/logger.js';

/** Minimum time between two messages about Redis going away and coming back. */
const STATE_EVERY_MS = 10_000;
/** Longest wait for Redis when leaving, and for any single cleanup step. */
const LEAVE_MS = 2000;
/** The same for a Redis that is known to be unreachable, or did not answer an earlier step. */
const AWAY_MS = 500;

/**
 * Tracks the state of a worker's Redis: whether it is unreachable, since when, and how long to wait for it.
 */
export class Outage {
  private awaySince: number | undefined;
  private readonly tell: (event: ConnectionEvent) => void;
  /** When the connection last came back, by `performance.now()`. */
  backAt = Number.NEGATIVE_INFINITY;

  constructor(onState: (event: ConnectionEvent) => void) {
    this.tell = calmed(onState);
  }

  onState(event: ConnectionEvent): void {
    if (event.state === 'back') this.backAt = performance.now();
    if (event.state === 'lost') this.noticed();
    else this.awaySince = undefined;
    this.tell(event);
  }

  /** A wait for Redis timed out. */
  noticed(): void {
    this.awaySince ??= performance.now();
  }

  /** Longest wait for one step that needs Redis, at the worker's end, ms. */
  get patienceMs(): number {
    return this.awaySince === undefined ? LEAVE_MS : AWAY_MS;
  }

  /** Redis has been unreachable so long that a worker that wants to end waits no longer. */
  get isLong(): boolean {
    return this.awaySince !== undefined && performance.now() - this.awaySince >= LEAVE_MS;
  }
}

/** Reports an outage at most once in ten seconds, and its end only if its beginning was reported. */
function calmed(onState: (event: ConnectionEvent) => void): (event: ConnectionEvent) => void {
  const limiter = rateLimiter(STATE_EVERY_MS);
  let told = false;
  return (event) => {
    if (event.state === 'lost') told = limiter.pass('lost') !== undefined;
    if (told || event.state === 'waiting') onState(event);
  };
}
