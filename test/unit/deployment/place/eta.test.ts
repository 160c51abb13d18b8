import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EtaFacts, etaOf, restOfRuns } from '../../../../src/lib/deployment/place/eta.js';
import { serviceOf, tellingBuckets } from '../../../../src/lib/deployment/place/service.js';
import type { QueuePulse } from '../../../../src/lib/queue/read/queue-pulse.js';
import type { WorkerRecord } from '../../../../src/lib/queue/types.js';
import { busyFor, NOW, pulse, work, worker } from './place-kit.js';

const ACTIVE = { id: 'r', queue: 'scans', model: 'ocr', rows: 1, sinceMs: 60, attempt: 1 };

type Given = Partial<EtaFacts> & { queue?: QueuePulse; waitedMs?: number; able?: WorkerRecord[] };

/** A queue whose worker was busy all the time, with jobs of 100 ms one by one, unless a test says otherwise. */
function eta({ queue = pulse({}, () => work(98, 100)), waitedMs = 0, ...more }: Given = {}) {
  const { able = [busyFor(50)], ...given } = more;
  const buckets = tellingBuckets(queue.minute, waitedMs);
  const service = 'service' in more ? more.service : serviceOf(queue, able, 'ocr', buckets, NOW);
  const rest = restOfRuns(able, NOW, () => service?.run.sketch);
  const facts = { ahead: 0, priority: 5, rows: 1, delayMs: 0, lanes: [], workers: able.length, rest };
  return etaOf({ ...facts, ...given, service, queue });
}

const start = (given?: Given) => {
  const { eta: told } = eta(given);
  if (told === null) throw new Error('no ETA');
  return told.startMs;
};

describe('of a busy worker', () => {
  it('is the measured rate: 98 jobs in each ten seconds, 100 of them ahead', () => {
    const { eta: told } = eta({ ahead: 100 });
    expect(told?.basis).toBe('9.8 jobs/s over 20 s, 1 worker');
    expect(told?.startMs.p50).toBeGreaterThanOrEqual(10_000);
    expect(told?.startMs.p50).toBeLessThan(10_500);
    expect(told?.endMs.p50).toBe((told?.startMs.p50 ?? 0) + 100);
  });

  it('of what is next: the rest of the run that is on', () => {
    expect(start({ ahead: 0, able: [busyFor(60)] })).toEqual({ p50: 40, p90: 40 });
    // Heartbeats are up to a second old.
    expect(start({ able: [busyFor(20, { beatAt: NOW - 40 })] })).toEqual({ p50: 40, p90: 40 });
    expect(start({ able: [worker()] })).toEqual({ p50: 0, p90: 0 });
  });

  it('a run that takes longer than any before may take as long again', () => {
    const { p50, p90 } = start({ able: [busyFor(10_000)] });
    expect(p50).toBe(5000);
    expect(p90).toBe(9000);
  });

  it('goes by what its workers do now: what held them up half a minute ago counts in the pessimistic figure', () => {
    const queue = pulse({}, () => work(98, 100));
    for (const bucket of queue.minute.slice(2))
      (bucket.work as Map<string, unknown>).set('w1', work(1, 10_000));
    expect(start({ queue, ahead: 100 }).p50).toBeLessThan(10_500);
    expect(start({ queue, ahead: 100 }).p90).toBeGreaterThan(2 * start({ ahead: 100 }).p90);
  });

  it('a worker that has a runner free begins at once', () => {
    expect(start({ able: [busyFor(60, { concurrency: 2 })] })).toEqual({ p50: 0, p90: 0 });
    // Eight jobs in one run leave the other runner free.
    const active = Array.from({ length: 8 }, (_, i) => ({ ...ACTIVE, id: `r${i}` }));
    const able = [worker({ concurrency: 2, active, runs: [{ model: 'ocr', sinceMs: 60 }] })];
    expect(start({ able })).toEqual({ p50: 0, p90: 0 });
  });

  it('one job whose rows are in all runners leaves none free; its runs began after it', () => {
    const runs = [30, 60].map((sinceMs) => ({ model: 'ocr', sinceMs }));
    const able = [worker({ concurrency: 2, active: [{ ...ACTIVE, sinceMs: 5000 }], runs })];
    expect(start({ able })).toEqual({ p50: 40, p90: 40 });
  });

  it('a run that must have ended since the heartbeat counts as another, anywhere in its time', () => {
    expect(start({ able: [busyFor(50, { beatAt: NOW - 900 })] })).toEqual({ p50: 50, p90: 90 });
  });
});

