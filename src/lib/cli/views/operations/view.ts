import type { ExitCode } from '../../../core/exit-codes.js';
import type { Layout } from '../../output/text.js';

/** What is shown of an operation, done or planned. */
export interface Shown {
  /** For standard output. */
  lines: readonly string[];
  json: Record<string, unknown>;
  exitCode?: ExitCode | undefined;
}

/** The words of one operation on a terminal. */
export interface OperationView<Plan, Outcome, Preview> {
  /** What needs consent: `cancels 1,200 jobs of batch`. */
  danger?(plan: Plan): string;
  /** What is not wrong but may surprise. */
  warnings?(plan: Plan): readonly string[];
  /** Of the bar for work on many jobs: `purging`. */
  readonly label?: string;
  preview(preview: Preview, layout: Layout): Shown;
  done(outcome: Outcome, layout: Layout): Shown;
}
