import { CATALOGUE } from './catalogue.js';
import type { CheckResult } from './check.js';
import { type ContextOptions, openContext } from './context.js';
import { describeEnvironment, type Environment } from './environment.js';
import { runChecks } from './run.js';
import { selectChecks } from './select.js';
import { judge, type Verdict } from './verdict.js';

export interface Diagnosis {
  results: CheckResult[];
  verdict: Verdict;
  environment: Environment;
  /** How long all of it took. */
  ms: number;
}

/**
 * Runs the checks selected by `named`, or all when it is empty, and summarises them. Read-only; leaves
 * nothing open, except what an abandoned check may still hold.
 * @param limitMs time limit of a check without its own.
 * @throws InferError CHECK_UNKNOWN (exit 2).
 */
export async function diagnose(options: ContextOptions, limitMs?: number): Promise<Diagnosis> {
  const started = performance.now();
  const checks = selectChecks(CATALOGUE, options.named ?? []);
  const context = openContext(options);
  try {
    const results = await runChecks(checks, context, limitMs);
    const environment = await describeEnvironment(context);
    return { results, verdict: judge(results), environment, ms: Math.round(performance.now() - started) };
  } finally {
    await context.close();
  }
}