describe('of a worker with little to do', () => {
  const queue = pulse({}, () => work(2, 100));

  it('the rate comes from its runs: two jobs in ten seconds are not all that it can do', () => {
    const { eta: told } = eta({ queue, ahead: 100 });
    expect(told?.basis).toBe('runs of 100 ms over 60 s, 1 worker');
    expect(told?.startMs.p50).toBeGreaterThan(9000);
    expect(told?.startMs.p50).toBeLessThan(11_000);
    // Twelve runs say less than hundreds.
    expect(told?.startMs.p90).toBeGreaterThan(13_000);
  });

  it('more jobs go into a run when they wait, and the spread says that the gain is not known', () => {
    const able = [worker({ models: [{ name: 'ocr', version: 1, batch: 16 }] })];
    const { p50, p90 } = start({ queue, able, ahead: 160 });
    expect(p50).toBeLessThan(160 * 100 * 0.5);
    expect(p90).toBeGreaterThan(160 * 100);
    // What fits in the next run goes with it.
    expect(start({ queue, able, ahead: 10 }).p50).toBe(0);
  });

  it('a job that has waited for long has seen better', () => {
    // Nothing ended in the first half of the minute's newest part, with a run of a minute on.
    const busy = pulse({}, () => work(20, 100));
    const { basis } = eta({ queue: busy, ahead: 100, waitedMs: 30_000 }).eta ?? {};
    expect(basis).toBe('2 jobs/s over 30 s, 1 worker');
  });

  it('what was done since the start stands in where the last minute has nothing', () => {
    const idle = worker({ jobsDone: 100, rowsDone: 100, batches: 100, busyMs: 10_000 });
    const { eta: told } = eta({ queue: pulse(), able: [idle], ahead: 10 });
    expect(told?.basis).toBe('10 jobs/s while busy since they started, 1 worker');
    expect(told?.startMs).toEqual({ p50: 1000, p90: 3000 });
  });
});

describe('more urgent work', () => {
  const arriving = (perTen: number) => pulse({}, () => work(98, 100), [0, 0, 0, 0, 0, 0, 0, 0, 0, perTen]);

  it('that arrives makes it later, in proportion', () => {
    // Half of 9.8 jobs a second.
    const { eta: told } = eta({ queue: arriving(49), ahead: 100 });
    const { p50 } = told?.startMs ?? { p50: 0 };
    expect(p50 / start({ ahead: 100 }).p50).toBeCloseTo(2, 1);
    expect(told?.basis).toBe('9.8 jobs/s over 20 s, 1 worker; 4.9 jobs/s arrive that are more urgent');
  });

  it('GROWING when it comes as fast as jobs end', () => {
    expect(eta({ queue: arriving(98), ahead: 100 })).toMatchObject({
      eta: null,
      noEta: { code: 'GROWING', text: expect.stringContaining('9.8 jobs/s') },
    });
  });

  it('does not concern the most urgent job', () => {
    expect(start({ queue: arriving(500), ahead: 100, priority: 9 }).p50).toBe(start({ ahead: 100 }).p50);
  });

  it('a burst that is over is no rate: it is in the pessimistic figure', () => {
    const queue = arriving(0);
    for (const bucket of queue.minute.slice(2, 3)) (bucket.added as number[])[9] = 300;
    expect(start({ queue, ahead: 100 }).p50).toBe(start({ ahead: 100 }).p50);
    expect(start({ queue, ahead: 100 }).p90).toBeGreaterThan(start({ ahead: 100 }).p90);
  });
});

describe('queues that go first', () => {
  const realtime = pulse({ name: 'realtime' }, () => work(98, 50));
  const able = [busyFor(50, { queues: ['realtime', 'scans'] })];
  const lane = (jobs: number) => ({
    queue: 'realtime',
    jobs,
    service: serviceOf(realtime, able, 'ocr', 0, NOW),
  });

  it('are worked off first, and the basis names them', () => {
    const { eta: told } = eta({ able, ahead: 0, lanes: [lane(100)] });
    expect(told?.startMs.p50).toBeGreaterThan(5000);
    expect(told?.basis).toBe('9.8 jobs/s over 20 s, 1 worker; queue realtime goes first');
  });

  it('take their share of a worker whose rate is known from runs alone', () => {
    const queue = pulse({}, () => work(2, 100));
    const alone = start({ able, queue, ahead: 100 }).p50;
    // Half of its time.
    expect(start({ able, queue, ahead: 100, lanes: [lane(0)] }).p50 / alone).toBeCloseTo(2, 1);
  });
});

