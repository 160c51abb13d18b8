import type { FailureRecord } from './errors.js';

/** What a process reports to the one that started it, over the channel between them. */
export type Told = { state: 'ready'; ready: unknown } | { state: 'failed'; error: FailureRecord };

export function isTold(message: unknown): message is Told {
  const { state } = (message ?? {}) as { state?: unknown };
  return state === 'ready' || state === 'failed';
}
