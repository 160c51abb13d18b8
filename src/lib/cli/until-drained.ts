import { onShutdown } from './signals.js';
import { drainingServer } from './views/serve-banner.js';

interface Drainable {
  /** Requests that are still open. */
  readonly underWay: number;
  /** A second call ends it immediately. */
  close(graceMs: number): Promise<void>;
}

/**
 * Waits for a signal and closes a server: the first signal lets open requests end, the second does not.
 * @returns whether all requests were answered
 */
export async function untilDrained(
  server: Drainable,
  graceMs: number,
  note: (line: string) => void,
): Promise<'drained' | 'left'> {
  let outcome: 'drained' | 'left' = 'drained';
  await new Promise<void>((resolve, reject) => {
    const close = () => void server.close(graceMs).then(resolve, reject);
    onShutdown({
      drain: () => {
        note(drainingServer(server.underWay, graceMs));
        close();
      },
      leave: () => {
        outcome = 'left';
        close();
      },
    });
  });
  return outcome;
}
