import { describe, expect, it } from 'vitest';
import { NO_ARRIVALS } from '../../../src/lib/scale/arrivals.js';
import { keepFor, type Level } from '../../../src/lib/scale/keep-warm.js';
import type { QueueFacts } from '../../../src/lib/scale/observation.js';
import type { Fleet, PolicyConfig } from '../../../src/lib/scale/policy.js';
import { predictivePolicy } from '../../../src/lib/scale/policy-predictive.js';
import { NO_SERVICE } from '../../../src/lib/scale/service-rate.js';
import { CONFIG, queueAt, START } from './observed.js';

interface Known {
  /** Jobs that arrive per second, and how bursty they are. */
  slow?: number;
  dispersion?: number;
  /** Jobs per second and worker. */
  perWorker?: number;
  levels?: readonly Level[];
  stoppedAt?: number | null;
}

interface Look {
  known?: Known;
  queue?: Partial<QueueFacts>;
  fleet?: Partial<Fleet>;
  config?: Partial<PolicyConfig>;
}

/** One look of a policy that knows its rates exactly, with no new counts. */
function plan({ known = {}, queue = {}, fleet = {}, config = {} }: Look) {
  const policy = predictivePolicy({ ...CONFIG, max: 16, ...config });
  const { slow = 0, dispersion = 1, perWorker = 1, levels = [], stoppedAt = null } = known;
  const state = {
    arrivals: { ...NO_ARRIVALS, at: START, slow, dispersion },
    service: { ...NO_SERVICE, at: START, rate: perWorker },
    levels,
    stoppedAt,
  };
  const ready = fleet.ready ?? 1;
  const startingSince = fleet.startingSince ?? [];
  return policy.plan(state, START, queueAt(START, queue), {
    committed: ready + startingSince.length,
    busy: ready,
    coldStartMs: 20_000,
    ...fleet,
    ready,
    startingSince,
  });
}

const facts = (backlog: number, rate: string, perWorker: string, coldStart = '20s') =>
  `(backlog ${backlog}, ${rate} jobs/s in, ${perWorker} jobs/s a worker, cold start ${coldStart})`;
/** Start times of workers that will be ready in this many seconds. */
const readyIn = (...seconds: number[]) => seconds.map((s) => START - 20_000 + s * 1000);

describe('the predicted wait', () => {
  it.each<[string, Look, string]>([
    ['is the backlog by what one does', { queue: { waiting: 12 } }, 'predicted wait 12s > 10s'],
    ['counts jobs that will be due', { queue: { waiting: 8, dueDelayed: 4 } }, 'predicted wait 12s > 10s'],
    ['is shared by all', { queue: { waiting: 24 }, fleet: { ready: 2 } }, 'predicted wait 12s > 10s'],
    [
      'is shorter once one that starts is ready: 10 s alone, then 30 jobs for two',
      { queue: { waiting: 40 }, fleet: { startingSince: readyIn(10) } },
      'predicted wait 25s > 10s',
    ],
    [
      'takes those that start in the order they are ready: 4 alone, 24 by two, 36 by three',
      { queue: { waiting: 64 }, fleet: { startingSince: readyIn(16, 4) } },
      'predicted wait 28s > 10s',
    ],
    [
      'is over before one that starts late helps',
      { queue: { waiting: 12 }, fleet: { startingSince: readyIn(12) } },
      'predicted wait 12s > 10s',
    ],
    [
      'begins when the first is ready where there is none',
      { queue: { waiting: 5 }, fleet: { ready: 0, startingSince: readyIn(7) } },
      'predicted wait 12s > 10s',
    ],
    [
      'takes one that is late for one that is ready now',
      { queue: { waiting: 24 }, fleet: { startingSince: readyIn(-30) } },
      'predicted wait 12s > 10s',
    ],
    [
      'counts when it is over half the target, and says so',
      { queue: { waiting: 6 } },
      'predicted wait 6s > 5s, half the target',
    ],
    [
      'counts at the target as over half of it',
      { queue: { waiting: 10 } },
      'predicted wait 10s > 5s, half the target',
    ],
    [
      'has no end without workers',
      { queue: { waiting: 1 }, fleet: { ready: 0 } },
      'jobs are waiting and no worker serves them',
    ],
    [
      'counts less than a job that waits already',
      { queue: { waiting: 1, oldestMs: 6000 } },
      'the oldest job waits 6s > 5s, half the target',
    ],
    [
      'may be short, and the oldest job old',
      { queue: { waiting: 1, oldestMs: 10_001 } },
      'the oldest job waits 10s > 10s',
    ],
  ])('%s', (_, look, because) => {
    expect(
      plan(look).because.startsWith(`${because} (`) || plan(look).because.startsWith(`${because};`),
    ).toBe(true);
  });

  it.each<[string, Look]>([
    ['half the target', { queue: { waiting: 5 } }],
    ['an oldest job of half the target', { queue: { waiting: 1, oldestMs: 5000 } }],
    ['as many as the threshold', { queue: { waiting: 4 }, config: { threshold: 4 } }],
  ])('of %s is acceptable', (_, look) => {
    const waiting = look.queue?.waiting ?? 0;
    expect(plan(look)).toMatchObject({ wanted: 1, because: `enough ${facts(waiting, '0.0', '1.0')}` });
  });

  it('is ignored on a paused queue', () => {
    expect(plan({ queue: { waiting: 900, oldestMs: 90_000, paused: true } })).toMatchObject({
      wanted: 1,
      because: `enough ${facts(0, '0.0', '1.0')}`,
    });
  });
});

