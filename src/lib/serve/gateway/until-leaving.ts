import { answerWithin } from '../../core/bounded.js';
import type { Gateway } from './gateway.js';

/** What work results in; undefined if the server ends before the work that the caller waits for. */
export function untilLeaving<T>(
  { leaving }: Pick<Gateway, 'leaving'>,
  work: Promise<T>,
): Promise<T | undefined> {
  return answerWithin(Number.POSITIVE_INFINITY, work, () => undefined, leaving);
}
