import { CAPABILITIES, type Capability, type CheckResult, type CheckStatus } from './check.js';

/** The summary of the findings. */
export interface Verdict {
  /** False when a check failed. */
  ok: boolean;
  counts: Record<CheckStatus, number>;
  ready: Capability[];
  notReady: { what: Capability[]; because: string }[];
}

/** Checks that must have run before a capability is reported as ready. */
const NEEDS: Record<Capability, readonly string[]> = {
  submit: ['redis-reach'],
  results: ['redis-reach'],
  inspect: ['redis-reach'],
  'CPU workers': ['redis-reach', 'models-found', 'models-runtime', 'models-load'],
  'GPU workers': ['redis-reach', 'models-found', 'models-runtime', 'models-load', 'gpu-run'],
};

/**
 * What is ready and what is not, with the first reason for each. Nothing is said about capabilities not
 * covered by the checks, such as workers when only `redis` was requested.
 */
export function judge(results: readonly CheckResult[]): Verdict {
  const counts: Verdict['counts'] = { ok: 0, warn: 0, fail: 0, skip: 0 };
  for (const result of results) counts[result.status] += 1;
  const ready: Capability[] = [];
  const reasons = new Map<string, Capability[]>();
  for (const what of CAPABILITIES) {
    const blocker = results.find((result) => result.blocks?.includes(what)) ?? failedNeed(results, what);
    if (blocker !== undefined) {
      reasons.set(blocker.found, [...(reasons.get(blocker.found) ?? []), what]);
    } else if (NEEDS[what].every((id) => results.some((result) => result.id === id))) ready.push(what);
  }
  return {
    ok: counts.fail === 0,
    counts,
    ready,
    notReady: [...reasons].map(([because, what]) => ({ what, because })),
  };
}

/**
 * A check that was abandoned or is itself broken blocks what needs it, whatever its result would have been.
 * One that explicitly blocks nothing (a broken model among good ones) does not.
 */
function failedNeed(results: readonly CheckResult[], what: Capability): CheckResult | undefined {
  return results.find(
    ({ id, status, blocks }) => NEEDS[what].includes(id) && status === 'fail' && blocks?.length !== 0,
  );
}
