import { hostname } from 'node:os';
import { InferError } from '../core/errors.js';
import { markOf, processPlace, stillRuns } from '../core/process-alive.js';
import { findDevice } from '../model/gpu-parse.js';
import { discoverGpus } from '../model/gpus.js';
import type { WorkerRegistry } from '../queue/broker/consumer-port.js';
import type { GpuLease } from '../queue/broker/gpu-lease.js';
import type { WorkerRecord } from '../queue/types.js';
import type { Logger } from '../telemetry/logger.js';

const RENEW_MS = 1000;

type Leases = Pick<WorkerRegistry, 'leaseGpu' | 'releaseGpu'>;
const SAMPLE_MS = 5000;

export interface GpuClaim {
  /** As given by the user: index or UUID. */
  gpu: string;
  worker: string;
  id: string;
  /** Several workers may use it: no lease is taken. */
  shared: boolean;
}

/**
 * A worker's claim on its GPU: the lease, renewed from the start, and a sample of its memory. A worker whose
 * lease was taken over must stop using the GPU: `lost` then resolves.
 */
export class GpuHold {
  /** Resolves with the reason when another worker took over the lease; never otherwise. */
  readonly lost: Promise<InferError>;
  private tellLost!: (error: InferError) => void;
  private loss: InferError | undefined;
  private timer: NodeJS.Timeout | undefined;
  private renewing: Promise<void> | undefined;
  private sampledAt = 0;
  private sampling = false;
  private sample: WorkerRecord['gpuMemory'];

  private constructor(
    private readonly leases: Leases,
    private readonly claim: GpuClaim,
    private readonly lease: GpuLease,
    private readonly log: Logger,
    /** UUID of the whole GPU; undefined for a MIG instance, whose memory nvidia-smi does not list, or without nvidia-smi. */
    private readonly sampled: string | undefined,
  ) {
    this.lost = new Promise((resolve) => {
      this.tellLost = resolve;
    });
  }

  /**
   * Takes the GPU for a worker. Index and UUID of the same device share one lease.
   * @throws InferError GPU_IN_USE, GPU_UNKNOWN (exit 69).
   */
  static async take(leases: Leases, claim: GpuClaim, log: Logger): Promise<GpuHold> {
    const report = await discoverGpus();
    const device = findDevice(report.gpus, claim.gpu);
    if (report.state === 'hung' || report.state === 'failed') {
      log.warn({ gpu: claim.gpu, reason: report.reason }, 'the GPU is leased under the name given');
    } else if (report.gpus.length > 0 && device === undefined) {
      throw new InferError(
        'GPU_UNKNOWN',
        `this host has no GPU ${claim.gpu}, or several whose names begin with that`,
        {
          hint: `use one of ${report.gpus.map((gpu) => gpu.index).join(', ')}; \`nvidia-smi -L\` lists them`,
        },
      );
    }
    const host = hostname();
    const lease: GpuLease = {
      device: device?.uuid ?? namedDevice(claim.gpu, host),
      host,
      place: processPlace(),
      worker: claim.worker,
      id: claim.id,
      ...markOf(process.pid),
    };
    const whole = device !== undefined && device.uuid === device.gpu.uuid;
    const hold = new GpuHold(leases, claim, lease, log, whole ? device.uuid : undefined);
    if (!claim.shared) await hold.#acquire();
    return hold;
  }

  /** Memory and use of the GPU as last seen; refreshed in the background when 5 s old. */
  memory(): WorkerRecord['gpuMemory'] {
    if (this.sampled !== undefined && !this.sampling && Date.now() - this.sampledAt >= SAMPLE_MS) {
      this.sampling = true;
      void this.#look(this.sampled).finally(() => {
        this.sampling = false;
        this.sampledAt = Date.now();
      });
    }
    return this.sample;
  }

  /** @throws InferError GPU_LOST (exit 69) when another worker has taken over the lease. */
  assertHeld(): void {
    if (this.loss !== undefined) throw this.loss;
  }

  /** Stops renewing and releases the lease, if it is still ours. */
  async release(): Promise<void> {
    if (this.timer === undefined) return;
    clearInterval(this.timer);
    await this.renewing;
    await this.leases.releaseGpu(this.lease);
  }

  async #acquire(): Promise<void> {
    const holder = await this.leases.leaseGpu(this.lease, stillRuns);
    if (holder.id !== this.lease.id) {
      const there = holder.host === this.lease.host ? `pid ${holder.pid}` : `on ${holder.host}`;
      throw new InferError(
        'GPU_IN_USE',
        `GPU ${this.claim.gpu} is in use by worker ${holder.worker} (${there})`,
        {
          hint: 'give this worker another --gpu, stop that one, or share it on purpose with --share-gpu',
        },
      );
    }
    // Loading a model can take longer than the lease lasts.
    this.timer = setInterval(() => {
      this.renewing ??= this.#renew().finally(() => {
        this.renewing = undefined;
      });
    }, RENEW_MS);
  }

  async #renew(): Promise<void> {
    if (this.loss !== undefined) return;
    // While Redis is unreachable, no other worker can take the GPU either; the first renewal afterwards
    // tells.
    const holder = await this.leases.leaseGpu(this.lease, stillRuns).catch(() => undefined);
    if (holder === undefined || holder.id === this.lease.id) return;
    this.loss = new InferError(
      'GPU_LOST',
      `GPU ${this.claim.gpu} went to worker ${holder.worker}: this worker was silent for too long`,
      {
        hint: 'see in the log what kept it: a Redis that lost its data, or a host that was frozen',
      },
    );
    this.log.error(
      { gpu: this.claim.gpu, holder: holder.worker },
      'the GPU is another worker’s now: leaving it',
    );
    this.tellLost(this.loss);
  }

  async #look(uuid: string): Promise<void> {
    const { gpus } = await discoverGpus({ only: uuid });
    const gpu = gpus.find((one) => one.uuid === uuid);
    this.sample =
      gpu?.usedBytes === undefined || gpu.totalBytes === undefined
        ? undefined
        : { usedBytes: gpu.usedBytes, totalBytes: gpu.totalBytes, utilisation: gpu.utilisation ?? null };
  }
}

/** Without nvidia-smi, an index means a GPU of this host, and a UUID stays as it is. */
function namedDevice(gpu: string, host: string): string {
  return /^\d+$/.test(gpu) ? `${host}:${Number(gpu)}` : gpu;
}
