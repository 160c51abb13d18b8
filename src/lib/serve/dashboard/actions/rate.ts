import { plural } from '../../../core/counts.js';
import { Refusal, retryAfter } from '../../http/refusal.js';

/** A token may ask for so many previews and actions at once, and then for one a second. */
const BURST = 20;
const PER_SECOND = 1;
const MOST_CALLERS = 1000;

/** Bounds how often each token previews and acts. */
export class ActionRate {
  private readonly buckets = new Map<string, { left: number; at: number }>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** @throws InferError ACTION_LIMIT (429) with `Retry-After`. */
  take(who: string): void {
    const now = this.now();
    const { left, at } = this.buckets.get(who) ?? { left: BURST, at: now };
    const filled = Math.min(BURST, left + ((now - at) / 1000) * PER_SECOND);
    if (filled < 1) {
      throw new Refusal(
        'ACTION_LIMIT',
        `${plural(BURST, 'action')} at once are the most, and then one a second`,
        {
          hint: 'wait a moment',
          headers: { 'retry-after': retryAfter(((1 - filled) / PER_SECOND) * 1000) },
        },
      );
    }
    this.buckets.delete(who);
    const [oldest] = this.buckets.keys();
    if (this.buckets.size >= MOST_CALLERS && oldest !== undefined) this.buckets.delete(oldest);
    this.buckets.set(who, { left: filled - 1, at: now });
  }
}
