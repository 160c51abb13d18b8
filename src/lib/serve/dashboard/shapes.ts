/*
 * What the dashboard's page and its server exchange. Types only, and no imports but `page-shapes.ts` (the
 * pages' requests and answers): the page's build reads these two files and nothing else of `src/lib`.
 *
 * Addresses are relative to the page (`api/stream`, never `/api/stream`), so they hold under any `--base-path`
 * and as `/dashboard/` of `infer serve`. Only the page itself has an address: its views are behind `#`.
 * The token is sent as `Authorization: Bearer …`, also for the stream (`fetch`, not `EventSource`). A link may
 * carry it in the fragment, `#token=…`: the page keeps it in `sessionStorage` and removes it from the address.
 * Times are milliseconds; `…At` are since the epoch, by Redis's clock. Shares are 0..1.
 *
 *   GET  api/about                       About; needs no token
 *   GET  api/stream                      server-sent events: StreamEvents
 *   GET  api/jobs?JobsQuery              JobsPage
 *   GET  api/jobs/ID                     JobPage
 *   GET  api/jobs/ID/input               PayloadPreview
 *   GET  api/jobs/ID/result              PayloadPreview
 *   GET  api/failures?queue=&model=      FailuresPage
 *   GET  api/model?name=                 ModelPage
 *   GET  api/redis                       RedisPage
 *   GET  api/audit?limit=&who=&action=   AuditPage
 *   GET  api/history?…, api/events?…     those of queue/history and queue/events
 *   POST api/actions/preview             Action -> ActionPreview
 *   POST api/actions                     ActionRequest -> ActionState
 *   GET  api/actions/ID                  ActionState
 *   POST api/actions/ID/stop             ActionState; stops a bulk action between two pages of jobs
 *
 * Every error is a problem (`ProblemBody`).
 */

import type { ActionState } from './page-shapes.js';

export type * from './page-shapes.js';

/** The body of every error, `application/problem+json`. */
export interface ProblemBody {
  code: string;
  status: number;
  title: string;
  detail: string;
  hint?: string;
}

export interface About {
  version: string;
  /** Whether every request needs a token. */
  tokens: boolean;
  /** Whether there are actions (`--allow-control`). */
  control: boolean;
  /** The command that serves the page. */
  server: 'dashboard' | 'serve --dashboard';
  /** Of the token that was sent; null without one. A token that is not valid is refused: 401. */
  caller: { name: string | null; read: boolean; control: boolean } | null;
  /** Address of Redis without credentials, and the prefix of the deployment; empty without a token. */
  redis: string;
  prefix: string;
}

/** Events of `api/stream` by name, with their data. */
export interface StreamEvents {
  /** Once, first: the last five minutes, as far as the server knows them. */
  recent: RecentPoint[];
  /** Once a second; the newest replaces unsent ones. */
  snapshot: Snapshot;
  /** The server is shutting down, or the token no longer allows it: `reason` says which. */
  end: { reason: string };
}

/** The whole deployment at one second of the last five minutes. */
export interface RecentPoint {
  at: number;
  /** Null: unknown, because Redis was unreachable. */
  jobsPerSecond: number | null;
  failedPerSecond: number | null;
  arrivalsPerSecond: number | null;
  waiting: number | null;
  active: number | null;
  oldestMs: number | null;
  waitP95Ms: number | null;
  totalP95Ms: number | null;
  /** Share of the workers' time in which they held jobs. */
  busy: number | null;
}

/** A part of the snapshot that fails alone. */
export interface Part<T> {
  /** As of `at`; the last that is known after a failure. Null: not read yet, or never readable. */
  data: T | null;
  at: number | null;
  /** Why it could not be read now. */
  error: { code: string; message: string; hint: string | null } | null;
}

export interface Snapshot {
  /** Counts up; a gap means that snapshots were skipped for this client. */
  seq: number;
  /** Now, by Redis's clock; by the server's own while Redis is unreachable. */
  at: number;
  /** Since when Redis does not answer; null if it does. */
  redisAwaySince: number | null;
  /** With many queues, not each is read every second; this is the age of the oldest row. */
  oldestQueueMs: number;
  totals: Part<Totals>;
  /** The most urgent first, as in `infer inspect`. */
  problems: Part<Problem[]>;
  queues: Part<QueueRow[]>;
  workers: Part<WorkerRow[]>;
  starting: Part<StartingRow[]>;
  models: Part<ModelRow[]>;
  autoscalers: Part<AutoscalerRow[]>;
  redis: Part<RedisRow>;
  /** Actions of the last ten minutes, the newest first. */
  actions: ActionState[];
}

export interface Problem {
  code: string;
  message: string;
  /** A command, or what to do. */
  fix: string;
}

/** Of all queues and workers. */
export interface Totals extends QueueCounts {
  queues: number;
  pausedQueues: number;
  workers: number;
  silentWorkers: number;
  oldestMs: number | null;
  jobsPerSecond: number | null;
  arrivalsPerSecond: number | null;
  /** Until the waiting jobs are done; null: unknown, or they become more. */
  etaMs: number | null;
  /** Share of failed jobs among those that ended within the last minute; null if none ended. */
  failedShare: number | null;
  devices: number;
  /** Share of the devices' time in which their workers held jobs, over about ten seconds. */
  busy: number | null;
  lastMinute: Figures;
}

