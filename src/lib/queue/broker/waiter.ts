import { setTimeout as delay } from 'node:timers/promises';
import { closeClient } from '../../redis/connect.js';
import type { RedisClient } from '../../redis/types.js';
import { queueTag, replyKey } from '../keys.js';
import { decodeNotice, type Notice } from './notice.js';

/**
 * Seconds one blocking read lasts; after each, waiters re-check their jobs, so a lost notice costs at most
 * this delay.
 */
const BLOCK_SECONDS = 2;
const RETRY_MS = 200;
/** Notices read in one go; each may carry a result of up to 64 KB. */
const GATHERED = 128;

export interface Heard {
  notice: Notice;
  result: Buffer | undefined;
}

/**
 * Receives notices of ended jobs on one reply list per queue: one blocking connection serves any number of
 * waits. (In a Cluster, one connection per queue, because one BLPOP reads one slot.)
 */
export class Waiter {
  private readonly waiting = new Map<string, Set<(heard: Heard | undefined) => void>>();
  private readonly loops = new Map<string, Promise<void>>();
  private readonly connections: RedisClient[] = [];
  private wakeIdle: (() => void)[] = [];
  private readonly closing = new AbortController();

  constructor(
    private readonly clientId: string,
    private readonly prefix: string,
    private readonly openBlocking: (signal: AbortSignal) => Promise<RedisClient>,
    /** A job now waits in another queue; its waiter looks it up again. */
    private readonly onMoved: (id: string, queue: string) => void,
  ) {}

  /** The reply list for jobs of `queue`, to receive their notices here. */
  listFor(queue: string): string {
    return replyKey(queueTag(this.prefix, queue), this.clientId);
  }

  /**
   * Resolves with the notice of `id`, or with undefined after about two seconds without one: then re-check
   * the job's state and call again. Start listening before the job is submitted.
   */
  next(queue: string, id: string): Promise<Heard | undefined> {
    const promise = new Promise<Heard | undefined>((resolve) => {
      const set = this.waiting.get(id) ?? new Set();
      set.add(resolve);
      this.waiting.set(id, set);
    });
    if (!this.loops.has(queue)) this.loops.set(queue, this.listen(queue));
    for (const wake of this.wakeIdle.splice(0)) wake();
    return promise;
  }

  /** Stops waiting for `id`. */
  forget(id: string): void {
    for (const resolve of this.waiting.get(id) ?? []) resolve(undefined);
    this.waiting.delete(id);
  }

  private async listen(queue: string): Promise<void> {
    const list = this.listFor(queue);
    let connection: RedisClient | undefined;
    while (!this.closing.signal.aborted) {
      try {
        if (connection === undefined) {
          connection = await this.openBlocking(this.closing.signal);
          if (this.closing.signal.aborted) {
            await closeClient(connection);
            break;
          }
          this.connections.push(connection);
        }
        // With many waits, one notice per round trip would be the bottleneck: read all queued notices at
        // once.
        const gathered = this.waiting.size > 1 ? connection.lpopBuffer(list, GATHERED) : undefined;
        const next = connection.blpopBuffer(list, BLOCK_SECONDS);
        next.catch(() => undefined);
        for (const notice of (await gathered) ?? []) this.deliver(decodeNotice(notice));
        const reply = await next;
        if (reply === null) this.wakeAll();
        else this.deliver(decodeNotice(reply[1]));
      } catch {
        if (this.closing.signal.aborted) break;
        this.wakeAll();
        await delay(RETRY_MS, undefined, { signal: this.closing.signal }).catch(() => undefined);
      }
      if (this.waiting.size === 0 && !this.closing.signal.aborted) await this.idle();
    }
  }

  /** There are no waits: no blocking read is sent until there is one. */
  private idle(): Promise<void> {
    return new Promise((resolve) => {
      this.wakeIdle.push(resolve);
    });
  }

  private deliver(heard: Heard): void {
    const resolvers = this.waiting.get(heard.notice.id);
    this.waiting.delete(heard.notice.id);
    const { id, moved } = heard.notice;
    if (moved !== undefined) this.onMoved(id, moved);
    for (const resolve of resolvers ?? []) resolve(moved === undefined ? heard : undefined);
  }

  private wakeAll(): void {
    const all = [...this.waiting.values()];
    this.waiting.clear();
    for (const resolvers of all) for (const resolve of resolvers) resolve(undefined);
  }

  async close(): Promise<void> {
    this.closing.abort();
    await Promise.all(this.connections.map((connection) => closeClient(connection)));
    for (const wake of this.wakeIdle.splice(0)) wake();
    this.wakeAll();
    await Promise.all(this.loops.values());
  }
}
