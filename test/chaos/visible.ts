import { createHash } from 'node:crypto';
import type { JobResult } from '../../src/lib/index.js';
import type { Answer, HistoryEvent } from './records.js';

/** Codes that say there is no such job. */
export const UNKNOWN: ReadonlySet<string> = new Set(['JOB_UNKNOWN', 'JOB_LOST']);

/** What a user sees of a job, as recorded in the history. */
export function visible(job: JobResult): Pick<HistoryEvent, 'state' | 'digest' | 'answers' | 'code'> {
  const text = JSON.stringify([job.state, job.result ?? null, job.error?.code ?? null]);
  return {
    state: job.state,
    digest: createHash('sha256').update(text).digest('hex').slice(0, 16),
    ...(job.result === undefined ? {} : { answers: answersOf(job.result) }),
    ...(job.error === undefined ? {} : { code: job.error.code }),
  };
}

function answersOf(result: unknown): Answer[] {
  return (Array.isArray(result) ? result : [result]).map(answerOf);
}

function answerOf(row: unknown): Answer {
  const fields = row as Record<string, unknown>;
  if ('class' in fields) return [Number(fields.class), Number(fields.confidence)];
  if ('n' in fields) return [Number(fields.n)];
  return (fields.y ?? fields.out) as Answer;
}
