import { THRESHOLDS } from '../core/thresholds.js';
import { bullBase, cancelledKey, expiredKey, inputKey, queueTag, resultKey } from '../queue/keys.js';
import type { RedisClient } from '../redis/types.js';
import { allowed } from './facts.js';

export const JOB_KINDS = [
  'waiting',
  'delayed',
  'active',
  'completed',
  'failed',
  'expired',
  'cancelled',
] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/** Memory of jobs of one kind in Redis, over all queues. Bytes, averages of a sample. */
export interface KindCost {
  kind: JobKind;
  /** Existing jobs, without those whose record has expired. */
  jobs: number;
  sampled: number;
  bytesPerJob: number;
  /**
   * Parts of `bytesPerJob`: its record, its place in the queue and its lock; input and result in their own
   * keys.
   */
  recordBytes: number;
  inputBytes: number;
  resultBytes: number;
  totalBytes: number;
}

/** BullMQ's event streams. */
export interface EventCost {
  queues: number;
  entries: number;
  bytes: number;
}

/** The cost of jobs; undefined where MEMORY USAGE is refused. */
export interface JobCosts {
  kinds: KindCost[];
  events: EventCost;
}

/** Jobs sampled per kind and queue. At 4 commands each this takes less than 10 ms of Redis. */
const SAMPLE = 50;

interface Sum {
  jobs: number;
  sampled: number;
  record: number;
  input: number;
  result: number;
}

/**
 * Measures live jobs: counts are exact, bytes come from up to 50 jobs of each kind and queue, spread evenly
 * over its length. Read-only, and bounded whatever the length of the queues.
 */
export async function measureJobs(
  client: RedisClient,
  prefix: string,
  queues: readonly string[],
): Promise<JobCosts | undefined> {
  const sums = new Map<JobKind, Sum>();
  const events: EventCost = { queues: 0, entries: 0, bytes: 0 };
  for (const queue of queues) {
    const places = placesOf(prefix, queue);
    for (const { kind, key, list } of places) {
      const measured = await measureKind(client, prefix, queue, key, list);
      if (measured === undefined) return undefined;
      const sum = sums.get(kind);
      sums.set(kind, sum === undefined ? measured : added(sum, measured));
    }
    const stream = `${bullBase(prefix, queue)}events`;
    const [bytes, entries] = await Promise.all([usage(client, stream), allowed(client.xlen(stream))]);
    if (bytes !== undefined && bytes > 0) {
      events.queues += 1;
      events.bytes += bytes;
      events.entries += entries ?? 0;
    }
  }
  const kinds = JOB_KINDS.flatMap((kind) => {
    const sum = sums.get(kind);
    return sum === undefined || sum.jobs === 0 ? [] : [costOf(kind, sum)];
  });
  return { kinds, events };
}

interface Place {
  kind: JobKind;
  key: string;
  list: boolean;
}

function placesOf(prefix: string, queue: string): Place[] {
  const base = bullBase(prefix, queue);
  const tag = queueTag(prefix, queue);
  return [
    { kind: 'waiting', key: `${base}prioritized`, list: false },
    { kind: 'waiting', key: `${base}wait`, list: true },
    { kind: 'delayed', key: `${base}delayed`, list: false },
    { kind: 'active', key: `${base}active`, list: true },
    { kind: 'completed', key: `${base}completed`, list: false },
    { kind: 'failed', key: `${base}failed`, list: false },
    { kind: 'expired', key: expiredKey(tag), list: false },
    { kind: 'cancelled', key: cancelledKey(tag), list: false },
  ];
}

