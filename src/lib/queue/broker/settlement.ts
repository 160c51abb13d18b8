import { CHUNK_EXTRA_TTL } from '../lua/prelude.js';
import type { Settlement, TakenJob } from '../types.js';

import { MIN_RECORD_TTL } from '../wire.js';

/** Seconds the record of an ended job is kept: as long as its result, a chunk's until its group is over. */
export function recordTtl(job: Pick<TakenJob['spec'], 'resultTtl' | 'group'>): number {
  return Math.max(job.resultTtl, MIN_RECORD_TTL) + (job.group === undefined ? 0 : CHUNK_EXTRA_TTL);
}

export const NO_BYTES = new Uint8Array();

/** What a settlement's script carries beside its result: spec, failure, notice, timing. */
export const FIELDS_BYTES = 2048;

/** About how many bytes the script that ends a hold carries for it. */
export function settlementBytes(settlement: Settlement): number {
  return FIELDS_BYTES + (settlement.job.spec.resultTtl > 0 ? resultOf(settlement).byteLength : 0);
}

/** What is stored of an outcome; empty when there is nothing. */
export function resultOf(settlement: Settlement): Uint8Array {
  if (settlement.kind === 'completed') return settlement.result;
  return settlement.kind === 'failed' ? (settlement.partial ?? NO_BYTES) : NO_BYTES;
}

/** Seconds a result is stored; a chunk's until its group is over, whose end shortens it. */
export function storedTtl(spec: Pick<TakenJob['spec'], 'resultTtl' | 'group'>): number {
  if (spec.resultTtl === 0) return 0;
  return spec.resultTtl + (spec.group === undefined ? 0 : CHUNK_EXTRA_TTL);
}

/** How scripts name a chunk's group: `id`, or `id@queue` when that is in another queue. */
export function groupRef(group: TakenJob['spec']['group']): string {
  if (group === undefined) return '';
  return group.home === undefined ? group.id : `${group.id}@${group.home}`;
}
