import { describe, expect, it } from 'vitest';
import { nextPageCommand } from '../../../src/lib/cli/inspect/next-page.js';
import { renderList } from '../../../src/lib/cli/output/list-format.js';
import { plain } from '../../../src/lib/cli/output/text.js';
import { visibleWidth } from '../../../src/lib/cli/output/width.js';
import { failuresView } from '../../../src/lib/cli/views/failures-view.js';
import { inspectedGroupView } from '../../../src/lib/cli/views/inspected-group.js';
import { activeList, failedList, jobsList } from '../../../src/lib/cli/views/job-lists.js';
import { jobView } from '../../../src/lib/cli/views/job-view.js';
import { groupFailures } from '../../../src/lib/deployment/failures.js';
import type { PlacedJob } from '../../../src/lib/deployment/read-job.js';
import type { GroupDetail } from '../../../src/lib/queue/read/group-detail.js';
import type { JobRecord } from '../../../src/lib/queue/types.js';
import { PIPED } from '../../support/layout.js';

const NOW = 1_700_000_000_000;
const tty = (width: number) => ({ tty: true, width, paint: plain });

const job = (more: Partial<JobRecord> = {}): JobRecord => ({
  id: 'j1m81yd95a0005y1253mz7pkzg',
  queue: 'realtime',
  state: 'waiting',
  model: 'digits',
  rows: 1,
  priority: 9,
  submittedAt: NOW - 65_000,
  attempts: 0,
  ...more,
});

const failed = (code: string, agoMs: number, id: string, queue = 'batch') =>
  job({
    id,
    queue,
    state: 'failed',
    finishedAt: NOW - agoMs,
    attempts: 1,
    failure: { code, message: `it is ${code}` },
  });

describe('lists of jobs', () => {
  it('fit 80 columns as a table, and omit an empty error column', () => {
    const lines = renderList(
      jobsList(NOW),
      [job(), job({ state: 'active', startedAt: NOW - 5 })],
      'table',
      tty(80),
    );
    expect(lines.every((line) => visibleWidth(line) <= 80)).toBe(true);
    expect(lines[0]).toMatch(/^ID +STATE +QUEUE +MODEL +ROWS +PRIO +AGE$/);
    expect(renderList(jobsList(NOW), [job()], 'table', PIPED)[0]).toBe(
      'ID\tSTATE\tQUEUE\tMODEL\tROWS\tPRIO\tAGE\tERROR\tNEEDS',
    );
    expect(renderList(jobsList(NOW), [failed('X', 5, 'a')], 'table', tty(120))[1]).toContain('ERROR');
  });

  it('become records at 20 columns, and are unlimited at 0', () => {
    const lines = renderList(jobsList(NOW), [job()], 'table', tty(20));
    expect(lines).toContain('STATE  waiting');
    expect(renderList(activeList(NOW), [], 'table', tty(20))).toEqual(['nothing runs']);
    const unsized = renderList(failedList(NOW), [failed('X', 5, 'a')], 'wide', tty(Number.POSITIVE_INFINITY));
    expect(unsized.join('\n')).toContain('it is X');
  });

  it('name the release that a job of a newer layout needs', () => {
    const newer = job({ newer: { number: 2, since: '9.8.0' } });
    const [head, row] = renderList(jobsList(NOW), [newer], 'table', PIPED);
    expect([head, row]).toEqual([
      expect.stringMatching(/\tNEEDS$/),
      expect.stringMatching(/\tinfer 9\.8\.0$/),
    ]);
    expect(renderList(jobsList(NOW), [job()], 'table', tty(120)).join()).not.toContain('NEEDS');
    expect(jobsList(NOW).json?.(newer)).toMatchObject({ state: 'waiting', newer: { since: '9.8.0' } });
    expect(jobsList(NOW).json?.(job())).toMatchObject({ newer: null });
  });

  it('mark a lost lock', () => {
    const active = {
      ...job({ state: 'active', startedAt: NOW - 90_000, worker: 'one' }),
      device: 'cpu',
      lockMs: null,
    };
    expect(renderList(activeList(NOW), [active], 'table', PIPED)[1]).toMatch(
      /\tone\tcpu\t-\t1m 30s\tlost\t-$/,
    );
  });
});

describe('failure groups', () => {
  const jobs = [
    failed('OOM', 1000, 'a'),
    failed('BAD', 2000, 'b', 'realtime'),
    failed('BAD', 60_000, 'c'),
    failed('BAD', 50_000, 'd'),
  ];

  it('are sorted by count, each with the command that retries them', () => {
    expect(groupFailures(jobs)).toMatchObject([
      {
        code: 'BAD',
        jobs: 3,
        queues: ['realtime', 'batch'],
        firstAt: NOW - 60_000,
        lastAt: NOW - 2000,
        example: 'b',
        fix: 'infer retry --failed -Q realtime,batch --error BAD',
      },
      { code: 'OOM', jobs: 1, fix: 'infer retry a' },
    ]);
    expect(groupFailures([])).toEqual([]);
  });

  it('show how many failures they cover', () => {
    const lines = failuresView(groupFailures(jobs), { looked: 4, total: 12_000 }, tty(80), NOW);
    expect(lines[0]).toBe('Failed jobs by error, of the last 4 of 12,000');
    expect(lines.join('\n')).toContain('it is OOM');
    expect(failuresView(groupFailures(jobs), { looked: 4, total: 4 }, tty(20), NOW)[0]).toBe(
      'Failed jobs by error',
    );
  });
});