async function measureKind(
  client: RedisClient,
  prefix: string,
  queue: string,
  key: string,
  list: boolean,
): Promise<Sum | undefined> {
  const length = list ? await client.llen(key) : await client.zcard(key);
  const none: Sum = { jobs: 0, sampled: 0, record: 0, input: 0, result: 0 };
  if (length === 0) return none;
  const ids = await sampleIds(client, key, list, length);
  const base = bullBase(prefix, queue);
  const tag = queueTag(prefix, queue);
  const index = await usage(client, key);
  if (index === undefined) return undefined;
  const parts = await Promise.all(
    ids.map((id) =>
      Promise.all(
        [base + id, `${base}${id}:lock`, inputKey(tag, id), resultKey(tag, id)].map((one) =>
          usage(client, one),
        ),
      ),
    ),
  );
  // An expired record leaves its id in the index until the next sweep: no longer a job.
  const live = parts.filter(([record]) => record !== undefined && record > 0);
  const jobs = ids.length === 0 ? 0 : Math.round((length * live.length) / ids.length);
  const total = (part: number): number => live.reduce((sum, one) => sum + (one[part] ?? 0), 0);
  const share = (index / length) * live.length;
  return {
    jobs,
    sampled: live.length,
    record: total(0) + total(1) + share,
    input: total(2),
    result: total(3),
  };
}

async function sampleIds(client: RedisClient, key: string, list: boolean, length: number): Promise<string[]> {
  const many = Math.min(SAMPLE, length);
  const ranks = Array.from({ length: many }, (_, i) => Math.floor((i * length) / many));
  const found = await Promise.all(
    ranks.map((rank) => (list ? client.lindex(key, rank) : client.zrange(key, String(rank), String(rank)))),
  );
  return [...new Set(found.flat())].filter((id): id is string => typeof id === 'string');
}

/** Bytes of a key; 0 when it does not exist, undefined without the right to ask. */
async function usage(client: RedisClient, key: string): Promise<number | undefined> {
  const asked = allowed(client.memory('USAGE', key).then((bytes) => ({ bytes })));
  const answer = await asked;
  return answer === undefined ? undefined : Number(answer.bytes ?? 0);
}

/** Combines two samples, each weighted by the jobs it represents. */
function added(a: Sum, b: Sum): Sum {
  if (a.sampled === 0) return b;
  if (b.sampled === 0) return a;
  const jobs = a.jobs + b.jobs;
  const sampled = a.sampled + b.sampled;
  const mix = (part: 'record' | 'input' | 'result'): number =>
    (((a[part] / a.sampled) * a.jobs + (b[part] / b.sampled) * b.jobs) / jobs) * sampled;
  return { jobs, sampled, record: mix('record'), input: mix('input'), result: mix('result') };
}

function costOf(kind: JobKind, sum: Sum): KindCost {
  const each = (bytes: number): number => Math.round(bytes / sum.sampled);
  const recordBytes = each(sum.record);
  const inputBytes = each(sum.input);
  const resultBytes = each(sum.result);
  const bytesPerJob = recordBytes + inputBytes + resultBytes;
  return {
    kind,
    jobs: sum.jobs,
    sampled: sum.sampled,
    bytesPerJob,
    recordBytes,
    inputBytes,
    resultBytes,
    totalBytes: bytesPerJob * sum.jobs,
  };
}

/** A job with 1 KB of input and 1 KB of result, for a Redis without jobs: payload + result + 1,100. */
const ASSUMED_BYTES = 1024 + 1024 + 1100;

/** How many more jobs a server can store, and what the estimate is based on. */
export interface Room {
  /** Until new work is refused (THRESHOLDS.memoryFull); null when there is no limit. */
  jobs: number | null;
  bytesPerJob: number;
  basis: 'measured' | 'assumed';
}

/**
 * How many more jobs fit below the high-water mark, at the cost of the most expensive kind: a job takes
 * memory first while waiting and later with its result. Pure.
 */
export function roomForJobs(usedMemory: number, maxMemory: number, costs: JobCosts | undefined): Room {
  const dearest = Math.max(0, ...(costs?.kinds ?? []).map(({ bytesPerJob }) => bytesPerJob));
  const bytesPerJob = dearest === 0 ? ASSUMED_BYTES : dearest;
  const free = Math.max(0, maxMemory * THRESHOLDS.memoryFull.value - usedMemory);
  return {
    jobs: maxMemory === 0 ? null : Math.floor(free / bytesPerJob),
    bytesPerJob,
    basis: dearest === 0 ? 'assumed' : 'measured',
  };
}
