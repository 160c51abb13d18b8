import type { ModelSignature } from '../model/signature.js';
import type { WorkerRegistry } from '../queue/broker/consumer-port.js';
import { type DataLoss, lossFix, lossText } from '../queue/data-mark.js';
import type { Logger } from '../telemetry/logger.js';

/** How often published data is written again if it is missing, for whatever reason. */
const AGAIN_MS = 60_000;

interface PublicationParts {
  registry: Pick<WorkerRegistry, 'publishModel' | 'publishMissing' | 'watchData'>;
  log: Logger;
  /** Signatures of the models currently served. */
  signatures(): Iterable<ModelSignature>;
}

/**
 * A worker's data in Redis apart from its heartbeat: signatures of its models, names and settings of its
 * queues. It is maintained for as long as the worker lives: a Redis that lost its data gets it again, and the
 * loss is logged.
 */
export class Publication {
  private readonly lookAtData: () => Promise<void>;
  private writtenAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: PublicationParts) {
    this.lookAtData = parts.registry.watchData((loss) => this.lost(loss));
  }

  /** A model was loaded: from now on, this version's signature defines valid input. */
  async model(signature: ModelSignature): Promise<void> {
    await this.parts.registry.publishModel(signature);
  }

  /** With every heartbeat: checks whether the data still exists, and publishes what may be missing. */
  async keep(): Promise<void> {
    await this.lookAtData();
    if (performance.now() - this.writtenAt < AGAIN_MS) return;
    await this.parts.registry.publishMissing(this.parts.signatures());
    this.writtenAt = performance.now();
  }

  private lost(loss: DataLoss): void {
    this.writtenAt = Number.NEGATIVE_INFINITY;
    const { kind, queue } = loss;
    this.parts.log.error(
      { code: 'DATA_LOST', kind, queue, noticedAt: loss.noticedAt, hint: lossFix(loss) },
      lossText(loss),
    );
  }
}