it('the command for the next page repeats the arguments, quoted, without a password', () => {
  const argv = ['-m', "it's", '--cursor', 'old', '--redis', 'redis://u:secret@h', '--cursor=older'];
  expect(nextPageCommand('inspect:jobs', argv, 'new')).toBe(
    "infer inspect jobs -m 'it'\\''s' --redis 'redis://***@h' --cursor new",
  );
});

const DETAIL: PlacedJob = {
  ...job(),
  failures: 0,
  losses: 1,
  cancelAsked: true,
  deadline: NOW + 60_000,
  attemptsAllowed: 3,
  position: { jobsAhead: 1199, rowsAheadEstimate: 300_000 },
  eta: {
    startMs: { p50: 12_000, p90: 20_000 },
    endMs: { p50: 12_500, p90: 21_000 },
    basis: '100 jobs/s over 60 s, 2 workers',
  },
  noEta: null,
  why: { code: 'AHEAD_SAME', text: '1,199 jobs of its own priority are first', fix: null },
  input: { bytes: 2048, expiresInMs: null },
  recordExpiresInMs: null,
  timeline: {
    forgotten: 2,
    events: [
      { at: NOW - 65_000, event: 'submitted' },
      { at: NOW - 60_000, event: 'started', worker: 'on\u001be', attempt: 3 },
      { at: NOW - 50_000, event: 'lost', worker: 'on\u001be' },
    ],
  },
};

describe('the job view', () => {
  it('shows place, deadline and timeline', () => {
    const text = jobView(DETAIL, undefined, tty(80), NOW).join('\n');
    expect(text).toMatch(/^position +1,199 jobs ahead in its queue, about 300,000 rows$/m);
    expect(text).toMatch(/^why +1,199 jobs of its own priority are first$/m);
    expect(text).toMatch(
      /^starts +in about 12 s, 9 of 10 within 20 s \(100 jobs\/s over 60 s, 2 workers\)$/m,
    );
    expect(text).toMatch(/^ends +in about 12.5 s, 9 of 10 within 21 s$/m);
    expect(text).not.toMatch(/^(no ETA|try)/m);
    expect(text).toContain('0 of 3, 1 worker lost');
    expect(text).toContain('2.0 KB, kept until it ends'.replace('2.0', '2'));
    expect(text).toContain('2 earlier holds on it, without details');
    expect(text).toMatch(/ \+5 s {2}started on on\\x1be, attempt 3\n/);
    expect(text).toMatch(/\+15 s {2}lost its worker on\\x1be$/m);
    expect(text).not.toContain('Input');
  });

  it('says once why it waits, with the command that helps', () => {
    const text = 'queue scans is paused';
    const why = { code: 'PAUSED', text, fix: 'infer control resume scans' } as const;
    const paused = { ...DETAIL, eta: null, noEta: why, why } as const;
    const shown = jobView(paused, undefined, PIPED, NOW).join('\n');
    expect(shown.split(text)).toHaveLength(2);
    expect(shown).toMatch(/^try\W+infer control resume scans$/m);
    const noEta = { code: 'LEARNING', text: 'nothing is measured', fix: null } as const;
    const learning = jobView({ ...DETAIL, eta: null, noEta }, undefined, PIPED, NOW).join('\n');
    expect(learning).toMatch(/^no ETA\W+nothing is measured$/m);
    const { position: _, eta: __, noEta: ___, why: ____, ...begun } = DETAIL;
    expect(jobView(begun, undefined, PIPED, NOW).join('\n')).not.toMatch(/^(position|why|starts|no ETA)/m);
  });

  it('shows a requested payload in printable form', () => {
    const preview = { name: 'x', type: 'string', shape: [2], bytes: 9, values: ['a\u001b'], cut: true };
    expect(jobView(DETAIL, [preview], PIPED, NOW).join('\n')).toContain('x string[2] 9 B: "a\\u001b", …');
    expect(jobView(DETAIL, null, PIPED, NOW).at(-1)).toContain('no longer kept');
  });
});

it('the view of a running group shows progress, rate and time left', () => {
  const group: GroupDetail = {
    id: 'g1',
    queue: 'batch',
    model: 'digits',
    priority: 0,
    state: 'active',
    rows: 1000,
    jobs: 12_000,
    closed: true,
    rowsDone: 250,
    jobsCompleted: 2,
    jobsFailed: 1,
    submittedAt: NOW - 10_000,
    looked: 10_000,
    chunks: { waiting: 7, delayed: 0, active: 1, completed: 2, failed: 1, expired: 0, cancelled: 0, gone: 0 },
    failed: [
      {
        id: 'g1-3',
        index: 3,
        state: 'failed',
        finishedAt: NOW,
        attempts: 1,
        failure: { code: 'BAD', message: 'no' },
      },
    ],
    errors: [{ code: 'BAD', chunks: 1, example: 'g1-3' }],
    firstStartAt: NOW - 5000,
    rowsPerSecond: 50,
    etaMs: 15_000,
    expiresInMs: null,
  };
  const text = inspectedGroupView(group, tty(80), NOW).join('\n');
  expect(text).toContain('250 of 1,000 done (25 %)');
  expect(text).toContain('7 waiting, 1 active, 2 completed, 1 failed (of the first 10,000 of 12,000)');
  expect(text).toContain('50 rows/s, about 15 s to go');
  expect(text).toContain('infer retry g1');
  const open = inspectedGroupView({ ...group, closed: false, errors: [] }, tty(20), NOW).join('\n');
  expect(open).toContain('still being submitted');
  expect(open).not.toContain('retry');
});
