import type { FailureRecord } from '../../core/errors.js';
import type { JobState } from '../../core/job.js';
import type { JobTrace } from '../../core/job-trace.js';
import type { ResultMeta } from '../types.js';

/**
 * What a worker pushes to a waiter's reply list when a job ends: uint16 (little endian) length of a
 * JSON header, the header, and the result's bytes when they fit (64 KB, see the settle script).
 */
export interface Notice {
  id: string;
  /** Absent in a group's notice, which only says that the group ended. */
  state?: JobState;
  meta?: ResultMeta;
  failure?: FailureRecord;
  /** It has not ended: it now waits in this queue. */
  moved?: string;
  model?: string;
  rows?: number;
  /**
   * Name of the token that submitted it. */
  owner?: string;
  /** Bytes of the stored result, 0 for none; tells whether the result is missing here only because it was too
   * large.
   */
  size?: number;
  /** When it reached which point, if its submitter asked for it. */
  trace?: JobTrace;
}

const HEADER_MAX = 0xffff;

export function encodeNotice(notice: Notice): Buffer {
  const json = Buffer.from(JSON.stringify(notice), 'utf8');
  if (json.length > HEADER_MAX) throw new Error(`notice header of ${json.length} bytes`);
  const bytes = Buffer.allocUnsafe(2 + json.length);
  bytes.writeUInt16LE(json.length);
  json.copy(bytes, 2);
  return bytes;
}

/** The notice and, if the whole result was included, its bytes. */
export function decodeNotice(bytes: Buffer): { notice: Notice; result: Buffer | undefined } {
  const end = 2 + bytes.readUInt16LE(0);
  const notice = JSON.parse(bytes.toString('utf8', 2, end)) as Notice;
  const rest = bytes.subarray(end);
  const whole = notice.size !== undefined && notice.size > 0 && rest.length === notice.size;
  return { notice, result: whole ? rest : undefined };
}
