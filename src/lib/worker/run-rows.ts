import type { MicroBatch, Part } from '../batch/planner.js';
import { hasTrait } from '../core/error-table.js';
import { InferError } from '../core/errors.js';
import type { RunReply } from '../model/runner.js';
import type { HeldJob } from './held-jobs.js';
import { isCurable } from './retry.js';

/** Which of the `rows` rows of a run, starting at `first`, failed with `code`. */
export function rowsWith(
  errors: ReadonlyMap<number, InferError>,
  code: string,
  first: number,
  rows: number,
): number[] {
  if (errors.size === 0) return [];
  return Array.from({ length: rows }, (_, at) => first + at).filter((row) => errors.get(row)?.code === code);
}

/** The rows of a run that have an output, as ranges of their jobs; `failed` counts within the run. */
export function goodRows(parts: readonly Part<HeldJob>[], failed: ReadonlySet<number>): Part<HeldJob>[] {
  if (failed.size === 0) return [...parts];
  const good: Part<HeldJob>[] = [];
  let first = 0;
  for (const { unit, from, rows } of parts) {
    for (let at = 0; at < rows; at++) {
      if (failed.has(first + at)) continue;
      const last = good.at(-1);
      if (last?.unit === unit && last.from + last.rows === from + at) last.rows += 1;
      else good.push({ unit, from: from + at, rows: 1 });
    }
    first += rows;
  }
  return good;
}

/**
 * A model that does not return exactly one output row per input row would assign results to the wrong jobs.
 */
export function checkRows(reply: RunReply, batch: MicroBatch<HeldJob>): void {
  const rows = reply.outputs.rows + reply.failed.length;
  if (rows === batch.rows) return;
  throw new InferError('OUTPUT_ROWS', `the model answered ${rows} rows to ${batch.rows}`, {
    hint: 'declare "batchable": false in its model.json',
  });
}

/** Whether a row failed because of the model or its handler. */
export function isOwnFailure(error: unknown): boolean {
  if (!(error instanceof InferError)) return true;
  return !hasTrait(error.code, 'not-the-rows') && !isCurable(error.code);
}