it('is put together of runs of several workers, and only of those that are able', () => {
  const two = [busyFor(50), busyFor(50, { id: 'w2', name: 'gpu-b' })];
  const queue = pulse({}, () => work(98, 100));
  for (const bucket of queue.minute) (bucket.work as Map<string, unknown>).set('w2', work(98, 100));
  const one = start({ queue, ahead: 1000 }).p50;
  expect(one / start({ queue, able: two, ahead: 1000 }).p50).toBeCloseTo(2, 1);
});

it('a worker that has just started is measured since then', () => {
  const young = busyFor(50, { startedAt: NOW - 10_000 });
  const queue = pulse();
  for (const bucket of queue.minute.slice(0, 1)) {
    (bucket.work as Map<string, unknown>).set('w1', work(98, 100));
  }
  const { eta: told } = eta({ queue, able: [young], ahead: 98 });
  expect(told?.basis).toBe('9.8 jobs/s over 10 s, 1 worker');
  expect(told?.startMs.p50).toBeLessThan(10_500);
});

describe('of a queue with several models', () => {
  /** Each run of `ocr` is one job, and each of `digits` up to 32. */
  const queue = pulse({}, () => {
    const figures = work(9, 1000);
    for (const one of [figures, figures.ofModel('digits')]) {
      one.addBatch(1, 'idle');
      one.run.add(5);
      one.jobs.completed += 1;
      one.rows += 1;
    }
    return figures;
  });
  const models = [
    { name: 'ocr', version: 1, batch: 1 },
    { name: 'digits', version: 1, batch: 32 },
  ];
  const able = [worker({ models })];
  const service = serviceOf(queue, able, 'digits', 0, NOW);

  it('jobs of other models that are ahead do not go into the same run', () => {
    expect(start({ queue, able, service, ahead: 10 }).p50).toBeGreaterThan(9000);
  });

  it('its own rows do', () => {
    const { startMs, endMs } = eta({ queue, able, service, rows: 32 }).eta ?? {};
    expect(endMs?.p50).toBe((startMs?.p50 ?? 0) + 5);
  });
});

it('a job of many rows takes as many more runs', () => {
  const { startMs, endMs } = eta({ rows: 10 }).eta ?? { startMs: { p50: 0 }, endMs: { p50: 0 } };
  expect(endMs.p50 - startMs.p50).toBe(1000);
});

it('whatever is measured: p50 is at most p90, start at most end, and more ahead is never sooner', () => {
  const given = fc.record({
    runs: fc.integer({ min: 1, max: 100 }),
    runMs: fc.integer({ min: 1, max: 5000 }),
    jobs: fc.integer({ min: 1, max: 64 }),
    urgent: fc.integer({ min: 0, max: 100 }),
    ahead: fc.integer({ min: 0, max: 1_000_000 }),
    busy: fc.option(fc.integer({ min: 0, max: 100_000 })),
    batch: fc.integer({ min: 1, max: 1024 }),
    delayMs: fc.integer({ min: 0, max: 100_000 }),
  });
  fc.assert(
    fc.property(given, ({ runs, runMs, jobs, urgent, ahead, busy, batch, delayMs }) => {
      const queue = pulse({}, () => work(runs, runMs, jobs), [0, 0, 0, 0, 0, 0, urgent]);
      const models = [{ name: 'ocr', version: 1, batch }];
      const able = [busy === null ? worker({ models }) : busyFor(busy, { models })];
      const told = eta({ queue, able, ahead, delayMs }).eta;
      const later = eta({ queue, able, ahead: ahead + 1000, delayMs }).eta;
      if (told === null) {
        expect(eta({ queue, able, ahead, delayMs }).noEta?.code).toBe('GROWING');
        return;
      }
      const { startMs, endMs } = told;
      for (const value of [startMs.p50, startMs.p90, endMs.p50, endMs.p90])
        expect(Number.isFinite(value)).toBe(true);
      expect(startMs.p50).toBeLessThanOrEqual(startMs.p90);
      expect(endMs.p50).toBeLessThanOrEqual(endMs.p90);
      expect(startMs.p50).toBeLessThanOrEqual(endMs.p50);
      expect(startMs.p50).toBeGreaterThanOrEqual(delayMs);
      if (later !== null) expect(later.startMs.p50).toBeGreaterThanOrEqual(startMs.p50);
    }),
  );
});
