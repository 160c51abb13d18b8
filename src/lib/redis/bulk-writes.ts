import { setTimeout as delay } from 'node:timers/promises';
import { Turns } from '../core/turns.js';
import { closeClient, connectLike } from './connect.js';
import { isRedisError } from './errors.js';
import { checkSize, readSizeLimit, type SizeLimit, SizeRefused, sizeRefusal } from './size-limits.js';
import type { RedisClient } from './types.js';

/**
 * Maximum bytes of a command on a shared connection. Larger ones use their own connection: locks, takes and
 * other jobs' ends do not wait behind them, and if a server closes the connection because of them, only that
 * one is closed. The smallest limit that Redis can be configured with is 1 MB.
 */
export const SHARED_BYTES = 512 * 1024;

/** Limits are read again after this time, since an operator may have raised them. */
const FRESH_MS = 60_000;
/** For a user who may not read them: the server's ACL log records each attempt. */
const FRESH_UNTOLD_MS = 3_600_000;
/** Closed by the server this often in a row while it answers other requests: it refuses the value. */
const CLOSES = 3;
const PAUSE_MS = 200;

/** Large writes to one server: checked against its limits first, then sent one at a time. */
export class BulkWrites {
  private limit: (SizeLimit & { told: boolean }) | undefined;
  private readAt = Number.NEGATIVE_INFINITY;
  private reading: Promise<SizeLimit & { told: boolean }> | undefined;
  private apart: RedisClient | undefined;
  private readonly turns = new Turns();
  private closed = false;

  constructor(private readonly shared: RedisClient) {}

  /**
   * What is known, without waiting, of a limit that this many bytes may exceed. Old limits are refreshed in
   * the background; small values need no lookup.
   */
  knownFor(bytes: number): SizeLimit | undefined {
    if (bytes <= SHARED_BYTES) return undefined;
    if (!this.isFresh) void this.read().catch(() => undefined);
    return this.limit;
  }

  /**
   * @throws SizeRefused when the server will not accept a value of this many bytes. Small ones need no
   *   lookup.
   */
  async check(bytes: number): Promise<void> {
    if (bytes <= SHARED_BYTES) return;
    checkSize(bytes, this.isFresh && this.limit !== undefined ? this.limit : await this.read());
  }

  /**
   * Runs a write of this many bytes: on the shared connection, or on its own.
   * @throws SizeRefused when the server will never accept it; else the client's error, and it may be sent
   *   again.
   */
  async run<T>(bytes: number, write: (client: RedisClient) => Promise<T>): Promise<T> {
    if (bytes <= SHARED_BYTES) {
      try {
        return await write(this.shared);
      } catch (error) {
        throw refusedFor(bytes, error) ?? error;
      }
    }
    await this.check(bytes);
    return this.turns.take(() => this.send(bytes, write));
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.drop();
  }

  private async send<T>(bytes: number, write: (client: RedisClient) => Promise<T>): Promise<T> {
    let interruptions = 0;
    const count = () => {
      interruptions += 1;
    };
    this.shared.on('close', count);
    try {
      for (let closes = 1; ; closes++) {
        if (this.closed) throw new Error('Connection is closed.');
        const client = await this.open();
        try {
          return await write(client);
        } catch (error) {
          const refused = refusedFor(bytes, error);
          const isReply = error instanceof Error && error.name === 'ReplyError';
          // It closes the connection after some of these replies.
          if (refused !== undefined || !isReply) await this.drop();
          if (refused !== undefined) throw refused;
          if (isReply || !isRedisError(error)) throw error;
          // If the server tells its limits, the value fits them: the connection was lost for another reason.
          const limit = this.limit?.told === false ? this.limit : await this.read();
          checkSize(bytes, limit);
          // Does it answer other requests? While the network is silent this waits, and the shared connection
          // is lost too.
          await this.shared.ping();
          // In a Cluster, one node may be down while others answer.
          if (limit.told || interruptions > 0 || this.shared.isCluster) throw error;
          if (closes === CLOSES) throw new SizeRefused(bytes);
          await delay(PAUSE_MS);
        }
      }
    } finally {
      this.shared.off('close', count);
    }
  }

  private async open(): Promise<RedisClient> {
    if (this.apart === undefined || this.apart.status === 'end') {
      this.apart = await connectLike(this.shared, 'bulk');
    }
    return this.apart;
  }

  private async drop(): Promise<void> {
    const client = this.apart;
    this.apart = undefined;
    if (client !== undefined) await closeClient(client);
  }

  private get isFresh(): boolean {
    const freshMs = this.limit?.told === false ? FRESH_UNTOLD_MS : FRESH_MS;
    return performance.now() - this.readAt < freshMs;
  }

  private read(): Promise<SizeLimit & { told: boolean }> {
    this.reading ??= readSizeLimit(this.shared)
      .then((limit) => {
        this.limit = limit;
        this.readAt = performance.now();
        return limit;
      })
      .finally(() => {
        this.reading = undefined;
      });
    return this.reading;
  }
}

function refusedFor(bytes: number, error: unknown): SizeRefused | undefined {
  if (error instanceof SizeRefused) return error;
  const limit = sizeRefusal(error);
  return limit === undefined ? undefined : new SizeRefused(bytes, limit);
}
