import { toFailureRecord } from '../core/errors.js';
import type { Told } from '../core/told.js';

/** The process that started this one and waits for its report: `infer up`. */
export interface Parent {
  /** Reports that this process is ready. */
  ready(facts: unknown): void;
}

/**
 * Runs a command that may have been started by `infer up`, which is told when it is ready, or why it failed.
 * @param told whether it was: only then there is a channel
 * @param onGone called if the parent ends first; undefined: the command runs on without it
 */
export async function reporting<T>(
  told: boolean,
  onGone: (() => void) | undefined,
  run: (parent: Parent) => Promise<T>,
): Promise<T> {
  if (!told || process.send === undefined) return run({ ready: () => undefined });
  if (onGone !== undefined) process.once('disconnect', onGone);
  try {
    return await run({ ready: (facts) => void tell({ state: 'ready', ready: facts }) });
  } catch (error) {
    await tell({ state: 'failed', error: toFailureRecord(error, 'INTERNAL') });
    throw error;
  } finally {
    if (onGone !== undefined) process.off('disconnect', onGone);
    // The channel would keep this process alive.
    if (process.connected) process.disconnect();
  }
}

/** The gateway of an `infer up` that was killed: it finishes what it has begun, as on a signal. */
export function endAsTold(): void {
  process.kill(process.pid, 'SIGTERM');
}

/** Resolves when the message is on its way. A parent that has ended needs none. */
function tell(message: Told): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}
