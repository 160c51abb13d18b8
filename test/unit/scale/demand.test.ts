import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PoolSample, QueueSample } from '../../../src/lib/queue/read/sample.js';
import type { WorkerRecord } from '../../../src/lib/queue/types.js';
import { Advisor } from '../../../src/lib/scale/advisor.js';
import { countArrivals, NO_ARRIVALS } from '../../../src/lib/scale/arrivals.js';
import { choosePolicy } from '../../../src/lib/scale/choose-policy.js';
import { type Controller, decide, initialState } from '../../../src/lib/scale/controller.js';
import { demandOf, type Learned, learnedFrom } from '../../../src/lib/scale/demand.js';
import { modelsChangedAt } from '../../../src/lib/scale/models-changed.js';
import type { WorkerView } from '../../../src/lib/scale/observation.js';
import { countPool, factsOf } from '../../../src/lib/scale/pool-counts.js';
import { worker } from '../doctor/records.js';
import { CONFIG, observe, queueAt, START, workersOf } from './observed.js';

const NEWER = 'a!9/9.8.0';

const queue = (more: Partial<QueueSample> = {}): QueueSample => ({
  name: 'q',
  waiting: 5,
  dueDelayed: 0,
  active: 0,
  oldestMs: 900,
  arrived: 7,
  ended: new Map(),
  paused: false,
  ...more,
});
const pool = (unmatched: Record<string, number>, workers: WorkerRecord[] = []): PoolSample => ({
  queues: [queue({ unmatched })],
  workers,
});
const having = (name: string, more: Partial<WorkerRecord> = {}) =>
  worker({ id: name, name: `with-${name}`, models: [{ name, version: 1, batch: 1 }], ...more });
const learned = (...names: string[]): Learned => ({
  routes: names.flatMap((name) => [name, `${name}@1`]),
  modelsDirs: [],
  at: START,
});

/** The backlog, the workers that share it, and the routes of the other jobs. */
function demand(
  sample: PoolSample,
  own: WorkerRecord[] = [],
  known: Learned | undefined = learnedFrom(own, ['q'], START),
  outdated = false,
) {
  const found = demandOf(sample, { own, learned: known, isOutdated: () => outdated });
  return {
    waiting: found.sample.queues[0]?.waiting,
    capacity: [...found.capacity].map(({ id }) => id),
    unserved: found.unserved.map(({ route }) => route),
    outside: found.outside.map(({ route }) => route),
  };
}

describe('the backlog of a pool and the workers that share it', () => {
  it('are all jobs and workers of the queue while every job is served', () => {
    const other = having('a');
    expect(demand(pool({}, [other]))).toEqual({ waiting: 5, capacity: ['a'], unserved: [], outside: [] });
  });

  it('exclude a worker of others without the model of any waiting job', () => {
    const other = having('b');
    expect(demand(pool({ a: 5 }, [other]))).toEqual({
      ...{ waiting: 5, capacity: [], unserved: [], outside: [] },
    });
  });

  it('exclude a worker of others that shares no model with the fleet', () => {
    const [own, like, unlike] = [having('a'), having('a', { id: 'like' }), having('b')];
    const { capacity } = demand(pool({}, [own, like, unlike]), [own]);
    expect(capacity).toEqual(['a', 'like']);
  });

  it('exclude jobs that only others serve, without a warning', () => {
    const [own, other] = [having('a'), having('b')];
    expect(demand(pool({ b: 2 }, [own, other]), [own])).toEqual({
      ...{ waiting: 3, capacity: ['a'], unserved: [], outside: [] },
    });
  });

  it('separate jobs that only a new worker may serve from those of existing workers', () => {
    const other = having('b');
    expect(demand(pool({ a: 2 }, [other]))).toEqual({
      ...{ waiting: 3, capacity: ['b'], unserved: ['a'], outside: [] },
    });
  });

  it('exclude jobs that a new worker would not serve either, as learned from the last one', () => {
    const none = { waiting: 0, capacity: [], unserved: [] };
    expect(demand(pool({ b: 5 }), [], learned('a'))).toEqual({ ...none, outside: ['b'] });
    expect(demand(pool({ 'a@2': 5 }), [], learned('a'))).toEqual({ ...none, outside: ['a@2'] });
    const own = having('a');
    expect(demand(pool({ b: 4 }, [own]), [own])).toEqual({
      ...{ waiting: 1, capacity: ['a'], unserved: [], outside: ['b'] },
    });
  });

  it('include them again when the models of its workers have changed', () => {
    expect(demand(pool({ b: 5 }), [], learned('a'), true)).toMatchObject({ waiting: 5, outside: [] });
    const own = having('a');
    expect(demand(pool({ b: 4 }, [own]), [own], learned('a'), true)).toMatchObject({ unserved: ['b'] });
  });

  it('exclude jobs of a newer layout, even before any worker was ready', () => {
    expect(demand(pool({ [NEWER]: 5 }))).toEqual({
      ...{ waiting: 0, capacity: [], unserved: [], outside: [NEWER] },
    });
    const newer = having('a', { layouts: ['9/9.8.0'] });
    expect(demand(pool({ [NEWER]: 2 }, [newer]))).toMatchObject({ waiting: 3, outside: [] });
  });

  it('ignore a draining worker, and jobs of a paused queue', () => {
    const leaving = having('a', { state: 'draining' });
    expect(demand(pool({ a: 5 }, [leaving]), [leaving])).toMatchObject({ waiting: 5, capacity: [] });
    const paused = { queues: [queue({ unmatched: { b: 5 }, paused: true })], workers: [] };
    expect(demand(paused, [], learned('a'))).toMatchObject({ unserved: [], outside: [] });
  });

  it('learn from ready workers which models a new one serves, but not which layouts an old one reads', () => {
    const old = having('a', { layouts: ['9/9.8.0'], modelsDir: '/m' });
    expect(learnedFrom([old], ['q'], 7)).toEqual({ routes: ['a', 'a@1'], modelsDirs: ['/m'], at: 7 });
    expect(learnedFrom([having('a', { state: 'draining' })], ['q'], 7)).toBeUndefined();
  });
});

