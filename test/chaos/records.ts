import type { KeyCount } from './key-bounds.js';

/**
 * What a run writes down. The clients' history and the final state hold all that the checker knows:
 * it trusts no other word of the system under test.
 */

/** Input rows by number: row `n` of a model has the same input, and one right answer, in every run. */
export interface Work {
  model: ModelName;
  from: number;
  count: number;
}

export type ModelName = 'digits' | 'slow' | 'echo' | 'poison' | 'bulky';

/** A row's answer in the simplest form that tells two rows apart. */
export type Answer = (number | string)[];

/**
 * One line of the history. `invoke` comes before an operation and exactly one of the others after:
 * `ok` it happened, `fail` it did not and never will, `info` nobody can tell (a lost connection).
 */
export interface HistoryEvent {
  t: number;
  process: string;
  /** `flush` and `damage` are the harness's: all data was deleted; keys of the job `id` were made unreadable. */
  op: 'submit' | 'group' | 'cancel' | 'read' | 'flush' | 'damage';
  type: 'invoke' | 'ok' | 'fail' | 'info';
  id: string;
  work?: Work | undefined;
  queue?: string | undefined;
  /** Rows of a chunk, for a group. */
  chunkRows?: number | undefined;
  /** Chunks that were acknowledged. */
  jobs?: number | undefined;
  expires?: true | undefined;
  /** Seconds the result is kept; 0 keeps none and lets the record go early. */
  resultTtl?: number | undefined;
  duplicate?: true | undefined;
  /** What a read or a cancel saw; `unknown` when there is no such job. */
  state?: string | undefined;
  /** Of the whole visible outcome: state, result and error code. */
  digest?: string | undefined;
  answers?: Answer[] | undefined;
  code?: string | undefined;
}

/** A job as Redis holds it when everything is over. */
export interface FinalJob {
  id: string;
  queue: string;
  /** `st` of its hash; undefined when it has not ended. */
  state: string | undefined;
  /** Lists and sets it is an entry of, once for every entry. */
  places: string[];
  locked: boolean;
  hasResult: boolean;
  /** Starts, ends of an execution (retries included) and lapsed locks. */
  executions: number;
  settled: number;
  lapses: number;
  failureCode: string | undefined;
  worker: string | undefined;
  finishedOn: number | undefined;
}

export interface FinalGroup {
  id: string;
  closed: boolean;
  jobs: number;
  completed: number;
  failed: number;
  rowsDone: number;
}

export interface FinalState {
  jobs: FinalJob[];
  groups: FinalGroup[];
  /** Entries by kind, counted by Redis itself. */
  counts: { waiting: number; delayed: number; active: number; terminal: number };
  /** Ids that own a stored result. */
  results: string[];
  /** Ids in the registers of damaged jobs. */
  damaged: string[];
  /** What `infer inspect` names as a problem, by code. */
  problems: string[];
  /** Jobs seen active without a lock for too long while all was well. */
  unlocked: { id: string; ms: number }[];
  /** After the stop: process ids, heartbeats, leases, locks and connections that should be gone. */
  processes: string[];
  heartbeats: string[];
  leases: string[];
  locks: string[];
  connections: string[];
  /** Keys that no retention would ever remove. */
  immortal: string[];
  /** Keys that have neither a time to live nor a bound, as `key (kind) what`; and all keys by kind. */
  unbounded: string[];
  kinds: KeyCount[];
  /** Log lines that hold a payload or a secret, as `file: what`. */
  leaks: string[];
  memory: { before: number; after: number };
}

export interface FaultRecord {
  kind: string;
  /** Since when recovery is counted: the fault itself, or its end where nothing can work during it. */
  at: number;
  detail: string;
  /** Jobs that were in the hands of what was hit. */
  held: string[];
  /** Worker whose next completion shows recovery; any worker's when undefined. */
  worker?: string | undefined;
  /** It hit the clients: what they are next told shows recovery. */
  clients?: true | undefined;
}