describe('the number of workers to start', () => {
  it.each<[string, Look, number, string]>([
    [
      'is as many as serve what is left when they are ready within the target: 80 of 100 in 10 s',
      { queue: { waiting: 100 } },
      8,
      `predicted wait 100s > 10s ${facts(100, '0.0', '1.0')}`,
    ],
    [
      'covers what arrives meanwhile: 100 + 20 x 2 - 20 are left, and 2 a second from then on',
      { queue: { waiting: 100 }, known: { slow: 2 } },
      14,
      `predicted wait 100s > 10s ${facts(100, '2.0', '1.0')}`,
    ],
    [
      'leaves out what starting workers do until then: one has 15 s of the 20',
      { queue: { waiting: 100 }, fleet: { startingSince: readyIn(5) } },
      7,
      `predicted wait 52.5s > 10s ${facts(100, '0.0', '1.0')}`,
    ],
    [
      'gives them half a long cold start to serve the backlog',
      { queue: { waiting: 500 }, fleet: { coldStartMs: 60_000 } },
      15,
      `predicted wait 500s > 10s ${facts(500, '0.0', '1.0', '60s')}`,
    ],
    [
      'is one for one job',
      { queue: { waiting: 1 }, fleet: { ready: 0 } },
      1,
      `jobs are waiting and no worker serves them ${facts(1, '0.0', '1.0')}`,
    ],
    [
      'is one more than there are above the threshold',
      { queue: { waiting: 5 }, fleet: { ready: 3 }, config: { threshold: 4 } },
      4,
      `5 waiting > --threshold 4 ${facts(5, '0.0', '1.0')}`,
    ],
    [
      'is zero above the threshold while one starts',
      { queue: { waiting: 5 }, fleet: { ready: 3, startingSince: readyIn(19) }, config: { threshold: 4 } },
      4,
      `5 waiting > --threshold 4; the workers that are starting are enough ${facts(5, '0.0', '1.0')}`,
    ],
    [
      'is zero where the wait is over before a new worker is ready',
      { queue: { waiting: 12 } },
      1,
      `predicted wait 12s > 10s; it will be over before a new worker is ready ${facts(12, '0.0', '1.0')}`,
    ],
    [
      'is what a steady rate needs, at nine tenths of the load: 5 / 0.9 of 4 a worker',
      { known: { slow: 5, perWorker: 4 } },
      2,
      `2 needed ${facts(0, '5.0', '4.0')}`,
    ],
    [
      'is higher where jobs come in clumps: 7 + 3 x 30.1 / 20 of 4 a worker',
      { known: { slow: 7, dispersion: 30, perWorker: 4 }, fleet: { ready: 2 } },
      3,
      `3 needed ${facts(0, '7.0', '4.0')}`,
    ],
    [
      'is at most doubled for few jobs in clumps',
      { known: { slow: 0.9, dispersion: 30, perWorker: 1 } },
      2,
      `2 needed ${facts(0, '0.9', '1.0')}`,
    ],
    [
      'is zero for one job in 100 s',
      { known: { slow: 0.0099, perWorker: 0.001 } },
      1,
      `enough ${facts(0, '0.0099', '0.001')}`,
    ],
    [
      'is not rounded up for a hair over a whole number of workers',
      { known: { slow: 1.8 * (1 + 1e-7), perWorker: 1 }, fleet: { ready: 2 } },
      2,
      `enough ${facts(0, '1.8', '1.0')}`,
    ],
  ])('%s', (_, look, wanted, because) => {
    expect(plan(look)).toMatchObject({ wanted, because });
  });
});

