import { describe, expect, it } from 'vitest';
import { judgePlace } from '../../../../src/lib/deployment/place/judge-place.js';
import { NO_ETA, WHY_CODES, type WhyCode } from '../../../../src/lib/deployment/place/reasons.js';
import { type Surroundings, sceneOf } from '../../../../src/lib/deployment/place/scene.js';
import type { QueuePulse, Standing } from '../../../../src/lib/queue/read/queue-pulse.js';
import type { WorkerRecord } from '../../../../src/lib/queue/types.js';
import { busyFor, counts, NOW, pulse, standing, work, worker } from './place-kit.js';

const NONE = { all: 0, moreUrgent: 0 };
const around = (more: Partial<Surroundings> = {}): Surroundings => ({
  at: NOW,
  workers: [worker()],
  starting: [],
  memory: { usedMemory: 1, maxMemory: 100 },
  ...more,
});

interface Case {
  job?: Partial<Standing>;
  queue?: Partial<QueuePulse>;
  around?: Partial<Surroundings>;
  lanes?: QueuePulse[];
  passed?: typeof NONE;
}

const judge = ({ job, queue, around: more, lanes = [], passed = NONE }: Case) => {
  const own = standing(job);
  const scene = sceneOf(
    own.route,
    pulse(queue, () => work(50, 200)),
    around(more),
    lanes,
  );
  return judgePlace({ job: own, passed }, scene, NOW);
};

describe('the reason', () => {
  const starting = { id: 's', name: 'new', queues: ['scans'], models: ['ocr'], beatAt: NOW };
  const realtime = pulse({ name: 'realtime', byPriority: counts({ 0: 7 }) }, () => work(10, 10));
  const lanes = { around: { workers: [busyFor(10, { queues: ['realtime', 'scans'] })] }, lanes: [realtime] };
  const cases: Record<WhyCode, [Case, text: string | RegExp, fix: string | null]> = {
    RETRY_AT: [
      { job: { state: 'delayed', tries: 1, failure: 'RUNNER_DIED', runAt: NOW + 4000, rank: undefined } },
      'its next attempt is in 4 s, after RUNNER_DIED',
      null,
    ],
    DELAYED: [
      { job: { state: 'delayed', runAt: NOW + 60_000, rank: undefined } },
      'it may start in 1m 0s',
      null,
    ],
    REDIS_FULL: [
      { around: { memory: { usedMemory: 2 ** 20, maxMemory: 2 ** 20 } } },
      'Redis refuses writes: 1 MB of 1 MB are used',
      'infer redis-tune',
    ],
    PAUSED: [{ queue: { paused: true } }, 'queue scans is paused', 'infer control resume scans'],
    MODEL_LOADING: [
      { around: { workers: [], starting: [starting] } },
      'new is starting and loading models',
      null,
    ],
    DRAINING: [
      { around: { workers: [worker({ state: 'draining' }), worker({ state: 'draining', name: 'gpu-b' })] } },
      'gpu-a, gpu-b are draining and take no new jobs',
      'infer worker -Q scans --model ocr',
    ],
    NO_WORKER: [{ around: { workers: [] } }, 'no worker serves queue scans now', 'infer worker -Q scans'],
    MODEL_NOT_SERVED: [
      { job: { route: 'ocr@2' } },
      'no worker of queue scans serves model ocr@2 now',
      'infer control load gpu-a ocr@2',
    ],
    WORKERS_SILENT: [
      { around: { workers: [worker({ beatAt: NOW - 7000 })] } },
      'gpu-a has been silent for 7 s',
      'infer doctor',
    ],
    LANE_FIRST: [
      { ...lanes, job: { rank: 2 }, queue: { byPriority: counts({ 5: 3 }) } },
      '7 jobs wait in queue realtime, which its workers serve first',
      null,
    ],
    AHEAD_MORE_URGENT: [
      { job: { rank: 5 }, queue: { byPriority: counts({ 9: 1, 7: 2, 5: 4 }) } },
      '3 more urgent jobs (priority up to 9) and 2 of its own priority are first',
      null,
    ],
    AHEAD_SAME: [
      { job: { rank: 1 }, queue: { byPriority: counts({ 5: 2 }) } },
      '1 job of its own priority is first',
      null,
    ],
    WORKERS_BUSY: [
      { around: { workers: [busyFor(150)] } },
      /^it is next: gpu-a has been running ocr for 150 ms, which usually takes 200 ms$/,
      null,
    ],
    STARTING: [{}, 'a worker is about to take it', null],
  };

  it.each(WHY_CODES.map((code) => [code, ...cases[code]] as const))('%s', (code, given, text, fix) => {
    const { why } = judge(given);
    expect(why).toEqual({
      code,
      text: typeof text === 'string' ? text : expect.stringMatching(text),
      fix,
    });
  });

  it('is the first that holds: paused before no worker, the delay before all', () => {
    expect(judge({ queue: { paused: true }, around: { workers: [] } }).why.code).toBe('PAUSED');
    const delayed = { state: 'delayed', runAt: NOW + 1000, rank: undefined } as const;
    expect(judge({ job: delayed, queue: { paused: true } })).toMatchObject({
      why: { code: 'DELAYED' },
      // What will be in its way then is why there is no ETA.
      ...{ eta: null, noEta: { code: 'PAUSED', fix: 'infer control resume scans' } },
    });
  });

  it('a worker that does not drain, starts or talks is enough', () => {
    const workers = [worker({ state: 'draining' }), worker({ id: 'w2', name: 'gpu-b' })];
    expect(judge({ around: { workers } }).why.code).toBe('STARTING');
    expect(judge({ around: { starting: [starting] } }).why.code).toBe('STARTING');
    const silent = [worker({ beatAt: NOW - 9000 }), worker({ id: 'w2' })];
    expect(judge({ around: { workers: silent } }).why.code).toBe('STARTING');
  });

  it('names no other job: a caller may not know its id', () => {
    const { why } = judge({ around: { workers: [busyFor(150)] } });
    expect(JSON.stringify(why)).not.toContain('"r"');
    expect(why.text).not.toMatch(/\br\b/);
  });

  it('a job of a newer layout needs a worker of that release', () => {
    const { why } = judge({ job: { route: 'ocr!2/9.9.0' } });
    expect(why).toMatchObject({
      code: 'MODEL_NOT_SERVED',
      text: expect.stringContaining('infer 9.9.0 or newer'),
    });
  });
});

