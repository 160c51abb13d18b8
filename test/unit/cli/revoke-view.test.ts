import { expect, it } from 'vitest';
import type { Layout } from '../../../src/lib/cli/output/text.js';
import { purgeView } from '../../../src/lib/cli/views/operations/purge-view.js';
import { revokeView } from '../../../src/lib/cli/views/operations/revoke-view.js';
import type { RevokePlan } from '../../../src/lib/operations/revoke-jobs.js';

it.each([
  [{ cancelled: 2, active: 1, newer: 0 }, undefined],
  [{ cancelled: 0, active: 0, newer: 0 }, undefined],
  [{ cancelled: 0, active: 1, newer: 3 }, 3],
  [{ cancelled: 0, active: 0, newer: 3 }, 1],
])('revoking %j ends with exit code %s', (outcome, exitCode) => {
  const shown = revokeView.done({ ...outcome, ended: 0 }, {} as Layout);
  expect(shown.exitCode).toBe(exitCode);
});

it.each([
  [
    { jobs: 3, bound: 'exact', byState: { active: 1, waiting: 2 }, unread: 0 },
    'cancels 3 jobs (1 active, 2 waiting)',
  ],
  [
    { jobs: 1_000_000, bound: 'most', byState: { waiting: 999_999, delayed: 1 }, unread: 1_000_000 },
    'cancels at most 1,000,000 jobs (999,999 waiting, 1 delayed)',
  ],
  [
    { jobs: 1250, bound: 'least', byState: { waiting: 1250 }, unread: 997_500 },
    'cancels at least 1,250 jobs (1,250 waiting); 997,500 more jobs were not read and may match too',
  ],
  [
    { jobs: 0, bound: 'least', byState: {}, unread: 1 },
    'cancels an unknown number of jobs; 1 more job was not read and may match too',
  ],
] as const)('who is asked about a revoke is told what its number means: %j', (plan, text) =>
  expect(revokeView.danger?.(plan as unknown as RevokePlan)).toBe(text),
);

it.each([
  [true, 'cancels 1,200 waiting jobs of batch for good'],
  [false, 'cancels at most 1,200 waiting jobs of batch for good'],
])('who is asked about a purge is told whether its number is exact: %s', (isExact, text) =>
  expect(purgeView.danger?.({ queue: 'batch', jobs: { waiting: 1200, delayed: 0 }, isExact, newer: 0 })).toBe(
    text,
  ),
);
