import type { ProcessMark } from '../core/process-alive.js';

/** A worker of `infer up` that is ready. */
export interface UpWorker {
  name: string;
  pid: number;
  queues: readonly string[];
  /** The GPU it is pinned to: UUID or index; null on the CPU. */
  gpu: string | null;
  /** Where its models run: `cpu`, `cuda`; null if it serves none. */
  device: string | null;
}

/** A model, and the command that runs one row of it. */
export interface UpModel {
  name: string;
  /** Whether a worker serves it now. */
  served: boolean;
  /** A command for a shell. */
  curl: string;
}

/** Something that is wrong or absent, and what to type; '' where nothing can be typed. */
export interface Missing {
  code: string;
  message: string;
  fix: string;
}

/** What runs when `infer up` is ready. */
export interface UpReady {
  /** Of `infer up` itself. */
  pid: number;
  /** Of the gateway: `http://127.0.0.1:8000`. */
  url: string;
  /** Address of the dashboard; null without it. */
  dashboard: string | null;
  /** Number of valid tokens; null if callers need none. */
  tokens: number | null;
  /** `source` is `embedded` for infer's own server; `started`: by this `infer up`. */
  redis: { label: string; source: string; started: boolean };
  workers: UpWorker[];
  models: UpModel[];
  missing: Missing[];
  /** Directories of the logs: of the gateway, and of the workers. */
  logs: { gateway: string; workers: string };
}

/** What happens while it runs. */
export type UpEvent =
  | ({ event: 'ready' } & UpReady)
  /** A part is up: for the first time, or again. `detail`: its address or device. */
  | { event: 'started'; part: string; pid: number | null; detail: string }
  /** A part has ended, or could not be started; it is started again after this time. */
  | { event: 'ended'; part: string; reason: string; lines: readonly string[]; retryMs: number }
  /** Redis does not answer; the parts continue when it does. */
  | { event: 'lost'; part: string; reason: string }
  | { event: 'back'; part: string; downMs: number }
  /** Something else in the deployment. `alarm`: it needs attention. */
  | { event: 'deployment'; kind: string; text: string; alarm: boolean }
  /** A problem that is there, and its fix; and one that is there no longer. */
  | ({ event: 'problem' } & Missing)
  | { event: 'solved'; code: string; message: string }
  | { event: 'stopping' }
  | { event: 'stopped'; part: string; killed: boolean };

export type Tell = (event: UpEvent) => void;

/** Names of the parts, apart from workers. */
export const GATEWAY = 'gateway';
export const REDIS = 'redis';

/** The file that says which `infer up` runs on this host. */
export interface UpRecord {
  process: ProcessMark;
  /** ms since the epoch. */
  startedAt: number;
  /** Its command line, after `up`. */
  argv: readonly string[];
  /** Absent until it is ready. */
  ready?: UpReady | undefined;
}
