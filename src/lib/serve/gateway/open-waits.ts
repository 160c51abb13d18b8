import type { Caller } from '../auth/caller.js';
import { Refusal, retryAfter } from '../http/refusal.js';

/** Open waits of a token without its own limit: a quarter of a gateway's default limit. */
const MOST_OF_TOKEN = 2000;
/** Time after which to retry, ms: on a busy server, some other wait ends within this time. */
const AGAIN_MS = 5000;

/**
 * Responses that stay open until a job changes or ends: event streams, `?wait=`, `Prefer: wait`, and
 * inference requests that wait; and uploads of rows, which are streamed. Each keeps a connection open for any
 * length of time, and most add to every reading of Redis. So their number is limited, for each token and for this gateway.
 */
export class OpenWaits {
  private total = 0;
  private readonly byToken = new Map<string, number>();

  /** @param most limit for all callers together */
  constructor(private readonly most: number) {}

  /** Number of open waits. */
  get size(): number {
    return this.total;
  }

  /**
   * Counts an open wait.
   * @returns a function that ends it; further calls do nothing
   * @throws Refusal OPEN_LIMIT (429), SERVER_FULL (503).
   */
  take({ name, limits }: Pick<Caller, 'name' | 'limits'>): () => void {
    const own = name === undefined ? 0 : (this.byToken.get(name) ?? 0);
    const mostOwn = limits?.open ?? MOST_OF_TOKEN;
    if (name !== undefined && own >= mostOwn) {
      throw new Refusal('OPEN_LIMIT', `token ${name} may have ${mostOwn} event streams and waits open`, {
        hint: 'an upload of rows counts as one; close some of them, or poll without waiting',
        headers: { 'retry-after': retryAfter(AGAIN_MS) },
        members: { 'violated-policies': ['open'] },
      });
    }
    if (this.total >= this.most) {
      throw new Refusal('SERVER_FULL', `${this.most} event streams and waits are open at this server`, {
        hint: 'poll without waiting, use another gateway, or start this one with a higher --max-open',
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

  /** Runs work that waits. @throws as `take`, before the work begins. */
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
