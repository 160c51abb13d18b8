import { describe, expect, it } from 'vitest';
import { judgeMoving } from '../../../src/lib/doctor/checks/moving.js';
import { judgeFailed, judgePaused, judgeServed } from '../../../src/lib/doctor/checks/queues.js';
import { judgeLimits, judgeLocks } from '../../../src/lib/doctor/checks/running.js';
import type { ActiveJob } from '../../../src/lib/queue/read/job-active.js';
import { NOW, queue, worker } from './records.js';

describe('the check for jobs without a worker', () => {
  it.each([
    ['no queue at all', [], [], 'ok'],
    ['an empty queue without a worker', [queue()], [], 'ok'],
    ['a queue with a worker', [queue({ waiting: 3 })], [worker()], 'ok'],
    ['a queue without a worker', [queue({ waiting: 3 })], [], 'fail'],
    ['only delayed jobs and no worker', [queue({ delayed: 1 })], [], 'fail'],
    ['a worker of another queue', [queue({ waiting: 3 })], [worker({ queues: ['other'] })], 'fail'],
    ['a worker that leaves', [queue({ waiting: 3 })], [worker({ state: 'draining' })], 'fail'],
  ])('judges %s', (_, queues, workers, status) => {
    expect(judgeServed(queues, workers).status).toBe(status);
  });

  it('names queues without a worker and models without one at the same time', () => {
    const queues = [queue({ waiting: 1 }), queue({ name: 'b', waiting: 2, unmatched: { m: 2 } })];
    const { status, found, fix, details } = judgeServed(queues, [worker({ queues: ['b'], models: [] })]);
    expect([status, found]).toEqual([
      'fail',
      expect.stringMatching(/^queue q: 1 job waits .*\(and 1 more\)$/),
    ]);
    expect(details).toEqual([expect.stringMatching(/queue b.*model m/)]);
    expect(fix).toMatch(/^infer worker -Q q; infer /);
  });

  it('names the queues, and the command to start a worker', () => {
    const queues = [queue({ waiting: 1, oldestMs: 61_000 }), queue({ name: 'b', waiting: 12 })];
    expect(judgeServed(queues, [])).toEqual({
      status: 'fail',
      found: 'queue q: 1 job waits (the oldest for 1m 1s) and no worker serves it (and 1 more)',
      fix: 'infer worker -Q q,b',
      details: ['queue b: 12 jobs wait and no worker serves it'],
    });
  });
});

describe('the checks for paused queues and failed jobs', () => {
  it('report a paused queue with the jobs waiting in it', () => {
    const finding = judgePaused([queue({ paused: true, waiting: 2, oldestMs: 3_600_000 }), queue()]);
    expect(finding).toMatchObject({ status: 'warn', fix: 'infer control resume q' });
    expect(finding.found).toBe('queue q is paused: 2 jobs wait (the oldest for 1h 0m)');
    expect(judgePaused([queue()]).status).toBe('ok');
    expect(judgePaused([queue({ paused: true })]).found).toBe('queue q is paused: no job waits');
  });

  it('report failed jobs with the command that retries them', () => {
    const finding = judgeFailed([queue({ failed: 2 }), queue({ name: 'b', failed: 1 })]);
    expect(finding).toMatchObject({ status: 'warn', fix: 'infer retry --failed -Q q,b' });
    expect(finding.found).toContain('3 jobs have failed');
  });
});