export interface QueueCounts {
  waiting: number;
  active: number;
  delayed: number;
  failed: number;
  completed: number;
  expired: number;
  cancelled: number;
}

/** To 1 %. */
export interface Spread {
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** Work that ended within the last minute. */
export interface Figures {
  /** Time over which the rates are computed. */
  windowMs: number;
  jobsPerSecond: number;
  rowsPerSecond: number;
  completed: number;
  failed: number;
  expired: number;
  cancelled: number;
  retried: number;
  /** From submit to start, in runs, and from submit to end; null if no job ran. */
  waitMs: Spread | null;
  runMs: Spread | null;
  totalMs: Spread | null;
  /** Runs of the model; rows per run; null if there was none. */
  runs: number;
  rowsPerRun: { mean: number; p50: number; max: number } | null;
  /** Runs by why their batch was closed: `full`, `idle` (no more jobs were there), `window`, `retry`. */
  closed: Record<string, number>;
  /** Failed jobs by error code. */
  failures: Record<string, number>;
}

export interface QueueRow extends QueueCounts {
  name: string;
  paused: boolean;
  /** Waiting jobs by priority, index = priority 0..9; 9 is the most urgent. */
  byPriority: number[];
  oldestMs: number | null;
  ratePerSecond: number | null;
  arrivalsPerSecond: number | null;
  /** Until the waiting jobs are done, at this rate less the arrivals; null: unknown, or they become more. */
  etaMs: number | null;
  /** The same with one more worker like those it has. */
  etaOneMoreMs: number | null;
  growing: boolean;
  /** Waiting jobs whose model no worker of the queue serves, by `model` or `model@version`. */
  unmatched: Record<string, number>;
  /** Workers that serve it. */
  workers: number;
  lastMinute: Figures;
  /** When this row was read. */
  readAt: number;
}

export interface WorkerRow {
  id: string;
  name: string;
  host: string;
  pid: number;
  version: string;
  state: 'starting' | 'ready' | 'draining';
  /** No heartbeat for too long. */
  silent: boolean;
  beatAgeMs: number;
  startedAt: number;
  /** Such as `cpu` or `cuda`. */
  device: string;
  gpu: string | null;
  gpuMemory: { usedBytes: number; totalBytes: number; utilisation: number | null } | null;
  queues: string[];
  models: WorkerModel[];
  modelProblems: {
    model: string;
    version: number | null;
    code: string;
    message: string;
    hint: string | null;
  }[];
  concurrency: number;
  autoscale: { min: number; max: number } | null;
  threads: number | null;
  maxBatch: number | null;
  batchWindowMs: number;
  /** Jobs in a run, jobs held that have not started, and runs in progress. */
  active: number;
  notStarted: number;
  runs: { model: string; sinceMs: number }[];
  jobsDone: number;
  jobsFailed: number;
  rowsDone: number;
  rssBytes: number;
  loopLagMs: number;
  /** Share of the last ten seconds or so in which it held jobs; null until it is known. */
  busy: number | null;
  /**
   * Share of the last minute in which its devices ran, of the time in which there was something to run, and
   * what they waited for in the rest; null where nothing ran.
   */
  deviceBusy: { share: number; waits: { what: DeviceWait; share: number }[] } | null;
  lastMinute: Figures;
}

/** See `queue/device-busy.ts`. */
export type DeviceWait = 'take' | 'look' | 'stage' | 'settle' | 'restart';

export interface WorkerModel {
  name: string;
  version: number;
  /** Rows that currently run together, configured or learned. */
  batch: number;
  /** Why its rows run one at a time; null if they do not. */
  unbatched: string | null;
}

export interface StartingRow {
  id: string;
  name: string;
  queues: string[];
  models: string[];
  beatAgeMs: number;
}

export interface ModelRow {
  name: string;
  versions: number[];
  /** Workers that serve it. */
  workers: number;
  /** What it did in each queue within the last minute. */
  queues: { queue: string; jobsPerSecond: number; jobs: number; share: number }[];
  lastMinute: Figures;
}

export interface AutoscalerRow {
  id: string;
  host: string;
  pool: string;
  queues: string[];
  policy: string;
  dryRun: boolean;
  min: number;
  max: number;
  targetWaitMs: number;
  decidedAt: number;
  desired: number;
  running: number;
  ready: number;
  /** Why it holds; null when all is well. */
  hold: string | null;
  /** The last decision as a sentence. */
  reason: string;
  workers: { name: string; slot: string; gpu: string | null; state: string; since: number }[];
  troubles: { slot: string; state: string; reason: string }[];
  /** Its last decisions as far as the server has seen them, the newest first. */
  decisions: { at: number; desired: number; running: number; ready: number; reason: string }[];
}

export interface RedisRow {
  /** Address without credentials, and where it came from (`embedded`: infer's private server). */
  label: string;
  source: string;
  version: string;
  usedMemoryBytes: number;
  /** 0 = no limit. */
  maxMemoryBytes: number;
  policy: string;
  /** `full`: new jobs are refused. */
  memory: 'unlimited' | 'fine' | 'filling' | 'full';
  evictedKeys: number;
  connectedClients: number;
  opsPerSecond: number | null;
  uptimeSeconds: number;
  /** One round trip from this server. */
  latencyMs: number;
}
