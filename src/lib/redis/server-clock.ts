import { uptime } from 'node:os';
import type { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import type { RedisClient } from './types.js';

/** An offset older than this is measured again in the background. */
const FRESH_MS = 30_000;
/** A measurement that took longer is too inaccurate, and is repeated. */
const TELLING_MS = 50;
const TRIES = 3;
/**
 * Between two measurements, the host's clock and the monotonic one drift apart by less than this unless
 * something happened.
 */
const JUMP_MS = 250;

/** Clocks of this host, all in ms. */
export interface HostClocks {
  /** The wall clock, since the epoch. */
  wall(): number;
  /**
   * Started with the process, since the epoch; setting the clock does not affect it, and it stops while the
   * host sleeps.
   */
  steady(): number;
  /** Since the host started, including sleep. */
  uptime(): number;
}

const HOST: HostClocks = {
  wall: () => Date.now(),
  steady: () => performance.timeOrigin + performance.now(),
  uptime: () => uptime() * 1000,
};

/**
 * The clock of the Redis server as known to this process: everything written to Redis or compared with its
 * contents uses it, so that hosts whose clocks are off agree. One offset per connection, measured at first
 * use, every 30 s while in use, and after each reconnect. It is based on the monotonic clock, so setting the
 * host's clock does not affect it. That clock stops while the host sleeps: the time slept is added from the
 * host's uptime, and whenever the host's clock has jumped relative to the monotonic one (sleep, a paused VM,
 * a clock that was set) the offset is measured again before `settled` resolves.
 *
 * A measurement bounds the offset, between the moments of sending and receiving. An offset within these
 * bounds is kept; hosts with correct clocks, which is nearly all, therefore use their own without jitter.
 * Nodes of a Cluster are assumed to agree.
 */
export class ServerClock implements Clock {
  private offsetMs = 0;
  private measuredAt = Number.NEGATIVE_INFINITY;
  private measuring: Promise<void> | undefined;
  private known = false;
  /** How far `wall` and `uptime` were ahead of `steady` at the last check for a jump. */
  private wallAhead: number;
  private uptimeAhead: number;
  private jumps = 0;

  constructor(
    private readonly client: RedisClient,
    private readonly host: HostClocks = HOST,
  ) {
    this.wallAhead = host.wall() - host.steady();
    this.uptimeAhead = host.uptime() - host.steady();
    client.on('ready', () => {
      this.measuredAt = Number.NEGATIVE_INFINITY;
    });
  }

  /** Milliseconds since the epoch, an integer. Before the first measurement it is the host's time. */
  now(): number {
    this.heedJump();
    if (this.host.steady() - this.measuredAt > FRESH_MS) void this.measure().catch(() => undefined);
    return Math.floor(this.host.steady() + this.offsetMs);
  }

  /**
   * Resolves with the time once the offset is known, also after a jump of the host's clock. Fails like any
   * command when Redis is unreachable.
   */
  async settled(): Promise<number> {
    this.heedJump();
    if (!this.known) await this.measure();
    return this.now();
  }

  /** How far the host's clock is ahead of the server's, ms; negative: behind. */
  aheadMs(): number {
    this.heedJump();
    return Math.round(this.host.wall() - (this.host.steady() + this.offsetMs));
  }

  private heedJump(): void {
    const { host } = this;
    let wallAhead = host.wall() - host.steady();
    if (Math.abs(wallAhead - this.wallAhead) < JUMP_MS) return;
    // This process may have been delayed between the two clocks.
    wallAhead = host.wall() - host.steady();
    if (Math.abs(wallAhead - this.wallAhead) < JUMP_MS) return;
    const uptimeAhead = host.uptime() - host.steady();
    const slept = uptimeAhead - this.uptimeAhead;
    // Otherwise the host's clock was set, or a VM was paused with all its clocks: only Redis knows.
    if (slept >= JUMP_MS) this.offsetMs += slept;
    this.wallAhead = wallAhead;
    this.uptimeAhead = uptimeAhead;
    this.jumps += 1;
    this.known = false;
    this.measuredAt = Number.NEGATIVE_INFINITY;
  }

  private measure(): Promise<void> {
    this.measuring ??= this.ask().finally(() => {
      this.measuring = undefined;
    });
    return this.measuring;
  }

  private async ask(): Promise<void> {
    for (let tried = 0; tried < TRIES; tried++) {
      this.heedJump();
      const { jumps } = this;
      const sent = this.host.steady();
      this.measuredAt = sent;
      const answer = await this.client.time().catch(unlessForbidden);
      this.heedJump();
      if (answer === undefined) {
        this.offsetMs = this.wallAhead;
        break;
      }
      // It is unknown whether the answer is from before or after.
      if (this.jumps !== jumps) continue;
      const [seconds, micros] = answer;
      const heard = this.host.steady();
      // Slow drift of the host's clock is not a jump.
      this.wallAhead = this.host.wall() - this.host.steady();
      this.uptimeAhead = this.host.uptime() - this.host.steady();
      const there = Number(seconds) * 1000 + Number(micros) / 1000;
      if (this.offsetMs < there - heard || this.offsetMs > there - sent) {
        this.offsetMs = there - (sent + heard) / 2;
      }
      if (heard - sent <= TELLING_MS) break;
    }
    this.known = true;
  }
}

/** A user without the right to ask uses the host's clock. */
function unlessForbidden(error: unknown): undefined {
  if (!/^NOPERM/.test(messageOf(error))) throw error;
}

const clocks = new WeakMap<RedisClient, ServerClock>();
let latest: ServerClock | undefined;

/** The clock of the server behind a connection; the same instance for every caller. */
export function serverClock(client: RedisClient): ServerClock {
  let clock = clocks.get(client);
  if (clock === undefined) {
    clock = new ServerClock(client);
    clocks.set(client, clock);
    latest = clock;
  }
  return clock;
}

/** The server's time in ms since the epoch, for comparison with data in Redis. */
export function serverNow(client: RedisClient): Promise<number> {
  return serverClock(client).settled();
}

/**
 * The same for output after reading, from the most recently opened connection; the host's time if none was
 * opened.
 */
export function serverTime(): number {
  return latest?.now() ?? Date.now();
}
