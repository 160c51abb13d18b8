import type { ModelSignature } from '../model/signature.js';
import { settleQueues } from '../queue/broker/open-queue.js';
import { type DataLoss, DataMark, lossFix, lossText, markedQueues } from '../queue/data-mark.js';
import { publishModel, publishModelIfAbsent, registerQueues } from '../queue/registry.js';
import type { RedisClient } from '../redis/types.js';
import type { Logger } from '../telemetry/logger.js';

/** What was published is written again this often where it is missing, whatever became of it. */
const AGAIN_MS = 60_000;

interface PublicationParts {
  client: RedisClient;
  prefix: string;
  queues: readonly string[];
  log: Logger;
  /** Of the models that the worker serves now. */
  signatures(): Iterable<ModelSignature>;
}

/**
 * What a worker has in Redis beside its heartbeat: signatures of its models, names and settings of its queues. It is
 * there for as long as the worker: a Redis that lost its data gets it again, and the loss is logged.
 */
export class Publication {
  private readonly marks: DataMark[];
  private writtenAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: PublicationParts) {
    const { client, prefix, queues } = parts;
    const onLoss = (loss: DataLoss): void => this.lost(loss);
    this.marks = markedQueues(client, queues).map((queue) => new DataMark(client, prefix, queue, onLoss));
  }

  /** A model was loaded: what it takes is from now on what this version takes. */
  async model(signature: ModelSignature): Promise<void> {
    await publishModel(this.parts.client, this.parts.prefix, signature);
  }

  /** With every heartbeat: looks whether the data is still there, and publishes what may be missing. */
  async keep(): Promise<void> {
    await Promise.all(this.marks.map((mark) => mark.look()));
    if (performance.now() - this.writtenAt < AGAIN_MS) return;
    const { client, prefix, queues, signatures } = this.parts;
    // What is there stays: of workers with two versions of a model, the one that loaded it last has said what it takes.
    await Promise.all([
      settleQueues(client, prefix, queues),
      registerQueues(client, prefix, queues),
      ...[...signatures()].map((signature) => publishModelIfAbsent(client, prefix, signature)),
    ]);
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
