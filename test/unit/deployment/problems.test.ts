import { describe, expect, it } from 'vitest';
import type { Overview } from '../../../src/lib/deployment/overview.js';
import { findProblems } from '../../../src/lib/deployment/problems.js';
import type { AutoscalerRecord } from '../../../src/lib/queue/autoscalers.js';
import type { QueueSnapshot } from '../../../src/lib/queue/read/inspector.js';
import type { WorkerRecord } from '../../../src/lib/queue/types.js';

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
    autoscalers: [],
    lapsed: [],
    queues: queues.map((queue) => ({
      ...{ name: 'q', waiting: 0, active: 0, paused: false, ratePerSecond: null, oldestMs: undefined },
      ...queue,
    })) as QueueSnapshot[],
    workers: workers.map((worker) => ({
      ...{ name: 'w', host: 'h', pid: 7, state: 'ready', beatAt: NOW - 500, loopLagMs: 3 },
      ...{ queues: ['q'], active: [], models: [] },
      ...worker,
    })) as WorkerRecord[],
  });
  return found.map(({ code, message, fix }) => [code, message, fix]);
}

const backlog = { waiting: 1200, oldestMs: 60_000 };
const active = [{ id: 'j', queue: 'q', model: 'm', rows: 1, sinceMs: 1, attempt: 1 }];

