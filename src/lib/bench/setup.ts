import type { InferClient } from '../client/client.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import type { ModelSignature } from '../model/signature.js';
import type { WorkerRecord } from '../queue/types.js';

/** Queues that receive the load: for single rows and for groups. */
export interface BenchQueues {
  single: string;
  group: string;
}

/** Redis, workers and a client to bench. */
export interface Setup {
  client: InferClient;
  prefix: string;
  queues: BenchQueues;
  signature: ModelSignature;
  /** True when all of it was started for this bench and is used by nothing else. */
  isPrivate: boolean;
  /** Redis without credentials. */
  label: string;
  workers: WorkerRecord[];
  /** Rejects when the setup fails under the load. */
  failed: Promise<never>;
  close(): Promise<void>;
}

/** Results of a bench are not needed later, so they expire soon. Seconds. */
export const BENCH_RESULT_TTL_S = 300;

/** @returns MODEL_NEEDED (2). */
export function severalModels(names: readonly string[]): InferError {
  const sorted = [...names].sort();
  return new InferError('MODEL_NEEDED', `there are several models: ${sorted.map(printable).join(', ')}`, {
    hint: `name one: --model ${sorted[0]}`,
  });
}
