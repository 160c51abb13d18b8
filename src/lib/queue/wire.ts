import { QUEUE_BUCKET, QUEUE_KEY, QUEUE_KEY_OF } from '../core/key-parts.js';

/**
 * What TypeScript and Lua must agree about, named once. The scripts have these as literals: they are put into the text
 * when the module is loaded, so a name costs a call nothing. `docs/architecture.md`, "Wire format", lists them, and a
 * contract test holds both against this file. Which changes need a new layout is said there and in `layout.ts`.
 */

/** Parts of a queue's keys, `tag .. ':${KEY.input}:' .. id` in Lua; `queue/keys.ts` has them as functions. */
export const KEY = { ...QUEUE_KEY, ...QUEUE_KEY_OF, ...QUEUE_BUCKET } as const;

/**
 * Fields of a job's hash with short names: BullMQ's first, then ours. Those whose name says it (`name`, `data`,
 * `timestamp`, `priority`, `delay`, `processedOn`, `finishedOn`, `returnvalue`, `failedReason`) are written out.
 */
export const JOB = {
  /** Runs that ended, well or not. */
  attemptsMade: 'atm',
  /** Times it was taken. */
  attemptsStarted: 'ats',
  /** Times its lock lapsed. */
  stalls: 'stc',
  /** Name of the worker that took it last. */
  worker: 'pb',
  /** Token of the last hold. */
  hold: 'ht',
  /** Terminal state. */
  state: 'st',
  /** Token of the hold that ended it; '' when none did. */
  endedBy: 'tk',
  /** `ResultMeta` as JSON. */
  meta: 'm',
  /** `FailureRecord` as JSON. */
  failure: 'f',
  /** Further reply lists, separated by spaces. */
  lists: 'rl',
  /** There when its cancellation was asked for. */
  cancel: 'cr',
  /** Rows done of a failed job. */
  rowsDone: 'pr',
  /** What became of earlier holds; see timeline.ts. */
  timeline: 'tl',
  /** Of a copy that is being moved here: `<source> <attempt>`. */
  move: 'mv',
  /** Of such a copy: ms since the epoch at which it may run. */
  moveAt: 'mvat',
  /** Attempts to move it that were given up, separated by spaces. */
  movesGiven: 'mvx',
} as const;

/** BullMQ's `data` of a job: JSON with its spec, and base64 of an input that rides along. */
export const DATA = { spec: 's', input: 'i' } as const;

/** Fields of a group's hash with short names; the others are called as in `lua/group.ts`. */
export const GROUP = {
  /** Rows done. */
  rowsDone: 'rd',
  /** Chunks that completed, and that ended otherwise. */
  completed: 'jc',
  failed: 'jf',
  /** Further reply lists, separated by spaces. */
  lists: 'rl',
  /** There when it was cancelled. */
  cancel: 'cr',
  /** Followed by a sender's token: ms at which it was last heard of. */
  sender: 's:',
  /** Followed by a chunk's number: the queue that it was moved to. */
  movedTo: 'mv:',
} as const;

/** Fields of a statistics bucket: jobs completed and ended otherwise, rows completed, jobs added; `a:` is followed by their priority. */
export const STATS = { completed: 'c', failed: 'f', rows: 'r', added: 'a', addedOf: 'a:' } as const;

/** Fields of the index of jobs by model; see `lua/route.ts`. */
export const FILED = {
  /** Followed by a route: it has filed jobs. */
  route: 'm:',
  /** Followed by a BullMQ priority: the score up to which all of its jobs are filed. */
  reached: 'p',
  /** The counter of `prioritized` when those were written. */
  counter: 'c',
} as const;

/** What a settle says of one job, in the order in which `pack.ts` packs it. */
export const SETTLE_FIELDS = [
  'id',
  'token',
  /** A terminal state, `retry`, `release` or `damaged`. */
  'kind',
  /** The failure's message, or what is damaged. */
  'reason',
  /** JSON, as in the job's hash. */
  'meta',
  'failure',
  /** Result envelope, '' for none or where it is stored apart. */
  'result',
  /** Notice for the job's own reply list, without the result; '' where it names none. */
  'notice',
  /** Seconds that the result is kept, and the record. */
  'ttl',
  'keep',
  /** The job's own reply list or ''. */
  'reply',
  /** `id`, or `id@queue` of a group in another queue, or ''. */
  'group',
  'rows',
  /** Job data without its input, or '' to leave it. */
  'data',
  /** Milliseconds until a retry, or until a job that was handed back is taken again. */
  'delay',
] as const;

export type SettleField = (typeof SETTLE_FIELDS)[number];

/** What a take answers of one job, in this order, behind `TAKE_HEAD` entries of the whole take. */
export const TAKE_REPLY = [
  'id',
  'data',
  'timestamp',
  'attemptsStarted',
  'attemptsMade',
  'stalls',
  'input',
] as const;
export const TAKE_HEAD = 2;

/** What became of a hold that did not end its job, in the field `tl`. */
export const HOLD_END = { retry: 'retry', back: 'back', lost: 'lost', again: 'again' } as const;

/** From one BullMQ priority to the next, in scores of `prioritized`; BullMQ's own. */
export const PRIORITY_STEP = 2 ** 32;
/** Scores of `delayed` are milliseconds times this, and a counter; BullMQ's own. */
export const DELAYED_UNIT = 4096;
/** A result of at most so many bytes rides in the notice of its job. */
export const NOTICE_RESULT_BYTES = 65_536;
/** Entries that the event stream of a queue keeps. */
export const EVENTS_KEPT = 1000;
/** Seconds that what does not say is kept. */
export const DEFAULT_TTL = 3600;
/** Seconds that the record of a job or group is kept at least. */
export const MIN_RECORD_TTL = 60;
/** Seconds that a statistics bucket is kept: longer than it is looked at, for hosts whose clocks differ. */
export const STATS_TTL = 120;
/** Chunks of a group whose results get its time to live when it ends; of more the day's grace holds. */
export const GROUP_RESULTS = 20_000;

/** Places of names in a list as Lua counts, from 1. */
export function luaIndex<Name extends string>(names: readonly Name[]): Readonly<Record<Name, number>> {
  return Object.fromEntries(names.map((name, i) => [name, i + 1])) as Record<Name, number>;
}
