import type { Clock } from '../../core/clock.js';
import type { ProcessMark } from '../../core/process-alive.js';
import type { ModelSignature } from '../../model/signature.js';
import type { RedisClient } from '../../redis/types.js';
import { type DataLoss, DataMark, markedQueues } from '../data-mark.js';
import {
  beat,
  forgetDeadWorkers,
  publishModel,
  publishModelIfAbsent,
  registerQueues,
  removeWorker,
} from '../registry.js';
import { announceStart, endStart, forgetDeadStarts, type StartingWorker } from '../starting.js';
import type { WorkerRecord } from '../types.js';
import { type WorkReport, writeWorkStats } from '../work-stats.js';
import type { WorkerRegistry } from './consumer-port.js';
import { type GpuLease, leaseGpu, releaseGpu } from './gpu-lease.js';
import { settleQueues } from './open-queue.js';

export interface RegistryOptions {
  client: RedisClient;
  prefix: string;
  /** The worker's id. */
  id: string;
  queues: readonly string[];
  /** Redis's clock. */
  clock: Clock;
}

/** Registers a worker in a deployment on Redis. */
export class RedisWorkerRegistry implements WorkerRegistry {
  constructor(private readonly options: RegistryOptions) {}

  announceStart(worker: Omit<StartingWorker, 'id' | 'beatAt'>): Promise<void> {
    const { client, prefix, id, clock } = this.options;
    return announceStart(client, prefix, { id, ...worker, beatAt: clock.now() });
  }

  endStart(): Promise<void> {
    const { client, prefix, id } = this.options;
    return endStart(client, prefix, id);
  }

  beat(record: WorkerRecord): Promise<void> {
    return beat(this.options.client, this.options.prefix, record);
  }

  writeWork(report: WorkReport): Promise<void> {
    const { client, prefix, id } = this.options;
    return writeWorkStats(client, prefix, id, report);
  }

  remove(): Promise<void> {
    const { client, prefix, id } = this.options;
    return removeWorker(client, prefix, id);
  }

  publishModel(signature: ModelSignature): Promise<void> {
    return publishModel(this.options.client, this.options.prefix, signature);
  }

  /** If workers load two versions of a model, the last one loaded defines its signature. */
  async publishMissing(signatures: Iterable<ModelSignature>): Promise<void> {
    const { client, prefix, queues } = this.options;
    await Promise.all([
      settleQueues(client, prefix, queues),
      registerQueues(client, prefix, queues),
      ...[...signatures].map((signature) => publishModelIfAbsent(client, prefix, signature)),
    ]);
  }

  watchData(onLoss: (loss: DataLoss) => void): () => Promise<void> {
    const { client, prefix, queues } = this.options;
    const marks = markedQueues(client, queues).map((queue) => new DataMark(client, prefix, queue, onLoss));
    return async () => {
      await Promise.all(marks.map((mark) => mark.look()));
    };
  }

  async forgetDead(): Promise<void> {
    const { client, prefix, clock } = this.options;
    await forgetDeadWorkers(client, prefix, clock.now());
    await forgetDeadStarts(client, prefix, clock.now());
  }

  leaseGpu(lease: GpuLease, runs: (process: ProcessMark) => boolean): Promise<GpuLease> {
    return leaseGpu(this.options.client, this.options.prefix, lease, runs);
  }

  releaseGpu(lease: GpuLease): Promise<void> {
    return releaseGpu(this.options.client, this.options.prefix, lease);
  }
}
