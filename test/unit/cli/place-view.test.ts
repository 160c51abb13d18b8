import { describe, expect, it } from 'vitest';
import { placeLine } from '../../../src/lib/cli/views/place-view.js';
import type { JobPlace } from '../../../src/lib/deployment/place/job-place.js';

const spread = (p50: number, p90: number) => ({ p50, p90 });
const place = (more: Partial<JobPlace> = {}): JobPlace => ({
  position: { jobsAhead: 2, rowsAheadEstimate: 2 },
  eta: { startMs: spread(5000, 9000), endMs: spread(6000, 9999), basis: '2 jobs/s over 60 s, 1 worker' },
  noEta: null,
  why: { code: 'AHEAD_SAME', text: '2 jobs of its own priority are first', fix: null },
  ...more,
});
const fix = 'infer worker -Q q';
const nobody = { code: 'NO_WORKER', text: 'no worker serves queue q now', fix } as const;
const delayed = { code: 'DELAYED', text: 'it may start in 1 h', fix: null } as const;

describe('the line of submit', () => {
  it.each<[string, Partial<JobPlace>, string | undefined, boolean]>([
    [
      'what is first, and when it starts',
      {},
      '2 jobs of its own priority are first; it starts in about 5 s, 9 of 10 within 9 s (2 jobs/s over 60 s, 1 worker)',
      false,
    ],
    [
      'nothing where it starts within a second',
      { eta: { startMs: spread(999, 9000), endMs: spread(999, 9000), basis: '' } },
      undefined,
      false,
    ],
    ['nothing where a worker takes it', { why: { code: 'STARTING', text: '', fix: null } }, undefined, false],
    ['nothing of a delay that was asked for', { position: null, why: delayed }, undefined, false],
    [
      'what stops the queue, and the command',
      { eta: null, noEta: nobody, why: nobody },
      'no worker serves queue q now; the job waits. Try: infer worker -Q q',
      true,
    ],
    [
      'that also behind a delay',
      { position: null, eta: null, noEta: nobody, why: delayed },
      'no worker serves queue q now; the job waits. Try: infer worker -Q q',
      true,
    ],
    [
      'why there is no ETA',
      { eta: null, noEta: { code: 'LEARNING', text: 'nothing is measured', fix: null } },
      '2 jobs of its own priority are first; its start cannot be estimated: nothing is measured',
      false,
    ],
  ])('%s', (_, more, text, blocked) => {
    expect(placeLine(place(more))).toEqual(text === undefined ? undefined : { text, blocked });
  });
});