describe('the check that workers take jobs', () => {
  const waiting = { waiting: 5, oldestMs: 10_000 };
  const later = { waiting: 5, oldestMs: 11_250 };
  const first = { queues: [queue(waiting)], workers: [worker()] };
  it.each([
    ['nothing moves', later, {}, 'fail'],
    ['more come in, none is taken', { ...later, waiting: 9 }, {}, 'fail'],
    ['fewer wait', { ...later, waiting: 4 }, {}, 'ok'],
    ['one is active', { ...later, active: 1 }, {}, 'ok'],
    ['one has ended', { ...later, completed: 1 }, {}, 'ok'],
    ['one has failed', { ...later, failed: 1 }, {}, 'ok'],
    ['the oldest is another', { ...later, oldestMs: 500 }, {}, 'ok'],
    ['its worker is busy elsewhere', later, { active: [{ id: 'x' }] }, 'ok'],
    ['its worker ends jobs of other queues', later, { jobsDone: 3 }, 'ok'],
    ['the queue is paused', { ...later, paused: true }, {}, 'skip'],
    ['its worker leaves', later, { state: 'draining' }, 'skip'],
    ['no worker serves it', later, { queues: ['other'] }, 'skip'],
  ])('judges %s: %s', (_, after, at, status) => {
    const second = { queues: [queue(after)], workers: [worker(at as object)] };
    expect(judgeMoving(first, second).status).toBe(status);
  });

  it('names queue and workers', () => {
    const second = { queues: [queue(later)], workers: [worker(), worker({ id: 'w2', name: 'beta' })] };
    const both = { ...first, workers: second.workers };
    expect(judgeMoving(both, second).found).toBe(
      'queue q: 5 jobs wait (the oldest for 11.3 s) and alpha, beta take none',
    );
  });
});

const job = (more: Partial<ActiveJob> = {}): ActiveJob => ({
  ...{ id: 'j1', queue: 'q', state: 'active', model: 'm', rows: 1, priority: 0, attempts: 1, device: 'cpu' },
  submittedAt: NOW - 40_000,
  startedAt: NOW - 30_000,
  lockMs: 9000,
  ...more,
});

describe('the check for active jobs without a lock', () => {
  const lost = job({ lockMs: null });
  it.each([
    ['none active', [], [], [], 'skip'],
    ['held', [job()], [job()], [worker()], 'ok'],
    ['lost, and no worker to take it over', [lost], [lost], [], 'fail'],
    ['lost, with a worker of the queue', [lost], [lost], [worker()], 'warn'],
    ['lost only now', [job()], [lost], [], 'ok'],
    ['taken again in between', [lost], [{ ...lost, startedAt: NOW }], [], 'ok'],
  ])('judges %s', (_, before, after, workers, status) => {
    expect(judgeLocks(before, after, workers).status).toBe(status);
  });
});

describe('the check for jobs beyond their time limit', () => {
  const running = (sinceMs: number) =>
    worker({ active: [{ id: 'j1', queue: 'q', model: 'm', rows: 1, sinceMs, attempt: 1 }] });
  it.each([
    ['no limit', job(), running(99_000), 'skip'],
    ['within', job({ timeLimitMs: 60_000 }), running(1000), 'ok'],
    // It was taken long ago and has only just started to run.
    ['taken early, started late', job({ timeLimitMs: 5000 }), running(1000), 'ok'],
    ['just over, about to be ended', job({ timeLimitMs: 1000 }), running(1500), 'ok'],
    ['far over', job({ timeLimitMs: 1000 }), running(9000), 'fail'],
    [
      'over since the last heartbeat',
      job({ timeLimitMs: 1000 }),
      { ...running(0), beatAt: NOW - 9000 },
      'fail',
    ],
    ['missing from every heartbeat', job({ timeLimitMs: 1000 }), worker(), 'fail'],
  ])('judges %s', (_, active, holder, status) => {
    expect(judgeLimits([active], [holder], NOW).status).toBe(status);
  });

  it('names job, worker and the command that ends it', () => {
    const finding = judgeLimits([job({ timeLimitMs: 1000 })], [running(9500)], NOW);
    expect(finding.found).toBe(
      'job j1 of q has run for 10 s with a limit of 1 s: worker alpha does not end it',
    );
    expect(finding.fix).toBe('on here: kill -9 7 (its jobs run again on another worker)');
  });
});
