import type { JobSpec } from './broker.js';

/**
 * BullMQ's `data` field: the spec and, up to this size, the input itself in base64, which spares a
 * key. Above about 10 KB a key of its own is cheaper to write and read, and base64 in job data is
 * parsed by everyone who looks at the job; 4 KB covers a row of 1,024 float32.
 */
export const INLINE_INPUT_BYTES = 4096;

interface JobData {
  /** Spec without id and queue, which the key holds. */
  s: Omit<JobSpec, 'id' | 'queue'>;
  /** Base64 of the input envelope; absent when it has its own key, or the job has ended. */
  i?: string;
}

export function toJobData(spec: JobSpec, input: Uint8Array | undefined): JobData {
  const { id: _id, queue: _queue, ...rest } = spec;
  if (input === undefined) return { s: rest };
  return { s: rest, i: Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('base64') };
}

/** Reads `data`; undefined when it is not a job of ours (added by other BullMQ code). */
export function fromJobData(
  json: string,
  id: string,
  queue: string,
): { spec: JobSpec; input: Buffer | undefined } | undefined {
  let data: Partial<JobData>;
  try {
    data = JSON.parse(json) as Partial<JobData>;
  } catch {
    return undefined;
  }
  if (typeof data?.s !== 'object' || data.s === null || typeof data.s.model !== 'string') return undefined;
  return {
    spec: { id, queue, ...data.s },
    input: typeof data.i === 'string' ? Buffer.from(data.i, 'base64') : undefined,
  };
}

/** BullMQ's job name: model and rows. The take script reads the rows from it to fill a micro-batch. */
export function jobName(spec: Pick<JobSpec, 'model' | 'rows'>): string {
  return `${spec.model}#${spec.rows}`;
}
