import type { QueueSnapshot } from '../queue/read/inspector.js';
import type { WorkerRecord } from '../queue/types.js';
import type { FiguresJson } from './figures.js';

/** One queue of `infer inspect queues`, as its JSON says it. */
export type QueueRow = Omit<QueueSnapshot, 'oldestMs'> & { oldestMs: number | null; lastMinute: FiguresJson };

/** One worker of `infer inspect workers`, as its JSON says it. */
export type WorkerRow = Omit<WorkerRecord, 'gpuMemory'> & {
  /** Of its GPU, all programs on it together; null without one, or where nvidia-smi does not say. */
  gpuMemory: NonNullable<WorkerRecord['gpuMemory']> | null;
  /** Milliseconds since its last heartbeat. */
  beatAgeMs: number;
  lastMinute: FiguresJson;
  sinceStart: FiguresJson;
};

/** One row of `infer inspect stats`: a queue, or what was done of it by one worker or with one model. */
export interface StatRow {
  queue: string;
  /** Name of the worker; null for all of them together. */
  worker: string | null;
  /** Name of the model; null for all of them together. */
  model: string | null;
  lastMinute: FiguresJson;
  /** Of the workers that live now; null where none serves the queue. */
  sinceStart: FiguresJson | null;
}
