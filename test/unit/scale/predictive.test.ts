import { describe, expect, it } from 'vitest';
import { arrivalRate, countArrivals, NO_ARRIVALS } from '../../../src/lib/scale/arrivals.js';
import { checkPolicyConfig, choosePolicy } from '../../../src/lib/scale/choose-policy.js';
import { keepFor } from '../../../src/lib/scale/keep-warm.js';
import type { QueueFacts } from '../../../src/lib/scale/observation.js';
import type { Fleet, PolicyConfig } from '../../../src/lib/scale/policy.js';
import { measureService, NO_SERVICE } from '../../../src/lib/scale/service-rate.js';
import { thrown } from '../../support/thrown.js';
import { CONFIG, queueAt, START } from './observed.js';

function fleetOf(ready: number, options: Partial<Fleet> = {}): Fleet {
  const starting = options.startingSince ?? [];
  return {
    committed: ready + starting.length,
    ready,
    busy: ready,
    startingSince: starting,
    coldStartMs: 20_000,
    ...options,
  };
}

/** Seconds of traffic at one rate, without a backlog, then one look at the given state. */
function lookAfter(
  rate: number,
  seconds: number,
  queue: Partial<QueueFacts>,
  fleet: Fleet,
  config: Partial<PolicyConfig> = {},
) {
  const policy = choosePolicy('predictive', { ...CONFIG, ...config });
  let state = policy.initial();
  let arrived = 0;
  let completed = 0;
  let now = START;
  for (let tick = 0; tick <= seconds; tick += 2, now += 2000) {
    completed = arrived;
    state = policy.plan(
      state,
      now,
      queueAt(now, { arrived, completed, busySeconds: completed / 4 }),
      fleetOf(Math.max(1, Math.ceil(rate / 4))),
    ).state;
    arrived += rate * 2;
  }
  return policy.plan(
    state,
    now,
    queueAt(now, { arrived, completed, busySeconds: completed / 4, ...queue }),
    fleet,
  );
}

