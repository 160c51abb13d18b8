import { BOUNDS, within } from '../core/bounds.js';
import { MAX_PRIORITY } from '../core/job.js';
import { unreadableInput } from './damage.js';
import { type DataLayout, LAYOUTS, newerThan } from './layout.js';
import { routeOf } from './routes.js';
import type { ChunkOf, JobSpec, TakenSpec, Unrunnable } from './types.js';
import { DATA, DEFAULT_TTL } from './wire.js';

/**
 * BullMQ's `data` field: the spec and, up to this size, the input itself in base64, which saves a key. Above
 * about 10 KB a separate key is cheaper to write and read, and base64 in job data is parsed by everyone who
 * looks at the job; 4 KB covers a row of 1,024 float32.
 */
export const INLINE_INPUT_BYTES = 4096;

const PRIORITIES = { min: 0, max: MAX_PRIORITY };
const VERSIONS = { min: 0, max: Number.MAX_SAFE_INTEGER };
const TRIES = { min: 1, max: BOUNDS.retries.max + 1 };

interface JobData<Spec extends TakenSpec = JobSpec> {
  /** Spec without id and queue, which the key contains. */
  [DATA.spec]: Omit<Spec, 'id' | 'queue'>;
  /** Base64 of the input envelope; absent when it has its own key, or the job has ended. */
  [DATA.input]?: string;
}

export function toJobData(spec: TakenSpec, input: Uint8Array | undefined): JobData<TakenSpec> {
  const { id: _id, queue: _queue, ...rest } = spec;
  if (input === undefined) return { [DATA.spec]: rest };
  return {
    [DATA.spec]: rest,
    [DATA.input]: Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('base64'),
  };
}

/** What a job's data says. */
export interface ReadData {
  /** Undefined for a job added by other BullMQ code, and for unreadable data. */
  spec: JobSpec | undefined;
  /** Undefined when it has its own key, or the job has ended. */
  input: Buffer | undefined;
  /** Why the job cannot be run. */
  unrunnable: Unrunnable | undefined;
}

/** Reads a job's `data`, with any content. */
export function readJobData(
  json: string,
  id: string,
  queue: string,
  layouts: readonly DataLayout[] = LAYOUTS,
): ReadData {
  let data: Partial<JobData> | null;
  try {
    data = JSON.parse(json) as Partial<JobData> | null;
  } catch {
    return { spec: undefined, input: undefined, unrunnable: damaged('its field data is not JSON') };
  }
  const { [DATA.spec]: spec, [DATA.input]: input } = data ?? {};
  const layout = newerThan(layouts, spec?.layout);
  if (layout !== undefined)
    return { spec: undefined, input: undefined, unrunnable: { kind: 'newer', layout } };
  if (typeof spec !== 'object' || spec === null || typeof spec.model !== 'string' || spec.model === '') {
    return { spec: undefined, input: undefined, unrunnable: { kind: 'foreign' } };
  }
  const bytes = typeof input === 'string' ? Buffer.from(input, 'base64') : undefined;
  const unrunnable = damageOf(spec) ?? damageOfInput(input, bytes);
  return {
    spec: bounded({ id, queue, ...spec }),
    input: bytes,
    unrunnable,
  };
}

/** Reads `data`; undefined when it is not a job of ours (added by other BullMQ code), or cannot be read. */
export function fromJobData(
  json: string,
  id: string,
  queue: string,
): { spec: JobSpec; input: Buffer | undefined } | undefined {
  const { spec, input } = readJobData(json, id, queue);
  return spec === undefined ? undefined : { spec, input };
}

const damaged = (what: string): Unrunnable => ({ kind: 'damaged', what });

/** Fields that have no fallback: the group the job counts for, and its deadline. */
function damageOf({ group, deadline }: Partial<Record<keyof JobSpec, unknown>>): Unrunnable | undefined {
  if (group !== undefined && !isChunkOf(group)) return damaged('the group in its field data cannot be read');
  if (deadline !== undefined && !Number.isFinite(deadline)) {
    return damaged('the deadline in its field data is not a number');
  }
  return undefined;
}

/** Without this field, the input of a job is in its own key. */
function damageOfInput(input: unknown, bytes: Buffer | undefined): Unrunnable | undefined {
  if (input === undefined) return undefined;
  if (bytes === undefined) return damaged(unreadableInput('the one in its field data is not text'));
  // Characters that are not base64 are skipped, so a text may decode to nothing.
  return bytes.length === 0 ? emptyInput() : undefined;
}

/** An input without bytes, truncated at its start. */
export const emptyInput = (): Unrunnable => damaged(unreadableInput('it is empty'));

function isChunkOf(group: unknown): group is ChunkOf {
  const { id, index, home } = (group ?? {}) as Partial<Record<keyof ChunkOf, unknown>>;
  return (
    typeof id === 'string' && Number.isSafeInteger(index) && (home === undefined || typeof home === 'string')
  );
}

/**
 * A spec with its numbers clamped to their bounds, whatever wrote them: an older version of infer, another
 * program, or damage. Anything that is not a number counts as not given.
 */
function bounded(spec: JobSpec): JobSpec {
  spec.resultTtl = within(spec.resultTtl, BOUNDS.keepS) ?? DEFAULT_TTL;
  spec.rows = within(spec.rows, BOUNDS.rows) ?? 1;
  spec.priority = within(spec.priority, PRIORITIES) ?? 0;
  if (spec.timeLimitMs !== undefined) spec.timeLimitMs = within(spec.timeLimitMs, BOUNDS.timeLimitMs);
  if (spec.softTimeLimitMs !== undefined)
    spec.softTimeLimitMs = within(spec.softTimeLimitMs, BOUNDS.timeLimitMs);
  if (spec.retryDelayMs !== undefined) spec.retryDelayMs = within(spec.retryDelayMs, BOUNDS.retryDelayMs);
  if (spec.attempts !== undefined) spec.attempts = within(spec.attempts, TRIES);
  if (spec.version !== undefined) spec.version = within(spec.version, VERSIONS);
  if (spec.deadline !== undefined && !Number.isFinite(spec.deadline)) delete spec.deadline;
  if (spec.reply !== undefined && typeof spec.reply !== 'string') delete spec.reply;
  if (spec.layout !== undefined && typeof spec.layout !== 'string') delete spec.layout;
  if (spec.owner !== undefined && typeof spec.owner !== 'string') delete spec.owner;
  if (spec.digest !== undefined && typeof spec.digest !== 'string') delete spec.digest;
  if (spec.trace !== undefined && spec.trace !== true) delete spec.trace;
  if (spec.group !== undefined && !isChunkOf(spec.group)) delete spec.group;
  return spec;
}

/**
 * BullMQ's job name: route, with its layout, and rows. From it, the take script reads which workers may run
 * the job, and its share of a micro-batch.
 */
export function jobName(spec: Pick<JobSpec, 'model' | 'version' | 'layout' | 'rows'>): string {
  return `${routeOf(spec)}#${spec.rows}`;
}
