import type { QueueSnapshot } from '../queue/read/inspector.js';
import type { WorkerRecord } from '../queue/types.js';
import type { FiguresJson } from './figures.js';

/** One queue of `infer inspect queues`, as in its JSON. */
export type QueueRow = Omit<QueueSnapshot, 'oldestMs'> & { oldestMs: number | null; lastMinute: FiguresJson };

/** One worker of `infer inspect workers`, as in its JSON. */
export type WorkerRow = Omit<WorkerRecord, 'gpuMemory'> & {
  /** Usage of its GPU by all programs; null without a GPU, or if nvidia-smi does not tell. */
  gpuMemory: NonNullable<WorkerRecord['gpuMemory']> | null;
  /** Milliseconds since its last heartbeat. */
  beatAgeMs: number;
  lastMinute: FiguresJson;
  sinceStart: FiguresJson;
};

/** One row of `infer inspect stats`: a queue, or the share of one worker or model in it. */
export interface StatRow {
  queue: string;
  /** Name of the worker; null for the total. */
  worker: string | null;
  /** Name of the model; null for the total. */
  model: string | null;
  lastMinute: FiguresJson;
  /** For the workers alive now; null when none serves the queue. */
  sinceStart: FiguresJson | null;
}
