import type { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import type { RedisClient } from './types.js';

/** An offset older than this is measured again, beside whatever asks for the time. */
const FRESH_MS = 30_000;
/** A measurement that took longer says too little, and is repeated. */
const TELLING_MS = 50;
const TRIES = 3;

/**
 * The clock of the Redis server as this process knows it: everything that is written to Redis or compared
 * with what is there uses it, so that hosts whose clocks are off agree. One offset a connection, measured
 * at first use, every 30 s while it is used, and after each reconnect. It runs on the monotonic clock: a
 * host's clock that is set does not move it.
 *
 * A measurement bounds the offset, between the moments of sending and of hearing. An offset within these
 * bounds is kept; so hosts whose clocks are right, which is nearly all, use their own without a jitter.
 * Nodes of a Cluster are taken to agree.
 */
export class ServerClock implements Clock {
  private offsetMs = 0;
  private measuredAt = Number.NEGATIVE_INFINITY;
  private measuring: Promise<void> | undefined;
  private known = false;

  constructor(private readonly client: RedisClient) {
    client.on('ready', () => {
      this.measuredAt = Number.NEGATIVE_INFINITY;
    });
  }

  /** Milliseconds since the epoch, a whole number. Before the first measurement it is the host's time. */
  now(): number {
    if (performance.now() - this.measuredAt > FRESH_MS) void this.measure().catch(() => undefined);
    return Math.floor(hostNow() + this.offsetMs);
  }

  /** Resolves with the time once the offset is known. Fails as a command does when Redis cannot be asked. */
  async settled(): Promise<number> {
    if (!this.known) await this.measure();
    return this.now();
  }

  /** How far the host's clock is ahead of the server's in ms; negative: behind. */
  aheadMs(): number {
    return Math.round(Date.now() - (hostNow() + this.offsetMs));
  }

  private measure(): Promise<void> {
    this.measuring ??= this.ask().finally(() => {
      this.measuring = undefined;
    });
    return this.measuring;
  }

  private async ask(): Promise<void> {
    for (let tried = 0; tried < TRIES; tried++) {
      this.measuredAt = performance.now();
      const sent = hostNow();
      const answer = await this.client.time().catch(unlessForbidden);
      if (answer === undefined) break;
      const [seconds, micros] = answer;
      const heard = hostNow();
      const there = Number(seconds) * 1000 + Number(micros) / 1000;
      if (this.offsetMs < there - heard || this.offsetMs > there - sent) {
        this.offsetMs = there - (sent + heard) / 2;
      }
      if (heard - sent <= TELLING_MS) break;
    }
    this.known = true;
  }
}

/** A user that may not ask goes by the host's clock. */
function unlessForbidden(error: unknown): undefined {
  if (!/^NOPERM/.test(messageOf(error))) throw error;
}

/** The host's time, from when the process started on, not moved by a clock that is set meanwhile. */
function hostNow(): number {
  return performance.timeOrigin + performance.now();
}

const clocks = new WeakMap<RedisClient, ServerClock>();
let latest: ServerClock | undefined;

/** The clock of the server behind a connection; the same for every caller. */
export function serverClock(client: RedisClient): ServerClock {
  let clock = clocks.get(client);
  if (clock === undefined) {
    clock = new ServerClock(client);
    clocks.set(client, clock);
    latest = clock;
  }
  return clock;
}

/** The server's time in ms since the epoch, to set what lies in Redis against. */
export function serverNow(client: RedisClient): Promise<number> {
  return serverClock(client).settled();
}

/**
 * The same for what a command shows after it has read, by the connection it opened last; the host's time
 * where it opened none.
 */
export function serverTime(): number {
  return latest?.now() ?? Date.now();
}
