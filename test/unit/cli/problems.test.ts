import { describe, expect, it } from 'vitest';
import { findProblems } from '../../../src/lib/cli/views/problems.js';
import type { WorkerRecord } from '../../../src/lib/queue/broker.js';
import type { QueueSnapshot } from '../../../src/lib/queue/inspector.js';

const NOW = 1_700_000_000_000;
const REDIS = {
  label: 'redis://h',
  source: 'flag',
  version: '7',
  usedMemoryBytes: 1,
  maxMemoryBytes: 100,
  policy: 'noeviction',
};

function problems(queues: Partial<QueueSnapshot>[], workers: Partial<WorkerRecord>[], redis = REDIS) {
  const found = findProblems({
    at: NOW,
    redis,
    queues: queues.map((queue) => ({
      ...{ name: 'q', waiting: 0, active: 0, paused: false, ratePerSecond: null, oldestMs: undefined },
      ...queue,
    })) as QueueSnapshot[],
    workers: workers.map((worker) => ({
      ...{ name: 'w', host: 'h', pid: 7, state: 'ready', beatAt: NOW - 500, loopLagMs: 3 },
      ...{ queues: ['q'], active: [] },
      ...worker,
    })) as WorkerRecord[],
  });
  return found.map(({ code, message, fix }) => [code, message, fix]);
}

const backlog = { waiting: 1200, oldestMs: 60_000 };
const active = [{ id: 'j', queue: 'q', model: 'm', rows: 1, sinceMs: 1, attempt: 1 }];

describe('what is wrong', () => {
  it('is nothing while jobs wait and are done', () => {
    expect(problems([{ ...backlog, ratePerSecond: 5 }], [{}])).toEqual([]);
  });

  it('is a worker that is alive and takes nothing', () => {
    expect(problems([backlog], [{}])).toEqual([
      [
        'WORKERS_IDLE',
        'queue q has jobs waiting (1,200, the oldest for 1m 0s) and w is alive and takes none',
        'infer control restart w',
      ],
    ]);
  });

  it.each<[string, Partial<QueueSnapshot>, Partial<WorkerRecord>]>([
    ['has only just come', { oldestMs: 1000 }, {}],
    ['waits in a paused queue', { paused: true }, {}],
    ['waits behind a long run', {}, { active }],
    ['waits beside jobs in hand', { active: 2 }, {}],
  ])('is not a job that %s', (_, queue, worker) => {
    const codes = problems([{ ...backlog, ...queue }], [worker]).map(([code]) => code);
    expect(codes).not.toContain('WORKERS_IDLE');
  });

  it('is a worker that is heard of no more, which serves nobody', () => {
    expect(problems([backlog], [{ name: 'gone', beatAt: NOW - 9000 }])).toMatchObject([
      ['QUEUE_UNSERVED', 'queue q has jobs waiting (1200) and no worker listens to it', 'infer worker -Q q'],
      [
        'WORKER_SILENT',
        expect.stringContaining('worker gone has not been heard of for 9 s'),
        expect.anything(),
      ],
    ]);
  });

  it('is an event loop that is late', () => {
    const [problem] = problems([], [{ loopLagMs: 450 }]);
    expect(problem?.slice(0, 2)).toEqual([
      'LOOP_LAG',
      'worker w was blocked for 450 ms: locks and urgent jobs come late',
    ]);
    expect(problems([], [{ loopLagMs: 150 }])).toEqual([]);
  });

  it('is a paused queue, the more so with jobs in it', () => {
    expect(problems([{ ...backlog, paused: true }], [{}])[0]).toEqual([
      'QUEUE_PAUSED',
      'queue q is paused and 1,200 jobs wait in it',
      'infer control resume q',
    ]);
  });
});
