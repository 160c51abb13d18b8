import { messageOf } from '../../core/errors.js';
import type { Gateway } from './gateway.js';

const CANCEL_MS = 5000;

/**
 * Cancels a job or group whose only caller has disconnected or waited for too long; no one else knows its id.
 * As for any program that cancels its own work, the audit log has no entry of it: impatient callers would
 * push out all others.
 */
export function cancelLeft({ client, log }: Gateway, id: string): void {
  client.cancel(id, { timeoutMs: CANCEL_MS }).catch((error: unknown) => {
    log.warn({ job: id, err: messageOf(error) }, 'work that no one waits for could not be cancelled');
  });
}
