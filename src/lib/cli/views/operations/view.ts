import { ExitCode } from '../../../core/exit-codes.js';
import type { Layout } from '../../output/text.js';

/** Output for an operation, done or planned. */
export interface Shown {
  /** For standard output. */
  lines: readonly string[];
  json: Record<string, unknown>;
  exitCode?: ExitCode | undefined;
}

/** The texts of one operation on a terminal. */
export interface OperationView<Plan, Outcome, Preview> {
  /** The action that needs consent: `cancels 1,200 jobs of batch`. */
  danger?(plan: Plan): string;
  /** Not wrong, but possibly surprising. */
  warnings?(plan: Plan): readonly string[];
  /** Label of the bar for work on many jobs: `purging`. */
  readonly label?: string;
  preview(preview: Preview, layout: Layout): Shown;
  done(outcome: Outcome, layout: Layout): Shown;
}

/** 3 if jobs of a newer infer were left alone, 1 if no other job was changed. */
export function leftAloneExit(changed: number, newer: number): ExitCode | undefined {
  if (newer === 0) return undefined;
  return changed > 0 ? ExitCode.Partial : ExitCode.Negative;
}
