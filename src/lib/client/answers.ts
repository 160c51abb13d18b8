import type { InferError } from '../core/errors.js';
import { printable } from '../core/printable.js';
import type { ValueForm } from '../model/rows.js';
import { noteUse } from '../queue/broker/data-watch.js';
import type { Producer } from '../queue/broker/producer.js';
import type { ResultSource } from '../queue/broker/result-store.js';
import { missingId, unknownId } from '../queue/broker/unknown-id.js';
import type { Heard, Waiter } from '../queue/broker/waiter.js';
import { watchEnd } from '../queue/broker/watch.js';
import { layoutNewer } from '../queue/layout.js';
import { readGroup, readJob } from '../queue/read/reader.js';
import type { GroupRecord, JobRecord } from '../queue/types.js';
import type { RedisClient } from '../redis/types.js';
import { worded } from '../redis/worded.js';
import type { JobLocations } from './job-locations.js';
import type { Call } from './limited.js';
import { toJobResult } from './render.js';
import type { Signatures } from './signatures.js';
import type { JobResult } from './types.js';
import { type GroupProgress, PROGRESS_MS, waitFor } from './waiting.js';

const ENDED = new Set(['completed', 'failed', 'expired', 'cancelled']);

/** Dependencies for reading answers. */
export interface AnswerParts {
  redis: RedisClient;
  prefix: string;
  producer: Producer;
  waiter: Waiter;
  locations: JobLocations;
  signatures: Signatures;
  results: ResultSource;
  form: ValueForm;
}

/**
 * Reads the state and the end of jobs and groups: one look, or a wait. Time limits are enforced by the caller
 * (`limited`).
 */
export class Answers {
  constructor(private readonly parts: AnswerParts) {}

  /**
   * The current state of a job, with its result if it has one. @throws InferError JOB_UNKNOWN, JOB_LOST (66).
   */
  async read(id: string): Promise<JobResult> {
    const record = this.parts.signatures.heed(await this.record(id));
    const stored = ENDED.has(record.state)
      ? await this.guard(this.parts.results.read(record.queue, id, record.endedBy ?? ''))
      : undefined;
    // The record outlives a short-lived result: without it there is nothing to return.
    if (record.state === 'completed' && stored === undefined && record.resultTtl !== 0) throw unknownId(id);
    return toJobResult(record, stored, this.parts.form);
  }

  /** Waits until a job ends; `deadline` is in ms since the epoch. @throws InferError WAIT_TIMEOUT, JOB_UNKNOWN, JOB_LOST. */
  async wait(id: string, call: Call, deadline: number | undefined): Promise<JobResult> {
    call.waitsFor(id);
    const { signal } = call;
    for (;;) {
      const { queue } = await this.parts.locations.of(id, 'job');
      const heard = this.parts.waiter.next(queue, id);
      await this.guard(this.parts.producer.expireDue(queue, id));
      const standing = await this.watch(queue, id, 'job');
      if (standing !== 'pending') this.parts.waiter.forget(id);
      if (standing === 'unknown' && (await this.parts.locations.moved(id, queue))) continue;
      if (standing === 'unknown') throw await this.missing(id, queue, call);
      if (standing !== 'pending') return this.read(id);
      noteUse(this.parts.redis, queue);
      call.isThere(id);
      const told = await waitFor(heard, { id, deadline, signal });
      if (told !== undefined) return this.fromNotice(queue, told);
    }
  }

  /** Waits until a whole group has ended. */
  async waitGroup(
    id: string,
    call: Call,
    deadline: number | undefined,
    onProgress: GroupProgress['onProgress'],
  ): Promise<GroupRecord> {
    call.waitsFor(id);
    const tickMs = onProgress === undefined ? undefined : PROGRESS_MS;
    for (;;) {
      const { queue } = await this.parts.locations.of(id, 'group');
      const heard = this.parts.waiter.next(queue, id);
      await this.watch(queue, id, 'group');
      const group = await this.readGroup(queue, id);
      if (group === undefined) throw await this.missing(id, queue, call);
      noteUse(this.parts.redis, queue);
      call.isThere(id);
      onProgress?.(group);
      if (ENDED.has(group.state)) {
        this.parts.waiter.forget(id);
        return group;
      }
      await waitFor(heard, { id, deadline, signal: call.signal, tickMs });
    }
  }

  /** The current state of a group. @throws InferError JOB_UNKNOWN, JOB_LOST (66). */
  async group(id: string): Promise<GroupRecord> {
    const { queue } = await this.parts.locations.of(id, 'group');
    const group = await this.readGroup(queue, id);
    if (group === undefined) throw await this.missing(id, queue);
    return group;
  }

  private async readGroup(queue: string, id: string): Promise<GroupRecord | undefined> {
    await this.guard(this.parts.producer.expireDue(queue));
    return this.guard(readGroup(this.parts.redis, this.parts.prefix, queue, id));
  }

  /** The result that a notice contains or refers to. */
  async fromNotice(queue: string, heard: Heard): Promise<JobResult> {
    const { notice, result } = heard;
    // Too large to be included, or none: read the record and the stored result.
    if (notice.meta === undefined || (notice.size ?? 0) !== (result?.length ?? 0))
      return this.read(notice.id);
    this.parts.signatures.heed(notice);
    const ending = { ...notice, queue, state: notice.state ?? 'completed', attempts: notice.meta.attempts };
    return toJobResult({ ...ending, model: notice.model, rows: notice.rows ?? 1 }, result, this.parts.form);
  }

  private watch(queue: string, id: string, kind: 'job' | 'group') {
    const list = this.parts.waiter.listFor(queue);
    return this.guard(watchEnd(this.parts.redis, this.parts.prefix, queue, id, list, kind));
  }

  private async record(id: string): Promise<JobRecord> {
    const { queue } = await this.parts.locations.of(id, 'job');
    // Without a live worker, no one else ends it at its deadline.
    await this.guard(this.parts.producer.expireDue(queue, id));
    const record = await this.guard(readJob(this.parts.redis, this.parts.prefix, queue, id));
    if (record?.newer !== undefined) throw layoutNewer(`job ${printable(id)}`, record.newer);
    if (record !== undefined) return record;
    if (await this.parts.locations.moved(id, queue)) return this.record(id);
    throw await this.missing(id, queue);
  }

  /** Why a job or group is not in its queue. */
  missing(id: string, queue: string, call?: Call): Promise<InferError> {
    const { redis, prefix } = this.parts;
    return this.guard(missingId(redis, prefix, id, 'either', { queue, seenAt: call?.thereAt(id) }));
  }

  private guard<T>(work: Promise<T>): Promise<T> {
    return worded(this.parts.redis, work);
  }
}