describe('decisions about jobs that no ready worker can run', () => {
  const controller = (policy: string, min = 0): Controller => {
    const config = { ...CONFIG, min, max: 1 };
    return { pool: 'q', config, policy: choosePolicy(policy, config) };
  };
  const jobs = { queue: 'q', route: 'a', jobs: 2 };
  const others = (ready: boolean): WorkerView[] =>
    ready ? workersOf(['ready']).map((one) => ({ ...one, slot: null })) : [];
  const decided = (policy: string, seen: Parameters<typeof observe>[1]) =>
    decide(controller(policy), initialState(controller(policy)), observe(START, seen));

  it.each(['predictive', 'step'])(
    'start a worker in addition to those of others with policy %s',
    (policy) => {
      const config = { ...CONFIG, min: 0 };
      const wide = { pool: 'q', config, policy: choosePolicy(policy, config) };
      const seen = observe(START, { queue: queueAt(START, { unserved: [jobs] }), workers: others(true) });
      const { actions, reason } = decide(wide, initialState(wide), seen);
      expect(actions).toEqual([{ kind: 'start', slot: 'gpu-0' }]);
      expect(reason).toMatch(/^q 0→1: 2 jobs of queue q wait for model a, which no worker of it serves/);
    },
  );

  it('wait for the starting worker, and say why no other is started', () => {
    const queue = queueAt(START, { unserved: [jobs] });
    const starting = decided('predictive', { queue, workers: workersOf(['starting']) });
    expect([starting.actions, starting.reason]).toEqual([
      [],
      expect.stringContaining('a worker is starting'),
    ]);
    const full = decided('predictive', { queue, workers: workersOf(['ready']) });
    expect([full.actions, full.reason]).toEqual([[], expect.stringMatching(/model a.*; wants 2, --max 1$/)]);
  });

  it('name the jobs that no worker of the pool can run, and start none for them', () => {
    const sample = pool({ b: 3, [NEWER]: 2 });
    const found = demandOf(sample, { own: [], learned: learned('a'), isOutdated: () => false });
    const facts = factsOf(found, countPool(undefined, sample), START);
    expect([facts.waiting, facts.oldestMs, facts.arrived]).toEqual([0, null, null]);
    const { actions, reason } = decided('predictive', { queue: facts, workers: [] });
    expect(actions).toEqual([]);
    expect(reason).toMatch(
      /^q 0: .*; 3 jobs of queue q wait for model b, which new workers would not serve either \(and 1 more\): infer worker -Q q --model b$/,
    );
    const newer = demandOf(pool({ [NEWER]: 5 }), { own: [], learned: undefined, isOutdated: () => false });
    const said = decided('predictive', {
      queue: factsOf(newer, countPool(undefined, sample), START),
      workers: [],
    });
    expect([said.actions, said.reason]).toEqual([
      [],
      expect.stringMatching(
        /5 jobs of queue q wait for a worker of infer 9\.8\.0 or newer, which new workers would not be: upgrade infer where they run to 9\.8\.0 or newer$/,
      ),
    ]);
  });

  it('of a fleet that another system runs request a worker once, and again only if the fleet may have changed', () => {
    const config = { ...CONFIG, min: 0 };
    const advisor = new Advisor({ pool: 'q', config, policy: choosePolicy('predictive', config) });
    const waiting = pool({ b: 5 });
    expect(advisor.look(waiting, START).desired).toBe(1);
    const there = pool({ b: 5 }, [having('a')]);
    let now = START + 20_000;
    let advice = advisor.look(there, now);
    expect(advice.reason).toContain('model b, which new workers would not serve either');
    while (advice.desired > 0 && now < START + 1_200_000) {
      now += 20_000;
      advice = advisor.look(there, now);
    }
    expect(advice.desired).toBe(0);
    expect(advisor.look(waiting, now + 20_000).desired).toBe(0);
    expect(advisor.look(waiting, now + 2_000_000).desired).toBe(1);
  });
});

it('the arrival rate does not jump when the arrival counter stops or starts to apply', () => {
  const look = (seconds: number, facts: object) => queueAt(START + seconds * 1000, { waiting: 5, ...facts });
  const counted = countArrivals(NO_ARRIVALS, look(0, { arrived: 90_000 }));
  const derived = countArrivals(counted, look(2, { arrived: null }));
  const again = countArrivals(
    countArrivals(derived, look(4, { arrived: null })),
    look(6, { arrived: 90_003 }),
  );
  expect([derived.slow, again.slow]).toEqual([0, 0]);
  expect(countArrivals(again, look(8, { arrived: 90_009 })).slow).toBeGreaterThan(0);
});

it('a models directory has changed if a model, a version or a file in it has', () => {
  const dir = mkdtempSync(join(tmpdir(), 'infer-models-'));
  try {
    const file = join(dir, 'm', '1', 'model.onnx');
    mkdirSync(join(dir, 'm', '1'), { recursive: true });
    writeFileSync(file, '');
    for (const path of [file, join(dir, 'm', '1'), join(dir, 'm'), dir]) utimesSync(path, 1000, 1000);
    expect(modelsChangedAt(dir)).toBe(1_000_000);
    utimesSync(file, 2000, 2000);
    expect(modelsChangedAt(dir)).toBe(2_000_000);
    expect(modelsChangedAt(join(dir, 'none'))).toBe(0);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
