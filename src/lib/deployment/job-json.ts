import type { FailureRecord } from '../core/errors.js';
import type { JobState } from '../core/job.js';
import { modelJson } from '../queue/job-record.js';
import type { DataLayout } from '../queue/layout.js';
import { ageOf } from '../queue/read/job-filter.js';
import type { JobRecord } from '../queue/types.js';

/** A job in a list as `--json` shows it; times are milliseconds, `…At` since the epoch. */
interface JobJson {
  id: string;
  state: JobState;
  queue: string;
  model: string;
  rows: number;
  priority: number;
  submittedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
  /** For a delayed job: when it may run. */
  runAt: number | null;
  /** How long it has been in its state. */
  ageMs: number;
  /** For an ended job that ran: how long its micro-batches took. */
  runMs: number | null;
  attempts: number;
  worker: string | null;
  error: FailureRecord | null;
  /** Its layout, if this release cannot read it; null for all others. */
  newer: DataLayout | null;
}

/** @param now ms since the epoch, by Redis's clock */
export function jobJson(job: JobRecord, now: number): JobJson {
  return {
    id: job.id,
    state: job.state,
    queue: job.queue,
    model: modelJson(job),
    rows: job.rows,
    priority: job.priority,
    submittedAt: job.submittedAt,
    startedAt: job.startedAt ?? null,
    finishedAt: job.finishedAt ?? null,
    runAt: job.runAt ?? null,
    ageMs: ageOf(job, now),
    runMs: job.meta?.runMs ?? null,
    attempts: job.attempts,
    worker: job.worker ?? null,
    // A job that completed on a later attempt has none.
    error: job.state === 'completed' ? null : (job.failure ?? null),
    newer: job.newer ?? null,
  };
}
