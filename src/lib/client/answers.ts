import { InferError } from '../core/errors.js';
import { printable } from '../core/printable.js';
import { EtaErrors } from '../deployment/place/eta-errors.js';
import type { JobPlace } from '../deployment/place/job-place.js';
import { PlaceReader } from '../deployment/place/place-reader.js';
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
import { isEnded } from './ended.js';
import type { JobLocations } from './job-locations.js';
import type { Call } from './limited.js';
import type { Reading } from './render.js';
import type { Signatures } from './signatures.js';
import type { Found, LookLimits } from './types.js';
import { type GroupProgress, PROGRESS_MS, waitFor } from './waiting.js';

/** Dependencies for reading answers. */
export interface AnswerParts {
  redis: RedisClient;
  prefix: string;
  producer: Producer;
  waiter: Waiter;
  locations: JobLocations;
  signatures: Signatures;
  results: ResultSource;
}

/**
 * Reads the state and the end of jobs and groups: one look, or a wait. Time limits are enforced by the caller
 * (`limited`).
 */
export class Answers {
  readonly etaErrors = new EtaErrors();
  private readonly standings: PlaceReader;

  constructor(private readonly parts: AnswerParts) {
    this.standings = new PlaceReader(parts.redis, parts.prefix);
  }

  /**
   * The current state of a job, with its result if it has one. @throws InferError JOB_UNKNOWN, JOB_LOST (66).
   */
  async read<T>(id: string, { render, hold }: Reading<T>): Promise<T> {
    const { record, stored } = await this.job(id, { hold });
    // The record outlives a short-lived result: without it there is nothing to answer with.
    if (record.state === 'completed' && stored === undefined && record.resultTtl !== 0) throw unknownId(id);
    return render(record, stored);
  }

  /**
   * Position, ETA and reason of a job that has not started; undefined when it has.
   * @throws InferError JOB_UNKNOWN, JOB_LOST (66).
   */
  async place(id: string, call: Call): Promise<JobPlace | undefined> {
    for (;;) {
      const { queue } = await this.parts.locations.of(id, 'job');
      const read = await this.guard(this.standings.read(queue, id));
      if (read === null) return undefined;
      if (read !== undefined) {
        const { place, at, submittedAt } = read;
        if (place.eta !== null) this.etaErrors.told(id, { queue, eta: place.eta, at, submittedAt });
        return place;
      }
      if (!(await this.parts.locations.moved(id, queue))) throw await this.missing(id, queue, call);
    }
  }

  /**
   * What an id names, as it stands.
   * @throws InferError JOB_UNKNOWN, JOB_LOST (66); what `limits` throws.
   */
  async look(id: string, limits: LookLimits = {}): Promise<Found> {
    const { locations } = this.parts;
    const look = async (kind: 'job' | 'group'): Promise<Found> => {
      if (kind === 'job') return { kind, ...(await this.job(id, limits)) };
      const group = await this.group(id);
      limits.see?.(group.owner);
      return { kind, group };
    };
    const remembered = locations.knows(id);
    try {
      return await look((await locations.named(id)).kind);
    } catch (error) {
      // The remembered job may be gone, and its id in use for something else.
      if (!remembered || !(error instanceof InferError) || error.facts.httpStatus !== 404) throw error;
      return look((await locations.find(id)).kind);
    }
  }

  /** A job's record, and what is stored of its result if it has ended. */
  private async job(
    id: string,
    limits: LookLimits,
  ): Promise<{ record: JobRecord; stored: Buffer | undefined }> {
    const record = this.parts.signatures.heed(await this.record(id));
    limits.see?.(record.owner);
    if (!isEnded(record.state)) return { record, stored: undefined };
    const stored = await this.guard(this.stored(record, limits));
    const { meta = null, attempts } = record;
    this.etaErrors.ended({ id, attempts: meta?.attempts ?? attempts, timing: meta });
    return { record, stored };
  }

  /** The stored result of an ended job, within the limits. */
  private async stored(
    { id, queue, endedBy = '' }: JobRecord,
    { hold, mostBytes = Number.POSITIVE_INFINITY }: LookLimits,
  ): Promise<Buffer | undefined> {
    const { results } = this.parts;
    if (mostBytes === 0) return undefined;
    if (hold !== undefined || mostBytes < Number.POSITIVE_INFINITY) {
      const { bytes } = (await results.measure(queue, id, endedBy)) ?? { bytes: 0 };
      if (bytes > mostBytes) return undefined;
      hold?.(bytes);
    }
    return results.read(queue, id, endedBy);
  }

  /**
   * Waits until a job ends; `deadline` is in ms since the epoch.
   * @throws InferError WAIT_TIMEOUT, JOB_UNKNOWN, JOB_LOST; what `reading.hold` throws.
   */
  async wait<T>(id: string, call: Call, deadline: number | undefined, reading: Reading<T>): Promise<T> {
    const { queue, heard } = await this.waitEnd(id, call, deadline);
    return heard === undefined ? this.read(id, reading) : this.fromNotice(queue, heard, reading);
  }

  /** The same without reading its result. @returns the notice, if its worker sent one */
  async waitEnd(
    id: string,
    call: Call,
    deadline: number | undefined,
  ): Promise<{ queue: string; heard?: Heard }> {
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
      if (standing !== 'pending') return { queue };
      noteUse(this.parts.redis, queue);
      call.isThere(id);
      const told = await waitFor(heard, { id, deadline, signal });
      if (told !== undefined) return { queue, heard: told };
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
      if (isEnded(group.state)) {
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
  async fromNotice<T>(queue: string, heard: Heard, reading: Reading<T>): Promise<T> {
    const { notice, result } = heard;
    // Too large to be included, or none: read the record and the stored result.
    if (notice.meta === undefined || (notice.size ?? 0) !== (result?.length ?? 0))
      return this.read(notice.id, reading);
    if (result !== undefined) reading.hold?.(result.length);
    this.parts.signatures.heed(notice);
    const ending = { ...notice, queue, state: notice.state ?? 'completed', attempts: notice.meta.attempts };
    const { meta } = notice;
    this.etaErrors.ended({ id: notice.id, attempts: meta.attempts, timing: meta });
    return reading.render({ ...ending, model: notice.model, rows: notice.rows ?? 1 }, result);
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
