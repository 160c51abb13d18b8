import type { FailureRecord } from '../core/errors.js';
import type { Reply, WirePayload } from '../model/wire.js';
import type { PreparePlan } from '../task/prepare-plan.js';

/** Sent as the header of a frame; the body holds the raw tensor. */
export type PrepareRequest = { id: number; plan: PreparePlan } & WirePayload;

/** The `id` of the first frame, which says that the process has started. */
export const READY = 0;

/** Carries the `id` of its request; the body holds the prepared tensor, with zeros for failed rows. */
export interface PrepareReply extends Pick<Reply, 'outputs' | 'failed'> {
  id: number;
  error?: FailureRecord;
}
