import type { WorkerRegistry } from '../queue/broker/consumer-port.js';

const BEAT_MS = 5000;

/**
 * Announces that a worker is starting, until it is ready or has failed: submitters then know that its models
 * are being loaded. Returns a function that ends the announcements. An unreachable Redis is skipped, not
 * waited for.
 */
export function sayStarting(
  registry: Pick<WorkerRegistry, 'announceStart' | 'endStart'>,
  worker: Parameters<WorkerRegistry['announceStart']>[0],
): () => Promise<void> {
  let said: Promise<unknown> = Promise.resolve();
  const say = (): void => {
    said = registry.announceStart(worker).catch(() => undefined);
  };
  say();
  const timer = setInterval(say, BEAT_MS);
  return async () => {
    clearInterval(timer);
    await said;
    await registry.endStart();
  };
}