describe('spare workers', () => {
  it.each<[string, Look, number]>([
    ['come on top of what is needed', { known: { slow: 5, perWorker: 4 }, config: { spare: 1 } }, 3],
    ['are none where nothing comes', { known: { slow: 0.009 }, config: { spare: 1 } }, 1],
    [
      'serve a surge where a start is long: (1 + 1.4) x 60 / 70 are 2.1',
      { known: { slow: 2, perWorker: 4 }, fleet: { coldStartMs: 60_000 }, config: { spare: 1 } },
      3,
    ],
    [
      'which begins at three times the target',
      { known: { slow: 2, perWorker: 4 }, fleet: { coldStartMs: 30_000 }, config: { spare: 1 } },
      2,
    ],
    [
      'and for a large fleet are the plain spare: (6 + 1.4) x 60 / 70 are 6.4',
      { known: { slow: 22, perWorker: 4 }, fleet: { coldStartMs: 60_000 }, config: { spare: 1 } },
      7,
    ],
  ])('are counted: %s', (_, look, wanted) => {
    const { because, ...rest } = plan(look);
    expect(rest.wanted).toBe(wanted);
    expect(because).toMatch(
      wanted === 1 ? /^enough / : new RegExp(`^${wanted} needed with what is to spare \\(`),
    );
  });
});