describe('problems of a deployment', () => {
  it('include a clock that is off, of a host or of this machine', () => {
    const off = findProblems({
      at: NOW,
      clockAheadMs: -2000,
      redis: REDIS,
      queues: [],
      lapsed: [],
      autoscalers: [
        { host: 'c', clockAheadMs: 999, troubles: [], decidedAt: NOW },
      ] as unknown as AutoscalerRecord[],
      workers: ['a', 'a', 'b'].map((host) => ({
        ...{ name: 'w', host, pid: 7, state: 'ready', beatAt: NOW, loopLagMs: 3, queues: ['q'] },
        ...{ active: [], models: [], clockAheadMs: host === 'a' ? 3_600_000 : 5 },
      })) as unknown as WorkerRecord[],
    });
    const clocks = off.filter(({ code }) => code === 'CLOCK_OFF').map(({ message }) => message);
    expect(clocks).toEqual([
      expect.stringMatching(/^the clock of host a is 1h 0m ahead of Redis's clock/),
      expect.stringMatching(/^the clock of this machine is 2 s behind Redis's clock/),
    ]);
  });

  it('include data that Redis lost, all of it or the last writes', () => {
    const losses = [
      { kind: 'part', from: NOW - 9000, seenAt: NOW - 8500, noticedAt: NOW - 8000 },
      { kind: 'all', from: 0, seenAt: NOW - 62_000, noticedAt: NOW - 60_000 },
    ] as const;
    const found = findProblems({
      ...{ at: NOW, redis: REDIS, queues: [], workers: [], autoscalers: [], lapsed: [] },
      losses,
    }).filter(({ code }) => code === 'DATA_LOST');
    expect(found).toEqual([
      {
        code: 'DATA_LOST',
        message: expect.stringMatching(/^Redis went back to an older state 8 s ago, at .* may be lost$/),
        fix: expect.stringContaining('infer redis-tune'),
      },
      {
        code: 'DATA_LOST',
        message: expect.stringMatching(/^Redis lost all data 1m 0s ago, between .* are gone$/),
        fix: expect.stringContaining('submit that work again'),
      },
    ]);
  });

  it('name a clock once per host, by its newest record, and here by this machine only', () => {
    const worker = (host: string, beatAt: number, clockAheadMs?: number) => ({
      ...{ name: 'w', host, pid: 7, state: 'ready', beatAt, loopLagMs: 3, queues: ['q'] },
      ...{ active: [], models: [], clockAheadMs },
    });
    const clocksOf = (...workers: object[]) =>
      findProblems({
        ...{ at: NOW, host: 'here', clockAheadMs: 60_000, redis: REDIS, queues: [], lapsed: [] },
        autoscalers: [],
        workers: workers as unknown as WorkerRecord[],
      })
        .filter(({ code }) => code === 'CLOCK_OFF')
        .map(({ message }) => /clock of (.*) is (.*) ahead/.exec(message)?.slice(1).join(' '));
    expect(clocksOf(worker('here', NOW, 60_001))).toEqual(['this machine 1m 0s']);
    // An older version does not report it; a silent worker reports old data.
    expect(clocksOf(worker('b', NOW - 9, 5000), worker('b', NOW))).toEqual([
      'host b 5 s',
      'this machine 1m 0s',
    ]);
    expect(clocksOf(worker('b', NOW, 3), worker('b', NOW - 9000, 5000))).toEqual(['this machine 1m 0s']);
  });

  it('do not include jobs that wait while others complete', () => {
    expect(problems([{ ...backlog, ratePerSecond: 5 }], [{}])).toEqual([]);
  });

  it('include a model that a worker cannot serve, that changed, or that differs between workers', () => {
    const one = { code: 'MODEL_LOAD', message: 'it is empty', hint: 'copy it again' };
    const changed = {
      code: 'MODEL_CHANGED',
      message: 'm@1 changed',
      hint: 'infer control load WORKER m serves it',
    };
    const modelProblems = [
      { model: 'm', version: 1, ...changed, served: true },
      { model: 'bad', version: null, ...one, served: false },
    ];
    const serves = (digest: string) => [{ name: 'm', version: 1, batch: 8, digest }];
    const workers = [
      { name: 'a', models: serves('aa'), modelProblems },
      { name: 'b', models: serves('bb') },
    ];
    expect(problems([], workers)).toEqual([
      ['MODEL_UNSERVED', 'worker a does not serve bad: it is empty', 'copy it again'],
      ['MODEL_CHANGED', 'worker a: m@1 changed', 'infer control load a m serves it'],
      [
        'MODEL_MIXED',
        'model m@1 is served from different files: 1 (aa) on a; 1 (bb) on b: which of them answers is chance',
        'infer control load a m',
      ],
    ]);
  });

  it('include a worker that is alive but takes no jobs', () => {
    expect(problems([backlog], [{}])).toEqual([
      [
        'WORKERS_IDLE',
        'queue q: 1,200 jobs wait (the oldest for 1m 0s) and w is alive and takes none',
        'infer control restart w',
      ],
    ]);
  });

  it.each<[string, Partial<QueueSnapshot>, Partial<WorkerRecord>]>([
    ['has only just come', { oldestMs: 1000 }, {}],
    ['waits in a paused queue', { paused: true }, {}],
    ['waits behind a long run', {}, { active }],
    ['waits while others run', { active: 2 }, {}],
  ])('do not include a job that %s', (_, queue, worker) => {
    const codes = problems([{ ...backlog, ...queue }], [worker]).map(([code]) => code);
    expect(codes).not.toContain('WORKERS_IDLE');
  });

  it('include a silent worker, once: its queue counts as served until its heartbeat expires', () => {
    expect(problems([backlog], [{ name: 'gone', beatAt: NOW - 9000 }])).toMatchObject([
      ['WORKER_SILENT', expect.stringContaining('worker gone has been silent for 9 s'), expect.anything()],
    ]);
  });

  it('include a late event loop', () => {
    const [problem] = problems([], [{ loopLagMs: 550 }]);
    expect(problem?.slice(0, 2)).toEqual([
      'LOOP_LAG',
      'worker w was blocked for 550 ms: locks and urgent jobs come late',
    ]);
    expect(problems([], [{ loopLagMs: 500 }])).toEqual([]);
  });

  it('include a model whose rows were seen to affect each other in service, not one found so at load', () => {
    const text = 'output y of a row changes by 12 %';
    const model = { name: 'm', version: 2, batch: 1 };
    const [problem] = problems([], [{ models: [{ ...model, unbatched: { reason: 'ROWS_MIXED', text } }] }]);
    expect(problem).toEqual([
      'ROWS_MIXED',
      expect.stringContaining(
        `m@2 one at a time since it found them to mix: ${text}; answers before that may be wrong`,
      ),
      expect.stringContaining('"batchable": false'),
    ]);
    expect(problems([], [{ models: [{ ...model, unbatched: { reason: 'mixes', text } }] }])).toEqual([]);
  });

  it('include a paused queue, more severe with jobs in it', () => {
    expect(problems([{ ...backlog, paused: true }], [{}])[0]).toEqual([
      'QUEUE_PAUSED',
      'queue q is paused and 1,200 jobs wait in it',
      'infer control resume q',
    ]);
    expect(problems([{ ...backlog, waiting: 1, paused: true }], [{}])[0]?.[1]).toBe(
      'queue q is paused and 1 job waits in it',
    );
  });
});

describe('problems of autoscalers', () => {
  const record = (facts: Partial<AutoscalerRecord>): AutoscalerRecord => ({
    id: 'box/rt-1234',
    host: 'box',
    pid: 7,
    pool: 'rt',
    queues: ['rt', 'batch'],
    policy: 'predictive',
    dryRun: false,
    min: 1,
    max: 4,
    targetWaitMs: 10_000,
    intervalMs: 2000,
    startedAt: NOW - 60_000,
    decidedAt: NOW - 1500,
    desired: 2,
    hold: null,
    reason: 'rt 2: enough',
    workers: [],
    troubles: [],
    ...facts,
  });
  const found = (facts: Partial<AutoscalerRecord>, lapsed: Overview['lapsed'] = []) =>
    findProblems({
      at: NOW,
      redis: REDIS,
      queues: [],
      workers: [
        {
          name: 'w',
          state: 'ready',
          beatAt: NOW,
          loopLagMs: 1,
          queues: [],
          active: [],
          models: [],
        } as unknown as WorkerRecord,
      ],
      autoscalers: lapsed.length > 0 ? [] : [record(facts)],
      lapsed,
    }).map(({ code, message, fix }) => [code, message, fix]);

  it.each<[string, Partial<AutoscalerRecord>]>([
    ['decides', {}],
    ['stops nothing for a while after an outage', { hold: 'recovering' }],
    ['decides once a minute', { intervalMs: 60_000, decidedAt: NOW - 100_000 }],
    ['backs off', { troubles: [{ slot: 'cpu-1', state: 'backing off', reason: 'failure 1' }] }],
    ['leaves a GPU to others', { troubles: [{ slot: 'GPU-1', state: 'in use', reason: 'by worker x' }] }],
  ])('do not include one that %s', (_, facts) => {
    expect(found(facts)).toEqual([]);
  });

  it('include one that holds because its data is old', () => {
    expect(found({ hold: 'stale', reason: 'rt 2: what is known of the queue is 9s old' })).toEqual([
      [
        'AUTOSCALER_HOLDS',
        'autoscaler of rt on box starts and stops nothing: rt 2: what is known of the queue is 9s old',
        'see why Redis answers late from box: infer doctor redis',
      ],
    ]);
  });

  it('include a slot that was given up, with its log line, and a GPU that disappeared', () => {
    const failed = { slot: 'GPU-1', state: 'failed' as const, reason: '5 failures in a row' };
    const gone = { slot: 'GPU-2', state: 'gone' as const, reason: 'nvidia-smi no longer lists it' };
    expect(found({ troubles: [{ ...failed, last: 'exit code 66 | no models' }, gone] })).toEqual([
      [
        'AUTOSCALER_PLACE_FAILED',
        'no worker starts on GPU-1 of autoscaler rt on box: 5 failures in a row, the last: exit code 66 | no models',
        'fix that and start infer autoscale -Q rt,batch on box again: it tries once more',
      ],
      [
        'AUTOSCALER_GPU_GONE',
        'GPU-2 of autoscaler rt on box is gone: nvidia-smi no longer lists it',
        'on box: infer doctor gpu, and sudo dmesg | grep -i xid',
      ],
    ]);
    expect(found({ troubles: [failed] })[0]?.[1]).toMatch(/: 5 failures in a row$/);
  });

  it('include a silent autoscaler, before and after its record expired', () => {
    const fix = 'infer autoscale -Q rt,batch on box takes its workers over';
    expect(found({ decidedAt: NOW - 12_000 })).toEqual([
      [
        'AUTOSCALER_SILENT',
        expect.stringMatching(/^autoscaler of rt on box has been silent for 12 s: /),
        fix,
      ],
    ]);
    expect(found({}, [{ id: 'box/rt-1234', decidedAt: NOW - 90_000 }])).toEqual([
      [
        'AUTOSCALER_SILENT',
        expect.stringMatching(
          /^autoscaler box\/rt-1234 has been silent for 1m 30s: .* its workers keep running$/,
        ),
        'infer autoscale on box takes its workers over',
      ],
    ]);
  });
});