describe('the run that is on', () => {
  /** `ocr` takes 10 s, `digits` 5 ms. */
  const mixed = () => {
    const figures = work(1, 10_000);
    for (const one of [figures, figures.ofModel('digits')]) {
      one.addBatch(1, 'idle');
      one.run.add(5);
      one.jobs.completed += 1;
    }
    return figures;
  };
  const busy = (model: string, sinceMs: number) =>
    worker({
      models: ['ocr', 'digits'].map((name) => ({ name, version: 1, batch: 1 })),
      runs: [{ model, sinceMs }],
    });
  const judgeDigits = (workers: WorkerRecord[]) => {
    const job = standing({ route: 'digits' });
    const scene = sceneOf('digits', pulse({}, mixed), around({ workers }), []);
    return judgePlace({ job, passed: NONE }, scene, NOW);
  };

  it('takes as long as runs of its own model', () => {
    const { eta, why } = judgeDigits([busy('ocr', 1000)]);
    expect(eta?.startMs.p50).toBeCloseTo(9000, -2);
    expect(why.text).toBe('it is next: gpu-a has been running ocr for 1 s, which usually takes 10 s');
    expect(judgeDigits([busy('digits', 1)]).eta?.startMs).toEqual({ p50: 4, p90: 4 });
  });

  it('of a model that has not ended a run yet may take as long again', () => {
    const { eta, why } = judgeDigits([busy('scan', 1000)]);
    expect(eta?.startMs).toEqual({ p50: 500, p90: 900 });
    expect(why.text).toBe('it is next: gpu-a has been running scan for 1 s');
  });
});

describe('the position', () => {
  it('is the rank without jobs whose model no worker serves, and with what workers hold and have not begun', () => {
    const holding = worker({ notStarted: { scans: counts({ 9: 2, 5: 3, 1: 4 }), other: counts({ 9: 9 }) } });
    const place = judge({
      job: { rank: 10, rows: 4 },
      queue: { byPriority: counts({ 9: 6, 5: 8, 0: 100 }), taken: 9 },
      passed: { all: 4, moreUrgent: 1 },
      around: { workers: [holding] },
    });
    // 10 - 4 in Redis, 2 + 3 held; the 4 of priority 1 are behind it.
    expect(place.position).toEqual({ jobsAhead: 11, rowsAheadEstimate: 11 });
    expect(place.why.text).toBe('7 more urgent jobs (priority up to 9) and 4 of its own priority are first');
  });

  it('counts what BullMQ holds without a priority as first', () => {
    const queue = { unprioritized: 3, byPriority: counts({ 9: 3, 5: 1 }) };
    expect(judge({ job: { rank: 0 }, queue }).position?.jobsAhead).toBe(3);
  });

  it('is never below 0, whatever is older than what', () => {
    expect(judge({ job: { rank: 1 }, passed: { all: 5, moreUrgent: 5 } }).position?.jobsAhead).toBe(0);
  });

  it('a delayed job has none; its ETA is not before its time', () => {
    const job = { state: 'delayed', runAt: NOW + 5000, rank: undefined } as const;
    const { position, eta } = judge({ job });
    expect(position).toBeNull();
    expect(eta?.startMs.p50).toBe(5000);
  });
});

it('of a delayed job does not count jobs whose model no worker serves', () => {
  const job = { state: 'delayed', runAt: NOW + 5000, rank: undefined } as const;
  const queue = { byPriority: counts({ 5: 50_000 }) };
  const passed = { all: 50_000, moreUrgent: 0 };
  expect(judge({ job, queue, passed }).eta?.startMs.p50).toBe(5000);
  expect(judge({ job, queue }).eta?.startMs.p50).toBeGreaterThan(3_600_000);
});

describe('no ETA', () => {
  it.each([
    ['PAUSED', { queue: { paused: true } }],
    ['NO_WORKER', { around: { workers: [] } }],
    ['MODEL_NOT_SERVED', { job: { route: 'other' } }],
    ['DRAINING', { around: { workers: [worker({ state: 'draining' })] } }],
    ['WORKERS_SILENT', { around: { workers: [worker({ beatAt: NOW - 9000 })] } }],
    ['REDIS_FULL', { around: { memory: { usedMemory: 9, maxMemory: 9 } } }],
  ] as [string, Case][])('%s', (code, given) => {
    expect(judge(given)).toMatchObject({ eta: null, noEta: { code, text: expect.any(String) } });
  });

  it('LEARNING while nothing has ended', () => {
    const place = judgePlace({ job: standing(), passed: NONE }, sceneOf('ocr', pulse(), around(), []), NOW);
    expect(place).toMatchObject({ eta: null, noEta: { code: 'LEARNING' }, why: { code: 'STARTING' } });
    expect(Object.keys(NO_ETA)).toEqual(['LEARNING', 'GROWING']);
  });
});
