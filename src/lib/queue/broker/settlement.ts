import { traceTime } from '../../core/job-trace.js';
import { toJobData } from '../job-data.js';
import type { PackedField, SettleFields } from '../lua/pack.js';
import { CHUNK_EXTRA_TTL } from '../lua/prelude.js';
import type { Settlement, TakenJob } from '../types.js';
import { groupRef, MIN_RECORD_TTL, type SettleField } from '../wire.js';
import { encodeNotice } from './notice.js';

/**
 * Seconds that the record of an ended job is kept: as long as its result; a chunk's, until its group ends.
 */
export function recordTtl(job: Pick<TakenJob['spec'], 'resultTtl' | 'group'>): number {
  return Math.max(job.resultTtl, MIN_RECORD_TTL) + (job.group === undefined ? 0 : CHUNK_EXTRA_TTL);
}

const NO_BYTES = new Uint8Array();

/** Bytes that a settlement's script carries besides the result: spec, failure, notice, timing. */
export const FIELDS_BYTES = 2048;

/** Approximate number of bytes in the script call that ends a hold. */
export function settlementBytes(settlement: Settlement): number {
  return FIELDS_BYTES + (settlement.job.spec.resultTtl > 0 ? resultOf(settlement).byteLength : 0);
}

/** The stored result of an outcome; empty when there is none. */
export function resultOf(settlement: Settlement): Uint8Array {
  if (settlement.kind === 'completed') return settlement.result;
  return settlement.kind === 'failed' ? (settlement.partial ?? NO_BYTES) : NO_BYTES;
}

/** Seconds a result is stored; a chunk's, until its group ends, which shortens it. */
export function storedTtl(spec: Pick<TakenJob['spec'], 'resultTtl' | 'group'>): number {
  if (spec.resultTtl === 0) return 0;
  return spec.resultTtl + (spec.group === undefined ? 0 : CHUNK_EXTRA_TTL);
}

/**
 * The fields of a settlement without further details. Written as one literal: spreading another object costs
 * 10 us per job when keys repeat.
 */
function bareFields(
  { spec, token }: TakenJob,
  kind: string,
  reason: string,
): Record<SettleField, PackedField> {
  return {
    id: spec.id,
    token,
    kind,
    reason,
    meta: '',
    failure: '',
    result: '',
    notice: '',
    ttl: 0,
    keep: 0,
    reply: '',
    group: '',
    rows: 0,
    data: '',
    delay: 0,
  };
}

/**
 * Arguments for the script that ends a hold.
 * @param options.apart whether results are stored elsewhere.
 * @param options.failedTtl seconds that a failed job and its input are kept.
 */
export function settleFields(
  settlement: Settlement,
  { apart, failedTtl }: { apart: boolean; failedTtl: number },
): SettleFields {
  const { job, kind } = settlement;
  const { spec } = job;
  const failure = 'failure' in settlement ? settlement.failure : undefined;
  const fields = bareFields(job, kind, failure === undefined ? '1' : failure.message);
  if (failure !== undefined) fields.failure = JSON.stringify(failure);
  if (kind === 'release' || kind === 'retry') {
    fields.delay = Math.round(settlement.delayMs ?? 0);
    return fields;
  }
  if (job.unrunnable?.kind === 'damaged') return bareFields(job, 'damaged', job.unrunnable.what);
  const result = spec.resultTtl > 0 ? resultOf(settlement) : NO_BYTES;
  fields.meta = JSON.stringify(settlement.meta);
  if (!apart) fields.result = result;
  if (spec.reply !== undefined) {
    fields.reply = spec.reply;
    // Clients that asked after the submit are only told that the job ended, and read the rest.
    fields.notice = encodeNotice({
      id: spec.id,
      state: kind,
      ...(spec.model === undefined ? {} : { model: spec.model }),
      rows: spec.rows,
      meta: settlement.meta,
      ...(failure === undefined ? {} : { failure }),
      ...(spec.owner === undefined ? {} : { owner: spec.owner }),
      size: result.byteLength,
      ...(job.trace === undefined ? {} : { trace: { ...job.trace, settled: traceTime() } }),
    });
  }
  fields.ttl = storedTtl(spec);
  fields.keep = kind === 'failed' ? failedTtl : recordTtl(spec);
  fields.group = groupRef(spec.group);
  if (kind === 'completed') fields.rows = spec.rows;
  if (kind === 'failed') fields.rows = settlement.rowsDone ?? 0;
  // A failed job keeps its input for `retry`; in all other cases the copy in its data is dropped.
  if (kind !== 'failed') fields.data = JSON.stringify(toJobData(spec, undefined));
  return fields;
}
