import { settledWithin, untilAborted } from '../core/bounded.js';
import type { Chunk } from '../input/chunk.js';
import { selectionOf } from '../model/selection.js';
import type { ModelSignature } from '../model/signature.js';
import type { Producer } from '../queue/broker/producer.js';
import type { JobSpec } from '../queue/types.js';
import type { RedisClient } from '../redis/types.js';
import { worded } from '../redis/worded.js';
import type { Answers } from './answers.js';
import { GroupWriter } from './group-writer.js';
import { refuseForeignChunks, refuseTaken } from './id-taken.js';
import type { JobLocations } from './job-locations.js';
import type { Call } from './limited.js';
import { nextId, specOf } from './spec.js';
import type { SubmitOptions, SubmittedGroup } from './types.js';

/** Longest wait at the end for groups that are being cancelled: each of their chunks takes a round trip. */
const ABANDON_MS = 10_000;

/** Dependencies for sending groups. */
interface GroupParts {
  redis: RedisClient;
  prefix: string;
  producer: Producer;
  locations: JobLocations;
  answers: Answers;
  /** Defaults for what a submit leaves out. */
  defaults(): Promise<Parameters<typeof specOf>[3]>;
}

/**
 * Submits groups. A group whose submit ends early, because of an error or its caller's limits, is abandoned:
 * the chunks sent are cancelled, and no writer keeps reporting that it is still being sent.
 */
export class GroupSender {
  private readonly leaving = new Set<Promise<unknown>>();

  constructor(private readonly parts: GroupParts) {}

  /** A writer for the caller; if it opens too late, it is abandoned. */
  async open(signature: ModelSignature, options: SubmitOptions, call: Call): Promise<GroupWriter> {
    const writer = await this.opened(signature, options, call);
    if (call.signal.aborted) {
      await this.abandon(writer);
      call.signal.throwIfAborted();
    }
    return writer;
  }

  async send(
    chunks: AsyncIterable<Chunk>,
    signature: ModelSignature,
    options: SubmitOptions,
    call: Call,
  ): Promise<SubmittedGroup> {
    const writer = await this.open(signature, options, call);
    if (writer.isDuplicate) return this.duplicate(options.id ?? '');
    try {
      call.waitsForRows(true);
      for await (const chunk of untilAborted(chunks, call.signal)) {
        call.waitsForRows(false);
        await this.guard(writer.write(chunk));
        call.waitsForRows(true);
      }
      call.waitsForRows(false);
      return await this.guard(writer.close());
    } catch (error) {
      await this.abandon(writer);
      throw error;
    }
  }

  /** A group that was submitted before, in the form its submit returned. */
  async duplicate(id: string): Promise<SubmittedGroup> {
    const { queue, priority, model, rows, jobs } = await this.parts.answers.group(id);
    return { group: id, queue, priority, model, rows, jobs, duplicate: true };
  }

  /** Waits for groups that are being abandoned; `silent`: Redis does not answer, so do not wait. */
  async settled(silent: boolean): Promise<void> {
    if (!silent && this.leaving.size > 0) await settledWithin(ABANDON_MS, Promise.all(this.leaving));
  }

  private async opened(signature: ModelSignature, options: SubmitOptions, call: Call): Promise<GroupWriter> {
    const { redis, prefix, producer, locations } = this.parts;
    const id = options.id ?? nextId('g');
    const queue = options.queue ?? 'batch';
    const defaults = await this.guard(this.parts.defaults());
    const asked = selectionOf(options, signature);
    const template: JobSpec = specOf(0, signature, { ...options, id, queue }, defaults);
    const { owner, digest } = template;
    const wanted = { queue, kind: 'group', owner, digest } as const;
    if (options.id !== undefined) await this.guard(refuseTaken(redis, prefix, id, wanted));
    call.sends(id);
    locations.set(id, template.queue, 'group');
    // No one can have given an id of ours to anything else.
    const check = (chunks: readonly JobSpec[]) => refuseForeignChunks(redis, prefix, template, chunks);
    const opening = GroupWriter.open(producer, template, {
      asked,
      check: options.id === undefined ? undefined : check,
    });
    try {
      const [writer] = await this.guard(Promise.all([opening, producer.registerQueue(template.queue)]));
      return writer;
    } catch (error) {
      // If only the second failed, there is a group without a sender.
      void opening.then((writer) => this.abandon(writer)).catch(() => undefined);
      throw error;
    }
  }

  /** Errors here are less telling than what ended the submit. */
  private abandon(writer: GroupWriter): Promise<void> {
    if (writer.isDuplicate) return Promise.resolve();
    const left = writer
      .abandon()
      .then(() => undefined)
      .catch(() => undefined)
      .finally(() => this.leaving.delete(left));
    this.leaving.add(left);
    return left;
  }

  private guard<T>(work: Promise<T>): Promise<T> {
    return worded(this.parts.redis, work);
  }
}
