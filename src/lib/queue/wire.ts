import { QUEUE_BUCKET, QUEUE_KEY, QUEUE_KEY_OF } from '../core/key-parts.js';

/**
 * What TypeScript and Lua must agree on, named once. The scripts contain these as literals: they are inserted
 * into the text when the module is loaded, so a name costs nothing per call. `docs/architecture.md`, "Wire
 * format", lists them, and a contract test compares both with this file. That section and `layout.ts` say
 * which changes need a new layout.
 */

/** Parts of a queue's keys, `tag .. ':${KEY.input}:' .. id` in Lua; `queue/keys.ts` has them as functions. */
export const KEY = { ...QUEUE_KEY, ...QUEUE_KEY_OF, ...QUEUE_BUCKET } as const;

/**
 * Fields of a job's hash with short names: BullMQ's first, then ours. Fields with self-explanatory names
 * (`name`, `data`, `timestamp`, `priority`, `delay`, `processedOn`, `finishedOn`, `returnvalue`,
 * `failedReason`) are written out.
 */
export const JOB = {
  /** Runs that ended, successfully or not. */
  attemptsMade: 'atm',
  /** How often it was taken. */
  attemptsStarted: 'ats',
  /** How often its lock expired. */
  stalls: 'stc',
  /** Name of the worker that took it last. */
  worker: 'pb',
  /** Token of the last hold. */
  hold: 'ht',
  /** Terminal state. */
  state: 'st',
  /** Token of the hold that ended it; '' for none. */
  endedBy: 'tk',
  /** `ResultMeta` as JSON. */
  meta: 'm',
  /** `FailureRecord` as JSON. */
  failure: 'f',
  /** Further reply lists, separated by spaces. */
  lists: 'rl',
  /** Set when its cancellation was requested. */
  cancel: 'cr',
  /** Completed rows of a failed job. */
  rowsDone: 'pr',
  /** How earlier holds ended; see timeline.ts. */
  timeline: 'tl',
  /** On a copy that is being moved here: `<source> <attempt>`. */
  move: 'mv',
  /** On such a copy: ms since the epoch at which it may run. */
  moveAt: 'mvat',
  /** Aborted attempts to move it, separated by spaces. */
  movesGiven: 'mvx',
} as const;

/** BullMQ's `data` of a job: JSON with its spec, and base64 of a small input. */
export const DATA = { spec: 's', input: 'i' } as const;

/** Fields of a group's hash. */
export const GROUP = {
  /** Ms since the epoch of its creation. */
  timestamp: 'timestamp',
  /** A record without a model is not a group yet; see `early`. */
  model: 'model',
  priority: 'priority',
  /** Seconds that results are kept. */
  ttl: 'ttl',
  /** How rows are cut into chunks. */
  cutting: 'cutting',
  /** Ms since the epoch at which its chunks may start, if that was asked for. */
  start: 'start',
  /** Mark of the layout of its first sender; absent for the first. */
  layout: 'layout',
  /** Token of the sender that created it. */
  own: 'own',
  /** Name of the token that submitted it over HTTP; absent for others. */
  owner: 'owner',
  /** Digest of its options, if its submitter chose the id. */
  digest: 'digest',
  /** Digest of its rows, known once it is closed. */
  content: 'content',
  /** Chunks and rows sent so far. */
  added: 'added',
  rows: 'rows',
  /** Its number of chunks, once it is complete. */
  jobs: 'jobs',
  /** '1' once rows and jobs are final. */
  closed: 'closed',
  /** Token of the sender that undoes it. */
  leaving: 'leaving',
  /** '1' when it was closed without all of its rows. */
  abandoned: 'abandoned',
  /** Set when a chunk was moved to another queue. */
  moved: 'moved',
  /** Set when a chunk ended before the group was created again, after Redis had lost its record. */
  early: 'early',
  /** Ms since the epoch of its end. */
  finishedOn: 'finishedOn',
  /** Completed rows. */
  rowsDone: 'rd',
  /** Chunks that completed, and chunks that ended otherwise. */
  completed: 'jc',
  failed: 'jf',
  /** Ms since the epoch at which its results were last kept for longer, since a chunk runs again. */
  kept: 'kp',
  /** Further reply lists, separated by spaces. */
  lists: 'rl',
  /** Set when it was cancelled. */
  cancel: 'cr',
  /** Followed by a sender's token: ms of its last sign of life. */
  sender: 's:',
  /** Followed by a chunk's number: the queue it was moved to. */
  movedTo: 'mv:',
} as const;

