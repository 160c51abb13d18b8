import { hostname } from 'node:os';
import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { isAlive } from '../core/process-alive.js';
import { type GpuLease, leaseGpu } from '../queue/registry.js';
import type { RedisClient } from '../redis/types.js';

/**
 * The lease on this host's GPU for a worker; undefined without a GPU of its own.
 * @throws InferError GPU_IN_USE (69) naming the worker that has it.
 */
export async function takeLease(
  client: RedisClient,
  prefix: string,
  worker: { id: string; name: string; gpu: string | undefined; share: boolean },
): Promise<GpuLease | undefined> {
  const { gpu } = worker;
  if (gpu === undefined || worker.share) return undefined;
  const lease = { host: hostname(), gpu, worker: worker.name, id: worker.id, pid: process.pid };
  const holder = await leaseGpu(client, prefix, lease, isAlive);
  if (holder.id === lease.id) return lease;
  throw new InferError('GPU_IN_USE', `GPU ${gpu} of this host is in use by worker ${holder.worker}`, {
    hint: 'give this worker another --gpu, stop that one, or share it on purpose with --share-gpu',
    exitCode: ExitCode.Unavailable,
  });
}
