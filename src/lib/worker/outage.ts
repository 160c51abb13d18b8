import type { ConnectionEvent } from '../redis/connect.js';
import { rateLimiter } from '../telemetry/logger.js';

/** Redis coming and going is told this often at most. */
const STATE_EVERY_MS = 10_000;
/** Longest wait for Redis when leaving, and for any one step of the clean-up. */
const LEAVE_MS = 2000;
/** The same for a Redis that is known to be away, or that a step before has waited for in vain. */
const AWAY_MS = 500;

/** What a worker knows of its Redis: whether it is away, since when, and how long that is waited with. */
export class Outage {
  private awaySince: number | undefined;
  private readonly tell: (event: ConnectionEvent) => void;
  /** When Redis was last seen to come back, by `performance.now()`. */
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

  /** Something waited for Redis in vain. */
  noticed(): void {
    this.awaySince ??= performance.now();
  }

  /** Longest wait for one thing that needs Redis, at the worker's end, ms. */
  get patienceMs(): number {
    return this.awaySince === undefined ? LEAVE_MS : AWAY_MS;
  }

  /** Redis has been away for so long that a worker that wants to end waits no more. */
  get isLong(): boolean {
    return this.awaySince !== undefined && performance.now() - this.awaySince >= LEAVE_MS;
  }
}

/** Tells of an outage once in ten seconds at most, and of an end only where its beginning was told. */
function calmed(onState: (event: ConnectionEvent) => void): (event: ConnectionEvent) => void {
  const limiter = rateLimiter(STATE_EVERY_MS);
  let told = false;
  return (event) => {
    if (event.state === 'lost') told = limiter.pass('lost') !== undefined;
    if (told || event.state === 'waiting') onState(event);
  };
}