/**
 * Fields of a statistics bucket: jobs completed and ended otherwise, rows completed, jobs added; `a:` is
 * followed by their priority.
 */
export const STATS = { completed: 'c', failed: 'f', rows: 'r', added: 'a', addedOf: 'a:' } as const;

/** Fields of the index of jobs by model; see `lua/route.ts`. */
export const FILED = {
  /** Followed by a route: it has filed jobs. */
  route: 'm:',
  /** Followed by a BullMQ priority: the score up to which all of its jobs are filed. */
  reached: 'p',
  /** The counter of `prioritized` at the time of writing. */
  counter: 'c',
} as const;

/** What a settle says about one job, in the order in which `pack.ts` packs it. */
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
  /** Result envelope; '' for none, or when it is stored separately. */
  'result',
  /** Notice for the job's own reply list, without the result; '' when it has no such list. */
  'notice',
  /** Seconds that the result and the record are kept. */
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

/** What a take returns for one job, in this order, after `TAKE_HEAD` entries about the whole take. */
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

/** How a hold that did not end its job ended, in the field `tl`. */
export const HOLD_END = { retry: 'retry', back: 'back', lost: 'lost', again: 'again' } as const;

/** Distance between two BullMQ priorities in scores of `prioritized`; BullMQ's own. */
export const PRIORITY_STEP = 2 ** 32;
/** Scores of `delayed` are milliseconds times this, plus a counter; BullMQ's own. */
export const DELAYED_UNIT = 4096;
/** Results up to this many bytes are included in the job's notice. */
export const NOTICE_RESULT_BYTES = 65_536;
/** Entries that the event stream of a queue keeps. */
export const EVENTS_KEPT = 1000;
/** Seconds that data without a TTL of its own is kept. */
export const DEFAULT_TTL = 3600;
/** Seconds that the record of a job is kept that ended while no worker held it: cancelled or expired. */
export const UNHELD_TTL = 3600;
/** Seconds after its last notice that a reply list is kept. */
export const REPLY_TTL = 300;
/** Seconds that a worker's last takes are kept, in case one is sent again. */
export const TAKES_TTL = 3600;
/** Seconds that the tombstone of a moved job is kept, if its move is not finished. */
export const GONE_TTL = 604_800;
/** Bytes of inputs after which a take stops: more would block every other user of this Redis. */
export const TAKE_BYTES = 16_777_216;
/** Jobs that a take examines, taken or set aside. */
export const TAKE_TRIES = 256;
/** Minimum seconds that the record of a job or group is kept. */
export const MIN_RECORD_TTL = 60;
/**
 * Seconds that a statistics bucket is kept: longer than it is read, to allow for hosts whose clocks differ.
 */
export const STATS_TTL = 120;
/**
 * Number of a group's chunks whose results get its TTL when it ends; for further chunks, the day's grace
 * applies.
 */
export const GROUP_RESULTS = 20_000;

/** How scripts refer to a chunk's group: `id`, or `id@queue` when the group is in another queue; '' for none. */
export function groupRef(group: { id: string; home?: string | undefined } | undefined): string {
  if (group === undefined) return '';
  return group.home === undefined ? group.id : `${group.id}@${group.home}`;
}

/** Positions of names in a list, counted from 1 as in Lua. */
export function luaIndex<Name extends string>(names: readonly Name[]): Readonly<Record<Name, number>> {
  return Object.fromEntries(names.map((name, i) => [name, i + 1])) as Record<Name, number>;
}