describe('the predictive policy', () => {
  it.each([
    ['nothing to do', 0, { waiting: 0 }, fleetOf(1), 1, /enough/],
    ['a wait of a few seconds', 3, { waiting: 15 }, fleetOf(1), 1, /enough/],
    [
      'a wait over half the target',
      6,
      { waiting: 24 },
      fleetOf(1),
      4,
      /predicted wait 6s > 5s, half the target/,
    ],
    [
      'a wait that is over before a worker would be ready',
      3,
      { waiting: 24 },
      fleetOf(1),
      1,
      /it will be over before a new worker is ready/,
    ],
    [
      'a long wait: as many as serve it in time',
      12,
      { waiting: 124 },
      fleetOf(1),
      11,
      /predicted wait 31s > 10s/,
    ],
    [
      'a long wait while three start: no more than are missing',
      3,
      { waiting: 124 },
      fleetOf(1, { startingSince: [START + 592_000, START + 592_000, START + 592_000] }),
      4,
      /the workers that are starting are enough/,
    ],
    [
      'one job that waits too long',
      1,
      { waiting: 1, oldestMs: 30_000 },
      fleetOf(1),
      1,
      /oldest job waits 30s > 10s/,
    ],
    ['a job and no worker', 0, { waiting: 1 }, fleetOf(0), 1, /no worker serves them/],
    ['no worker and nothing to do', 0, { waiting: 0 }, fleetOf(0), 0, /enough/],
    ['jobs that will be due', 0, { dueDelayed: 40 }, fleetOf(1), 1, /predicted wait 10s/],
    ['more arrivals than can be served, though nothing waits', 7.4, {}, fleetOf(2), 3, /3 needed/],
  ] as const)('plans for %s', (_, rate, queue, fleet, wanted, because) => {
    const plan = lookAfter(rate, 600, queue, fleet, { max: 16 });
    expect(plan.because).toMatch(because);
    expect(plan.wanted).toBe(wanted);
  });

  it('starts one more above the threshold, if none is starting', () => {
    const fast = { waiting: 60, completed: 1000, busySeconds: 1 };
    expect(lookAfter(0, 4, fast, fleetOf(1), { threshold: 50 }).because).toContain(
      '60 waiting > --threshold 50',
    );
    expect(lookAfter(0, 4, fast, fleetOf(1), { threshold: 50 }).wanted).toBe(2);
    expect(lookAfter(0, 4, fast, fleetOf(1, { startingSince: [START] }), { threshold: 50 }).wanted).toBe(2);
    expect(lookAfter(0, 4, fast, fleetOf(1)).wanted).toBe(1);
  });

  it('keeps a spare beyond the need, even when idle', () => {
    expect(lookAfter(0, 10, {}, fleetOf(1), { spare: 1 }).wanted).toBe(1);
    expect(lookAfter(3, 180, {}, fleetOf(1), { spare: 1 }).wanted).toBe(2);
    expect(lookAfter(3, 180, {}, fleetOf(1), { spare: 1 }).because).toContain(
      '2 needed with what is to spare',
    );
  });

  it('keeps enough spares for a surge until others are ready, when starts are slow', () => {
    const slow = (rate: number) =>
      lookAfter(rate, 180, {}, fleetOf(1, { coldStartMs: 60_000 }), { spare: 1, max: 16 }).wanted;
    // (1 + 1.4) x 60 s / (60 + 10) s = 2.1; a larger fleet covers as much with one more.
    expect(slow(2)).toBe(3);
    expect(slow(6)).toBe(3);
    expect(slow(22)).toBe(7);
  });

  it('stops workers one at a time, after a while without need', () => {
    const policy = choosePolicy('predictive', CONFIG);
    let state = policy.initial();
    let committed = 4;
    const stops: number[] = [];
    for (let second = 0; second < 900; second += 2) {
      const now = START + second * 1000;
      const busy = second < 20 ? 400 : 0;
      const plan = policy.plan(state, now, queueAt(now, { waiting: busy, arrived: 400 }), fleetOf(committed));
      state = plan.state;
      if (plan.wanted < committed) stops.push(second);
      committed = Math.min(4, plan.wanted);
    }
    expect(stops).toHaveLength(3);
    expect(stops[0]).toBeGreaterThanOrEqual(120);
    expect(
      Math.min((stops[1] ?? 0) - (stops[0] ?? 0), (stops[2] ?? 0) - (stops[1] ?? 0)),
    ).toBeGreaterThanOrEqual(10);
  });

  it('stops the last worker only after minutes, and only with --min 0', () => {
    const stopAfter = (min: number) => {
      const policy = choosePolicy('predictive', { ...CONFIG, min });
      let state = policy.initial();
      for (let second = 0; second < 3600; second += 2) {
        const now = START + second * 1000;
        const plan = policy.plan(state, now, queueAt(now, { active: second < 10 ? 1 : 0 }), fleetOf(1));
        state = plan.state;
        if (plan.wanted === 0) return second;
      }
      return null;
    };
    expect(stopAfter(1)).toBeNull();
    expect(stopAfter(0)).toBeGreaterThanOrEqual(120);
  });
});

describe('the keep time of a worker', () => {
  const level = (...gaps: number[]) => ({ neededAt: START, gaps: gaps.map((gap) => gap * 1000) });

  it('follows the observed pauses', () => {
    const unknown = keepFor(level(), 20_000, 'none');
    expect(unknown).toBeGreaterThanOrEqual(60_000);
    expect(unknown).toBeLessThanOrEqual(300_000);
    // Needed again after about five minutes, repeatedly: kept for that long.
    expect(keepFor(level(280, 300, 250, 290), 20_000, 'none')).toBe(300_000);
    // Needed again after an hour: not worth keeping.
    expect(keepFor(level(3600, 3700, 3500, 3600, 3650, 3600), 20_000, 'none')).toBeLessThanOrEqual(unknown);
  });

  it('is longer for a slow start and with a spare', () => {
    const seen = level(1000, 1100);
    expect(keepFor(seen, 120_000, 'none')).toBeGreaterThanOrEqual(keepFor(seen, 5_000, 'none'));
    expect(keepFor(seen, 20_000, 'one')).toBeGreaterThanOrEqual(keepFor(seen, 20_000, 'none'));
    expect(keepFor(level(), 60_000, 'one')).toBeGreaterThan(keepFor(level(), 60_000, 'surge'));
  });
});

