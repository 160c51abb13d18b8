import { InferError } from '../core/errors.js';

/** What each started worker is given, and the flag that sets it. */
const OWN: Readonly<Record<string, string>> = {
  '--name': '',
  '--record': '',
  '-Q': '--queues',
  '--queue': '--queues',
  '--queues': '--queues',
  '--gpu': '--gpu',
  '--redis': '--redis',
  '--prefix': '--prefix',
  '--json': '',
};

/** The same for an autoscaler: it chooses GPUs, waits for drains, and needs long-lived workers. */
export const AUTOSCALED: Readonly<Record<string, string>> = {
  '--gpu': '--gpus',
  '--share-gpu': '--workers-per-gpu',
  '--drain-timeout': '--drain-timeout',
  '--burst': '--min 0',
};

/**
 * Rejects flags of `infer worker` that would contradict those set by its starter: the last of two counts, and
 * a worker with another name, queue or Redis than in its pid file could not be managed.
 * @param more additional flags, each with what to use instead ('' for nothing).
 * @throws InferError WORKER_FLAG (exit 2).
 */
export function checkWorkerArgs(
  args: readonly string[],
  command: string,
  more: Readonly<Record<string, string>> = {},
): void {
  const own = { ...OWN, ...more };
  for (const arg of args) {
    // `-Qrealtime` and `--gpu=0` are one word each.
    const flag = arg.startsWith('--') ? (arg.split('=', 1)[0] as string) : arg.slice(0, 2);
    const instead = own[flag];
    if (instead === undefined) continue;
    throw new InferError('WORKER_FLAG', `${flag} cannot be given after --: ${command} sets it`, {
      hint:
        instead === ''
          ? `leave ${flag} out`
          : `say it before the --, or leave it out: ${command} ${instead}${instead.includes(' ') ? '' : ' …'}`,
    });
  }
}
