import type { KeyCount } from './key-bounds.js';

/**
 * What a run records. The clients' history and the final state are all that the checker knows; it trusts nothing else
 * from the system under test.
 */

/** Input rows by number: row `n` of a model has the same input, and one right answer, in every run. */
export interface Work {
  model: ModelName;
  from: number;
  count: number;
}

export type ModelName = 'digits' | 'slow' | 'echo' | 'poison' | 'bulky';

/** A row's answer in the simplest form that distinguishes rows. */
export type Answer = (number | string)[];

/**
 * One line of the history. `invoke` comes before an operation, and exactly one of the others after it: `ok` it
 * happened, `fail` it did not and never will, `info` unknown (a lost connection).
 */
export interface HistoryEvent {
  t: number;
  process: string;
  /** `flush` and `damage` are the harness's: all data was deleted; keys of the job `id` were made unreadable. */
  op: 'submit' | 'group' | 'cancel' | 'withdraw' | 'read' | 'flush' | 'damage';
  type: 'invoke' | 'ok' | 'fail' | 'info';
  id: string;
  work?: Work | undefined;
  queue?: string | undefined;
  /** Rows of a chunk, for a group. */
  chunkRows?: number | undefined;
  /** Chunks that were acknowledged. */
  jobs?: number | undefined;
  expires?: true | undefined;
  /** Seconds the result is kept; 0 keeps none, and the record expires early. */
  resultTtl?: number | undefined;
  duplicate?: true | undefined;
  /** What a read or a cancel saw; `unknown` when there is no such job. */
  state?: string | undefined;
  /** Of the whole visible outcome: state, result and error code. */
  digest?: string | undefined;
  answers?: Answer[] | undefined;
  code?: string | undefined;
}

/** A job as Redis holds it at the end. */
export interface FinalJob {
  id: string;
  queue: string;
  /** `st` of its hash; undefined when it has not ended. */
  state: string | undefined;
  /** Lists and sets that contain it, once for every entry. */
  places: string[];
  locked: boolean;
  hasResult: boolean;
  /** Starts, ends of an execution (retries included) and expired locks. */
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
  /** Entries by kind, as counted by Redis. */
  counts: { waiting: number; delayed: number; active: number; terminal: number };
  /** Ids with a stored result. */
  results: string[];
  /** Ids in the registers of damaged jobs. */
  damaged: string[];
  /** Problems that `infer inspect` reports, by code. */
  problems: string[];
  /** Jobs seen active without a lock for too long while no fault was active. */
  unlocked: { id: string; ms: number }[];
  /** After the stop: remaining process ids, heartbeats, leases, locks and connections. */
  processes: string[];
  heartbeats: string[];
  leases: string[];
  locks: string[];
  connections: string[];
  /** Keys that would never be removed. */
  immortal: string[];
  /** Keys without a TTL or bound, as `key (kind) what`; and all keys by kind. */
  unbounded: string[];
  kinds: KeyCount[];
  /** Log lines that contain a payload or secret, as `file: what`. */
  leaks: string[];
  memory: { before: number; after: number };
}

export interface FaultRecord {
  kind: string;
  /** When recovery starts to count: at the fault, or at its end where nothing can work during it. */
  at: number;
  detail: string;
  /** Jobs held by what was hit. */
  held: string[];
  /** Worker whose next completion shows recovery; any worker's when undefined. */
  worker?: string | undefined;
  /** It hit the clients: their next answer shows recovery. */
  clients?: true | undefined;
}