describe('the arrival rate', () => {
  const seen = (counts: readonly number[], counted = true) => {
    let arrivals = countArrivals(NO_ARRIVALS, queueAt(START));
    let total = 0;
    counts.forEach((count, at) => {
      total += count;
      const facts = counted ? { arrived: total } : { arrived: null, waiting: total };
      arrivals = countArrivals(arrivals, queueAt(START + (at + 1) * 2000, facts));
    });
    return arrivals;
  };
  const steady = (rate: number, ticks: number) => new Array(ticks).fill(rate * 2);

  it('is the average in steady state, and follows a surge within two looks', () => {
    expect(arrivalRate(seen(steady(5, 300)))).toBeCloseTo(5, 0);
    const rate = arrivalRate(seen([...steady(1, 60), 24, 24]));
    expect(rate).toBeGreaterThan(8);
    expect(rate).toBeLessThanOrEqual(12);
  });

  it('does not treat a few jobs as a surge', () => {
    expect(arrivalRate(seen([...steady(1, 60), 5]))).toBeLessThan(1.5);
  });

  it('can be estimated without a counter', () => {
    expect(arrivalRate(seen(steady(5, 300), false))).toBeCloseTo(5, 0);
  });

  it('restarts when a counter goes backwards, and is never negative', () => {
    const before = seen(steady(5, 60));
    const flushed = countArrivals(before, queueAt(START + 122_000, { arrived: 3, completed: 0 }));
    expect(arrivalRate(flushed)).toBe(0);
    expect(arrivalRate(countArrivals(flushed, queueAt(START + 124_000, { arrived: 13 })))).toBeGreaterThan(0);
    const purged = seen([10, 10, 10], false);
    expect(
      countArrivals(purged, queueAt(START + 8000, { arrived: null, waiting: 0 })).slow,
    ).toBeGreaterThanOrEqual(0);
  });
});

describe('the service rate', () => {
  const fleet = fleetOf(2);
  it('is jobs per busy second, whoever reports them', () => {
    const first = measureService(NO_SERVICE, queueAt(START, { completed: 100, busySeconds: 10 }), fleet);
    const next = measureService(first, queueAt(START + 2000, { completed: 140, busySeconds: 14 }), fleet);
    expect(next.rate).toBeCloseTo(10);
    const none = measureService(NO_SERVICE, queueAt(START, { busySeconds: null }), fleet);
    expect(
      measureService(none, queueAt(START + 2000, { completed: 40, busySeconds: null }), fleet).rate,
    ).toBeCloseTo(10);
  });

  it('includes long jobs before they end', () => {
    let rate = measureService(NO_SERVICE, queueAt(START), fleet);
    for (let second = 2; second <= 60; second += 2) {
      rate = measureService(rate, queueAt(START + second * 1000, { busySeconds: second * 2 }), fleet);
    }
    expect(rate.rate).toBeLessThan(0.05);
  });

  it('is kept when counters go backwards', () => {
    const first = measureService(NO_SERVICE, queueAt(START, { completed: 0 }), fleet);
    const known = measureService(first, queueAt(START + 2000, { completed: 40, busySeconds: 4 }), fleet);
    expect(
      measureService(known, queueAt(START + 4000, { completed: 0, busySeconds: 0 }), fleet).rate,
    ).toBeCloseTo(10);
  });
});

describe('invalid policy settings', () => {
  it.each([
    [{ min: 5 }, '--min 5 is more than --max 4'],
    [{ max: 0, min: 0 }, '--max must be at least 1'],
    [{ max: 5000 }, '--max 5000 is over 1024'],
    [{ spare: 9 }, '--spare 9 is more than --max 4'],
    [{ threshold: 0 }, '--threshold must be at least 1 job'],
    [{ targetWaitMs: 0 }, '--target-wait must be above 0'],
    [{ intervalMs: 1 }, '--interval must be at least 100 ms'],
  ])('are rejected: %j', (config, message) => {
    const error = thrown(() => checkPolicyConfig({ ...CONFIG, ...config }));
    expect(error).toMatchObject({ code: 'AUTOSCALE_BOUNDS', exitCode: 2 });
    expect(error.message).toBe(message);
  });

  it.each(['fastest', 'fixed', 'fixed:-1', 'fixed:9', 'fixed:0', ''])('are rejected: policy %j', (name) => {
    expect(thrown(() => choosePolicy(name, CONFIG))).toMatchObject({ exitCode: 2 });
  });
});