describe('the worker to stop', () => {
  const MINUTE = 60_000;
  const level = (agoMs: number | null): Level => ({
    neededAt: agoMs === null ? null : START - agoMs,
    gaps: [],
  });
  const idle = (agoMs: number | null, more: Look = {}) =>
    plan({
      ...more,
      known: { levels: [level(0), level(agoMs)], ...more.known },
      fleet: { ready: 2, ...more.fleet },
    });
  const keptMs = keepFor(level(0), 20_000, 'none');
  const quiet = facts(0, '0.0', '1.0');

  it('was not needed for its keep time, and the reason says so', () => {
    const gone = idle(keptMs);
    expect(gone).toMatchObject({
      wanted: 1,
      because: `0 needed, more were last needed ${keptMs / 1000}s ago ${quiet}`,
      state: { stoppedAt: START },
      undrained: { stoppedAt: null },
    });
    expect(idle(keptMs - 1500)).toMatchObject({
      wanted: 2,
      because: `0 of 2 needed; the rest stay for another 1.5s ${quiet}`,
    });
  });

  it('may be one that was never needed, at once', () => {
    expect(idle(null)).toMatchObject({ wanted: 1, because: `0 needed, more were never needed ${quiet}` });
    expect(plan({ known: { levels: [level(0)] }, fleet: { ready: 2 } })).toMatchObject({
      wanted: 1,
      because: `0 needed, more were never needed ${quiet}`,
    });
  });

  it('is kept longer with a spare, and less long when spares cover a whole surge', () => {
    const spare = (coldStartMs: number, config: Partial<PolicyConfig>, spares: 'none' | 'one' | 'surge') => {
      const kept = keepFor(level(0), coldStartMs, spares);
      const at = (agoMs: number) => idle(agoMs, { fleet: { coldStartMs }, config }).wanted;
      return [at(kept - 1), at(kept)];
    };
    expect(spare(20_000, { spare: 1 }, 'one')).toEqual([2, 1]);
    expect(spare(60_000, { spare: 1 }, 'surge')).toEqual([2, 1]);
    expect(spare(60_000, {}, 'none')).toEqual([2, 1]);
  });

  it('is none within 10 s, or half a cold start, of the last one', () => {
    const drained = (agoMs: number, coldStartMs = 20_000) =>
      idle(null, {
        known: { levels: [level(0), level(null)], stoppedAt: START - agoMs },
        fleet: { coldStartMs },
      });
    expect(drained(9999)).toMatchObject({ wanted: 2, because: `0 needed, one was drained 10s ago ${quiet}` });
    expect(drained(10_000).wanted).toBe(1);
    expect(drained(4000, 2000)).toMatchObject({ wanted: 2 });
    expect(drained(29_999, 60_000).wanted).toBe(2);
    expect(drained(30_000, 60_000).wanted).toBe(1);
  });

  it('is never one below --min, nor the last one for at least two minutes', () => {
    expect(idle(keptMs, { config: { min: 2 } })).toMatchObject({ wanted: 2, because: `enough ${quiet}` });
    const alone = (agoMs: number, coldStartMs = 20_000) =>
      plan({ known: { levels: [level(agoMs)] }, fleet: { coldStartMs }, config: { min: 0 } }).wanted;
    const most = Math.max(2 * MINUTE, keptMs);
    expect([alone(most - 1), alone(most)]).toEqual([1, 0]);
    // Six cold starts, when they are long.
    const long = Math.max(6 * 2 * MINUTE, keepFor(level(0), 2 * MINUTE, 'none'));
    expect([alone(long - 1, 2 * MINUTE), alone(long, 2 * MINUTE)]).toEqual([1, 0]);
  });

  it('is none while a job runs or waits that may need it', () => {
    const one = (queue: Partial<QueueFacts>) =>
      plan({ known: { levels: [level(3_600_000)] }, queue, config: { min: 0 } });
    expect(one({ active: 1 })).toMatchObject({ wanted: 1, because: `enough ${quiet}` });
    expect(one({ waiting: 1 })).toMatchObject({ wanted: 1, because: `enough ${facts(1, '0.0', '1.0')}` });
    expect(one({ active: 1, paused: true }).wanted).toBe(0);
    // Jobs wait too long: all workers are needed, and are recorded as such.
    const late = idle(3_600_000, { queue: { waiting: 12 }, fleet: { ready: 2 } });
    expect(late.wanted).toBe(2);
    expect(late.state).toMatchObject({
      levels: expect.arrayContaining([{ neededAt: START, gaps: [3_600_000] }]),
    });
  });

  it('is none at the first look, since running workers were started for a reason', () => {
    const first = plan({ fleet: { ready: 3 } });
    expect(first.wanted).toBe(3);
    expect(first.state).toMatchObject({
      levels: [0, 1, 2, ...new Array(13).fill(null)].map((at) => ({
        neededAt: at === null ? null : START,
        gaps: [],
      })),
    });
    // No more levels than possible workers.
    expect(
      (plan({ fleet: { ready: 3 }, config: { max: 2 } }).state as { levels: readonly unknown[] }).levels,
    ).toHaveLength(2);
  });
});

it('the predictive policy has its name and starts without knowledge', () => {
  const policy = predictivePolicy(CONFIG);
  expect(policy.name).toBe('predictive');
  expect(policy.initial()).toEqual({
    arrivals: NO_ARRIVALS,
    service: NO_SERVICE,
    levels: [],
    stoppedAt: null,
  });
});
