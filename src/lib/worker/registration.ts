import type { WorkerRegistry } from '../queue/broker/consumer-port.js';
import type { WorkerRecord } from '../queue/types.js';
import type { LoopLag } from '../telemetry/loop-lag.js';
import type { GpuHold } from './gpu-hold.js';
import type { Publication } from './publication.js';
import type { RunnerPool } from './runner-pool.js';
import type { Worker } from './worker.js';

interface RegistrationParts {
  registry: Pick<WorkerRegistry, 'beat' | 'writeWork' | 'remove'>;
  worker: Worker;
  pool: RunnerPool;
  publication: Publication;
  lag: LoopLag;
  gpu: GpuHold | undefined;
  /** Facts that only its process knows. */
  facts(): Pick<WorkerRecord, 'threads' | 'modelsDir' | 'autoscale' | 'modelProblems' | 'clockAheadMs'>;
}

/** A worker's entry in the register, from its first heartbeat to its clean shutdown. */
export class Registration {
  /** The one beat not sent by a timer; a late one must not register a worker again after it has left. */
  private lastBeat: Promise<void> = Promise.resolve();

  /** As last written. */
  lastRecord: WorkerRecord | undefined;

  constructor(private readonly parts: RegistrationParts) {}

  /** Writes the heartbeat, with the work done since the last one and any missing published data. */
  async beat(): Promise<void> {
    const { registry, worker, pool, publication, lag, gpu, facts } = this.parts;
    const published = publication.keep();
    published.catch(() => undefined);
    const rssBytes = process.memoryUsage.rss() + (await pool.memory());
    const figures = { rssBytes, loopLagMs: lag.takeMax(), gpuMemory: gpu?.memory() };
    const record = { ...worker.heartbeat(), ...facts(), ...figures };
    await registry.beat(record);
    this.lastRecord = record;
    await this.sendWork();
    await published;
  }

  /** The same in the background, ignoring failures. */
  beatSoon(): void {
    this.lastBeat = this.beat().catch(() => undefined);
  }

  /** Runs after the timer's last beat. */
  async remove(): Promise<void> {
    await this.lastBeat;
    await this.sendWork().catch(() => undefined);
    await this.parts.registry.remove();
  }

  private sendWork(): Promise<void> {
    const { registry, worker } = this.parts;
    return worker.endings.work.send((report) => registry.writeWork(report));
  }
}
