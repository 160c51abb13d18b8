import { createHash } from 'node:crypto';
import { InferError } from '../core/errors.js';
import { chunkId, newId, printable } from '../core/job.js';
import type { Chunk } from '../input/chunk.js';
import { encodeEnvelope } from '../model/envelope.js';
import type { Selection } from '../model/selection.js';
import { type GroupOpening, SENDER_LEASE_MS } from '../queue/broker/group-life.js';
import type { Producer } from '../queue/broker/producer.js';
import type { JobSpec, NewJob } from '../queue/types.js';
import { takenByAnother, takenByOther } from './id-taken.js';
import type { SubmittedGroup } from './types.js';

/**
 * Chunk jobs added per round trip, and round trips in progress: enough to hide the network, with little
 * memory.
 */
const CHUNKS_PER_ADD = 16;
const ADDS_UNDER_WAY = 4;

/** @throws InferError ID_TAKEN (2) when the id of a chunk names something else. */
type ChunkCheck = (chunks: readonly JobSpec[]) => Promise<void>;

/** Why an existing group cannot be continued. */
const REFUSALS: Partial<Record<GroupOpening, string>> = {
  abandoned: 'was abandoned before all its rows were sent',
  cancelled: 'was cancelled',
  other: 'was begun by another version of infer',
};

/** Writes a bulk submission chunk by chunk; memory holds a few dozen chunks whatever the total. */
export class GroupWriter {
  private index = 0;
  private rows = 0;
  private pending: NewJob[] = [];
  private readonly underWay = new Set<Promise<void>>();
  private failure: unknown;
  private saying: NodeJS.Timeout | undefined;

  private constructor(
    private readonly producer: Producer,
    /** Every chunk's spec without its id, rows and place; its id is the group's. */
    private readonly template: JobSpec,
    private readonly sender: string,
    /** The group exists and is complete: there is nothing to write. */
    readonly isDuplicate: boolean,
    /** Some chunks may exist already, from another sender that is active or died. */
    private readonly resumes: boolean,
    private readonly check: ChunkCheck | undefined,
    /** What every row asks of the model's outputs. */
    private readonly asked: Selection | undefined,
  ) {
    if (!isDuplicate) this.sayOften();
  }

  /**
   * @throws InferError ID_TAKEN (2) when a group of this id was cancelled or undone, so that its chunks
   *   cannot run again; or was begun by a version of infer that cuts rows into different chunks, by someone else, or by another request.
   * @param how `check` of chunks that were queued, for a group whose id a caller chose; `asked` of the
   *   model's outputs by every row
   */
  static async open(
    producer: Producer,
    template: JobSpec,
    how: { check?: ChunkCheck | undefined; asked?: Selection | undefined } = {},
  ): Promise<GroupWriter> {
    const sender = newId('j');
    const found = await producer.groups.open(template, sender);
    if (found === 'theirs') throw takenByOther(template.id);
    if (found === 'differs') throw takenByAnother(template.id);
    const why = REFUSALS[found];
    if (why !== undefined) {
      const id = printable(template.id);
      throw new InferError('ID_TAKEN', `${id} ${why}`, {
        hint:
          found === 'other'
            ? `cancel it (infer cancel ${id}), and send the rows under another --id`
            : 'send the rows under another --id',
      });
    }
    return new GroupWriter(
      producer,
      template,
      sender,
      found === 'closed',
      found === 'open',
      how.check,
      how.asked,
    );
  }

  /** The id of the group. */
  get group(): string {
    return this.template.id;
  }

  get rowsWritten(): number {
    return this.rows;
  }

  /** Queues a chunk; waits when enough are in progress. */
  async write(payload: Chunk): Promise<void> {
    const { id, digest } = this.template;
    const { index } = this;
    const input = encodeEnvelope({ ...payload, ...this.asked });
    this.pending.push({
      spec: {
        ...this.template,
        id: chunkId(id, index),
        rows: payload.rows,
        group: { id, index, ...(payload.place ?? { firstRow: this.rows }) },
        // Tells it from the chunk of another request that is sent under this id at the same time.
        ...(digest === undefined ? {} : { digest: digestOf(digest, input) }),
      },
      input,
    });
    this.index += 1;
    this.rows += payload.rows;
    if (this.pending.length >= CHUNKS_PER_ADD) await this.flush();
  }

  /** Everything has been written: makes the group final. @param content digest of the rows as they came */
  async close(content?: string): Promise<SubmittedGroup> {
    await this.flush();
    await Promise.all(this.underWay);
    this.throwFailure();
    const { id, queue, model, priority } = this.template;
    await this.producer.groups.close(queue, id, this.sender, this.sent, content);
    clearInterval(this.saying);
    return { group: id, queue, priority, model, rows: this.rows, jobs: this.index };
  }

  /** Stops. What was sent stays queued, and another sender of the same rows completes the group. */
  async stop(): Promise<void> {
    this.pending = [];
    clearInterval(this.saying);
    await Promise.allSettled(this.underWay);
  }

  /**
   * Stops. If another sender continues the group or has completed it, the group is left unchanged. Otherwise
   * it is undone: chunks that have not ended are cancelled. If none has run, the group is deleted and may be
   * sent again under its id; otherwise it ends with the chunks that ran. Returns true when it was undone.
   */
  async abandon(): Promise<boolean> {
    this.pending = [];
    clearInterval(this.saying);
    await Promise.allSettled(this.underWay);
    const { id, queue } = this.template;
    const { groups } = this.producer;
    const { what, added } = await groups.leave(queue, id, this.sender);
    if (what !== 'ours') return false;
    const jobs = Math.max(this.index, added);
    let missing = 0;
    for (let index = 0; index < jobs; index++) {
      const state = await this.producer.cancel(queue, chunkId(id, index), this.template);
      if (state === undefined) missing += 1;
    }
    if (await groups.forget(queue, id, this.sender, jobs)) return true;
    await groups.end(queue, id, this.sender, { rows: this.rows, jobs, missing });
    return true;
  }

  private get sent(): { rows: number; jobs: number } {
    return { rows: this.rows, jobs: this.index };
  }

  /** While waiting for rows it reports that it is active: a group without active senders may be ended. */
  private sayOften(): void {
    const { id, queue } = this.template;
    this.saying = setInterval(() => {
      // A problem with the group will surface with the next chunk.
      this.producer.groups.note(queue, id, this.sender, this.sent).catch(() => undefined);
    }, SENDER_LEASE_MS / 3);
    this.saying.unref();
  }

  private async flush(): Promise<void> {
    const jobs = this.pending;
    this.pending = [];
    if (jobs.length > 0) {
      const { queue, id } = this.template;
      const add = Promise.all([
        this.producer.submit(queue, jobs, this.resumes),
        this.producer.groups.note(queue, id, this.sender, this.sent),
      ])
        .then(() => this.check?.(jobs.map(({ spec }) => spec)))
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

/** 128 bits. */
function digestOf(request: string, input: Uint8Array): string {
  return createHash('sha256').update(request).update(input).digest('base64url').slice(0, 22);
}
