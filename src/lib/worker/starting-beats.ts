import type { WorkerRegistry } from '../queue/broker/consumer-port.js';

const BEAT_MS = 5000;

/**
 * Says that a worker starts, until it is ready or has failed to: submitters then know that its models are on
 * their way. Answers what ends that. A Redis that is away is said nothing, and not waited for.
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
