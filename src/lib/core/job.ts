import { randomFillSync } from 'node:crypto';
import { BOUNDS, shown } from './bounds.js';
import { InferError } from './errors.js';
import { QUEUE_KEY, QUEUE_KEY_OF } from './key-parts.js';
import { badName, isName, nameLike } from './names.js';
import { printable } from './printable.js';

export { printable };

export type TerminalState = 'completed' | 'failed' | 'expired' | 'cancelled';
export type JobState = 'waiting' | 'delayed' | 'active' | TerminalState;

/** Whether a job in this state has not ended, so that it can still be cancelled. */
export function isOpen(state: JobState): boolean {
  return state === 'waiting' || state === 'delayed' || state === 'active';
}

/** 0..9, 9 is most urgent; as typed by users. BullMQ's own numbers are reversed, see `toBullPriority`. */
export type Priority = number;

const MIN_PRIORITY = 0;
export const MAX_PRIORITY = 9;

/**
 * BullMQ serves low numbers first and treats "no priority" as more urgent than any number, so every job gets
 * 1..10: 9 becomes 1, 0 becomes 10.
 */
export function toBullPriority(priority: Priority): number {
  return MAX_PRIORITY + 1 - checkPriority(priority);
}

export function fromBullPriority(bull: number): Priority {
  return bull === 0 ? MAX_PRIORITY : Math.max(MIN_PRIORITY, MAX_PRIORITY + 1 - bull);
}

/** @throws InferError PRIORITY_RANGE (exit 2) unless an integer of 0..9. */
export function checkPriority(priority: number): Priority {
  if (!Number.isInteger(priority) || priority < MIN_PRIORITY || priority > MAX_PRIORITY) {
    throw new InferError('PRIORITY_RANGE', `priority ${shown(priority)} is not a whole number of 0..9`, {
      hint: 'use --priority 9 for the most urgent work and 0 for the least',
    });
  }
  return priority;
}

/**
 * @throws InferError TIME_LIMIT_RANGE (exit 2) unless an integer number of milliseconds from 1 to 24 days.
 */
export function checkTimeLimit(ms: number): number {
  const { min, max } = BOUNDS.timeLimitMs;
  if (!Number.isInteger(ms) || ms < min || ms > max) {
    throw new InferError(
      'TIME_LIMIT_RANGE',
      `a time limit of ${shown(ms)} is not a whole number of ${min}..${max} ms`,
      {
        hint: '--time-limit 30s, or timeLimitMs: 30_000',
      },
    );
  }
  return ms;
}

/**
 * Jobs of a queue `res` would share keys with the results. A producer, which may write `req:*`, could pause
 * a queue `req`: parts of a queue's keys that are followed by a word (`key-parts.ts`) are not allowed as
 * queue names.
 */
const KEY_PARTS: ReadonlySet<string> = new Set([...Object.values(QUEUE_KEY_OF), QUEUE_KEY.damaged]);

/** @throws InferError QUEUE_NAME (exit 2): names become parts of Redis keys and hash tags. */
export function checkQueueName(name: string): string {
  if (KEY_PARTS.has(name)) {
    throw new InferError(
      'QUEUE_NAME',
      `'${name}' cannot be the name of a queue: infer uses it for its own keys`,
      {
        hint: `take another, such as ${name}-jobs`,
      },
    );
  }
  if (!isName('queue', name)) {
    throw new InferError('QUEUE_NAME', badName('queue', name), {
      hint: 'infer inspect queues lists the queues that there are',
    });
  }
  return name;
}

/**
 * The keys of a queue besides its jobs (bullmq 6.7, classes/queue-keys.js): a job with such an id would
 * overwrite one.
 */
const QUEUE_KEYS: ReadonlySet<string> = new Set(
  (
    'active wait waiting-children paused id delayed prioritized stalled-check completed failed stalled repeat ' +
    'limiter meta events pc marker de'
  ).split(' '),
);

/** Whether the key for this id can belong to a job, and is not a key of the queue itself. */
export function mayBeJob(id: string): boolean {
  return !QUEUE_KEYS.has(id) && !id.includes(':') && id !== '';
}

/**
 * @throws InferError JOB_ID (exit 2). BullMQ refuses ids that are integers or contain a colon (bullmq 6.7,
 *   classes/job.js `validateOptions`), and chunk jobs append `-<index>`.
 */
export function checkJobId(id: string): string {
  if (QUEUE_KEYS.has(id)) {
    throw new InferError('JOB_ID', `'${id}' cannot be a job id: every queue has a key of that name`, {
      hint: `take another, such as ${id}-1`,
    });
  }
  if (!isName('job', id)) {
    throw new InferError('JOB_ID', badName('job', id), {
      hint: `--id ${nameLike('job', id)}, or leave it out for an id of infer's own`,
    });
  }
  return id;
}

const ID_TIME_CHARS = 9;
const ID_RANDOM_BYTES = 8;
const BASE32 = '0123456789abcdefghjkmnpqrstvwxyz';

function base32(value: bigint, length: number): string {
  let rest = value;
  let text = '';
  for (let i = 0; i < length; i++) {
    text = (BASE32[Number(rest & 31n)] as string) + text;
    rest >>= 5n;
  }
  return text;
}

/** Random bytes for the next ids: a call for each id took 4 µs, the rest of it takes 8. */
const randomPool = Buffer.allocUnsafeSlow(512 * ID_RANDOM_BYTES);
let randomUsed = randomPool.length;

function nextRandom(): bigint {
  if (randomUsed === randomPool.length) {
    randomFillSync(randomPool);
    randomUsed = 0;
  }
  randomUsed += ID_RANDOM_BYTES;
  return randomPool.readBigUInt64BE(randomUsed - ID_RANDOM_BYTES);
}

let lastIdTime = 0;
let idSequence = 0;

/**
 * A new id: `j` (job) or `g` (group), 9 characters of milliseconds, 3 of a counter within the millisecond, 13
 * random (Crockford base 32, lower case). Ids from one process sort by creation time.
 */
export function newId(kind: 'j' | 'g', nowMs: number = Date.now()): string {
  if (nowMs > lastIdTime) {
    lastIdTime = nowMs;
    idSequence = 0;
  } else if (++idSequence >= 32 ** 3) {
    lastIdTime += 1;
    idSequence = 0;
  }
  return `${kind}${base32(BigInt(lastIdTime), ID_TIME_CHARS)}${base32(BigInt(idSequence), 3)}${base32(nextRandom(), 13)}`;
}

const OWN_ID = /^[jg][0-9a-hjkmnp-tv-z]{25}(-\d+)?$/;

/**
 * Milliseconds since the epoch at which one of infer's own ids was generated; undefined for a caller's id.
 */
export function idTime(id: string): number | undefined {
  if (!OWN_ID.test(id)) return undefined;
  let time = 0;
  for (const char of id.slice(1, 1 + ID_TIME_CHARS)) time = time * 32 + BASE32.indexOf(char);
  return time;
}

/** The id of chunk `index` (from 0) of a group. */
export function chunkId(group: string, index: number): string {
  return `${group}-${index}`;
}
