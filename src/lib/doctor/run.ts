import { answerWithin } from '../core/bounded.js';
import { InferError, messageOf } from '../core/errors.js';
import { formatDuration } from '../core/units.js';
import { type Check, type CheckResult, fail, type Judgement, skip } from './check.js';
import type { DoctorContext } from './context.js';
import { Unmet } from './unmet.js';

const LIMIT_MS = 5000;

/**
 * Runs all checks concurrently, each within its time limit, and returns the results in the given order. Never
 * throws: an error of a check is its finding.
 * @param limitMs for checks without their own limit.
 */
export function runChecks(
  checks: readonly Check[],
  context: DoctorContext,
  limitMs: number = LIMIT_MS,
): Promise<CheckResult[]> {
  return Promise.all(checks.map((check) => runOne(check, context, check.limitMs ?? limitMs)));
}

async function runOne(check: Check, context: DoctorContext, limitMs: number): Promise<CheckResult> {
  const started = performance.now();
  const { id, topic, title } = check;
  // In its own promise, so that a check that throws synchronously is no different.
  const answer = (async () => check.run(context))().catch((error: unknown) => thrown(error));
  const judgement = await answerWithin(limitMs, answer, () => noAnswer(limitMs));
  return { id, topic, title, ...judgement, ms: Math.round(performance.now() - started) };
}

function noAnswer(limitMs: number): Judgement & { timedOut: true } {
  const hint = 'try again; if it stays so, what it asks hangs';
  return { ...fail(`no answer in ${formatDuration(limitMs)}`, hint), timedOut: true };
}

function thrown(error: unknown): Judgement {
  if (error instanceof Unmet) return skip(error.message);
  if (error instanceof InferError) return fail(error.message, error.hint);
  return fail(
    `the check itself failed: ${messageOf(error).split('\n', 1)[0]}`,
    'this is a bug in infer: please report it with infer doctor --report',
  );
}
