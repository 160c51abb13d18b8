import type { InferError } from '../core/errors.js';

/** The row (from 0, within the micro-batch) that a HANDLER_FAILED error is about, when it is known. */
export function failedRow(error: unknown): number | undefined {
  const row = (error as { row?: unknown } | null | undefined)?.row;
  return typeof row === 'number' ? row : undefined;
}

/** `error` with the row it is about; the row crosses the pipe between worker and runner. */
export function withRow(error: InferError, row: number): InferError {
  return Object.assign(error, { row });
}
