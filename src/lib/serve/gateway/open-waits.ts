import type { Caller } from '../auth/caller.js';
import { Refusal, retryAfter } from '../http/refusal.js';

/** Open waits of a token without a limit of its own: a quarter of what a gateway has by default. */
const MOST_OF_TOKEN = 2000;
/** Someone else's wait ends within this time on a busy server; nothing better is known. */
const AGAIN_MS = 5000;

/**
 * Answers that are held open until a job changes or ends: event streams, `?wait=`, `Prefer: wait`, and the
 * inference of clients that wait. Each keeps a connection and a place in every look at Redis, for as long as
 * the caller likes, so their number is limited: for each token, and for this gateway.
 */
export class OpenWaits {
  private total = 0;
  private readonly byToken = new Map<string, number>();

  /** @param most of all callers together */
  constructor(private readonly most: number) {}

  /** Number of open waits. */
  get size(): number {
    return this.total;
  }

  /**
   * Takes a place for a wait.
   * @returns gives it back; further calls do nothing
   * @throws Refusal OPEN_LIMIT (429), SERVER_FULL (503).
   */
  take({ name, limits }: Pick<Caller, 'name' | 'limits'>): () => void {
    const own = name === undefined ? 0 : (this.byToken.get(name) ?? 0);
    const mostOwn = limits?.open ?? MOST_OF_TOKEN;
    if (name !== undefined && own >= mostOwn) {
      throw new Refusal('OPEN_LIMIT', `token ${name} may have ${mostOwn} event streams and waits open`, {
        hint: 'end some of them, or ask without waiting',
        headers: { 'retry-after': retryAfter(AGAIN_MS) },
        members: { 'violated-policies': ['open'] },
      });
    }
    if (this.total >= this.most) {
      throw new Refusal('SERVER_FULL', `${this.most} event streams and waits are open at this server`, {
        hint: 'ask without waiting, send it to another gateway, or start this one with a higher --max-open',
        headers: { 'retry-after': retryAfter(AGAIN_MS) },
      });
    }
    this.count(name, 1);
    let isHeld = true;
    return () => {
      if (isHeld) this.count(name, -1);
      isHeld = false;
    };
  }

  /** Does something that waits. @throws as `take`, before it begins. */
  async during<T>(caller: Caller, work: () => Promise<T>): Promise<T> {
    const giveBack = this.take(caller);
    try {
      return await work();
    } finally {
      giveBack();
    }
  }

  private count(name: string | undefined, change: 1 | -1): void {
    this.total += change;
    if (name === undefined) return;
    const own = (this.byToken.get(name) ?? 0) + change;
    if (own === 0) this.byToken.delete(name);
    else this.byToken.set(name, own);
  }
}
