import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { chunkId, printable } from '../core/job.js';
import type { Chunk } from '../input/chunk-builder.js';
import { encodeEnvelope } from '../model/envelope.js';
import type { JobSpec, NewJob } from '../queue/broker.js';
import type { Producer } from '../queue/producer.js';
import type { SubmittedGroup } from './types.js';

/** Chunk jobs added in one round trip, and round trips under way: enough to hide the network, little to hold. */
const CHUNKS_PER_ADD = 16;
const ADDS_UNDER_WAY = 4;

/** Writes a bulk submission chunk by chunk; memory holds a few dozen chunks whatever the total. */
export class GroupWriter {
  private index = 0;
  private rows = 0;
  private pending: NewJob[] = [];
  private readonly underWay = new Set<Promise<void>>();
  private failure: unknown;

  private constructor(
    private readonly producer: Producer,
    /** Every chunk's spec but for its id, rows and place; its id is the group's. */
    private readonly template: JobSpec,
    /** The group is there and complete: there is nothing to write. */
    readonly isDuplicate: boolean,
    /** Some chunks may be there already, from a submitter that died. */
    private readonly resumes: boolean,
  ) {}

  /**
   * @throws InferError ID_TAKEN (2) when a group of this id was taken back: its chunks cannot run again;
   * or was begun by a version of infer that cuts rows into other chunks.
   */
  static async open(producer: Producer, template: JobSpec): Promise<GroupWriter> {
    const found = await producer.openGroup(template);
    if (found === 'abandoned') {
      throw new InferError(
        'ID_TAKEN',
        `${printable(template.id)} was taken back before all its rows were sent`,
        {
          hint: 'send the rows under another --id',
          exitCode: ExitCode.Usage,
        },
      );
    }
    if (found === 'other') {
      throw new InferError('ID_TAKEN', `${printable(template.id)} was begun by another version of infer`, {
        hint: `cancel it (infer cancel ${printable(template.id)}), and send the rows under another --id`,
        exitCode: ExitCode.Usage,
      });
    }
    return new GroupWriter(producer, template, found === 'closed', found === 'open');
  }

  get rowsWritten(): number {
    return this.rows;
  }

  /** Queues a chunk; waits when enough is under way. */
  async write(payload: Chunk): Promise<void> {
    const { id } = this.template;
    const { index } = this;
    this.pending.push({
      spec: {
        ...this.template,
        id: chunkId(id, index),
        rows: payload.rows,
        group: { id, index, ...(payload.place ?? { firstRow: this.rows }) },
      },
      input: encodeEnvelope(payload),
    });
    this.index += 1;
    this.rows += payload.rows;
    if (this.pending.length >= CHUNKS_PER_ADD) await this.flush();
  }

  /** Everything is written; the group is final. */
  async close(): Promise<SubmittedGroup> {
    await this.flush();
    await Promise.all(this.underWay);
    this.throwFailure();
    const { id, queue, model, priority } = this.template;
    await this.producer.closeGroup(queue, id, this.rows, this.index);
    return { group: id, queue, priority, model, rows: this.rows, jobs: this.index };
  }

  /**
   * Gives up: chunks that have not ended are cancelled. If none has run, the group is forgotten, and
   * may be sent again under its id; else it ends with what has run.
   */
  async abandon(): Promise<void> {
    this.pending = [];
    await Promise.allSettled(this.underWay);
    const { id, queue } = this.template;
    let queued = 0;
    for (let index = 0; index < this.index; index++) {
      if ((await this.producer.cancel(queue, chunkId(id, index))) !== undefined) queued += 1;
    }
    if (await this.producer.forgetGroup(queue, id, this.index)) return;
    // Only chunks that are there can end, and a group waits for all it counts.
    await this.producer.closeGroup(queue, id, this.rows, queued, true);
  }

  private async flush(): Promise<void> {
    const jobs = this.pending;
    this.pending = [];
    if (jobs.length > 0) {
      const { queue, id } = this.template;
      const add = Promise.all([
        this.producer.submit(queue, jobs, this.resumes),
        this.producer.noteChunks(queue, id, this.index),
      ])
        .then(([, cancelled]) => {
          if (cancelled) throw new InferError('CANCELLED', `group ${printable(id)} was cancelled`);
        })
        .catch((error: unknown) => {
          this.failure ??= error;
        })
        .finally(() => this.underWay.delete(add));
      this.underWay.add(add);
    }
    while (this.underWay.size >= ADDS_UNDER_WAY) await Promise.race(this.underWay);
    this.throwFailure();
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}
