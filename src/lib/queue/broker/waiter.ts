import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { answerWithin } from '../../core/bounded.js';
import { traceTime } from '../../core/job-trace.js';
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
/**
 * A queue in which nothing is waited for keeps its connection so long: callers of a gateway may name many.
 */
const IDLE_MS = 60_000;
/** Notices read in one go; each may carry a result of up to 64 KB. */
const GATHERED = 128;

export interface Heard {
  notice: Notice;
  result: Buffer | undefined;
}

/**
 * Receives notices of ended jobs on one reply list per queue: one blocking connection for each queue serves
 * any number of waits, and is closed when there have been none for a minute.
 */
export class Waiter {
  private readonly waiting = new Map<string, Set<(heard: Heard | undefined) => void>>();
  private readonly loops = new Map<string, Promise<void>>();
  private readonly connections: RedisClient[] = [];
  /** How many waits there are, by queue; and how to wake a loop that has none. */
  private readonly waits = new Map<string, number>();
  private readonly idle = new Map<string, () => void>();
  private readonly closing = new AbortController();

  constructor(
    private readonly clientId: string,
    private readonly prefix: string,
    private readonly openBlocking: (signal: AbortSignal) => Promise<RedisClient>,
    /** A job now waits in another queue; its waiter looks it up again. */
    private readonly onMoved: (id: string, queue: string) => void,
    private readonly idleMs = IDLE_MS,
  ) {}

  /** Queues that are listened to. */
  get listening(): number {
    return this.loops.size;
  }

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
      this.count(queue, 1);
      set.add((heard) => {
        this.count(queue, -1);
        resolve(heard);
      });
      this.waiting.set(id, set);
    });
    if (!this.loops.has(queue)) this.loops.set(queue, this.listen(queue));
    this.idle.get(queue)?.();
    return promise;
  }

  /** Stops waiting for `id`. */
  forget(id: string): void {
    for (const resolve of this.waiting.get(id) ?? []) resolve(undefined);
    this.waiting.delete(id);
  }

  private count(queue: string, by: 1 | -1): void {
    const waits = (this.waits.get(queue) ?? 0) + by;
    if (waits === 0) this.waits.delete(queue);
    else this.waits.set(queue, waits);
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
      if (this.closing.signal.aborted || this.waits.has(queue) || (await this.isWanted(queue))) continue;
      // From here on the next wait begins another loop.
      this.loops.delete(queue);
      if (connection === undefined) return;
      this.connections.splice(this.connections.indexOf(connection), 1);
      return closeClient(connection);
    }
  }

  /** There are no waits: no blocking read is sent until there is one. False: none has come for a minute. */
  private async isWanted(queue: string): Promise<boolean> {
    const woken = new Promise<void>((resolve) => {
      this.idle.set(queue, resolve);
    });
    await answerWithin(this.idleMs, woken, () => undefined);
    this.idle.delete(queue);
    // The job is added first: a notice that comes before the read stays in the list.
    await nextTurn();
    return this.closing.signal.aborted || this.waits.has(queue);
  }

  private deliver(heard: Heard): void {
    const resolvers = this.waiting.get(heard.notice.id);
    this.waiting.delete(heard.notice.id);
    const { id, moved, trace } = heard.notice;
    if (trace !== undefined) trace.told = traceTime();
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
    for (const wake of this.idle.values()) wake();
    this.wakeAll();
    await Promise.all(this.loops.values());
  }
}
