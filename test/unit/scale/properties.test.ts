import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { choosePolicy } from '../../../src/lib/scale/choose-policy.js';
import {
  type Controller,
  type ControllerState,
  type Decision,
  decide,
  initialState,
} from '../../../src/lib/scale/controller.js';
import type { Observation, WorkerView } from '../../../src/lib/scale/observation.js';
import { CONFIG, observe, queueAt, START } from './observed.js';

const TICK_MS = 2000;

/** One tick of a simulated world. */
interface Step {
  arrivals: number;
  /** Jobs that ended, of those there were. */
  ended: number;
  dark: boolean;
  /** Slots whose worker crashes. */
  crashes: number[];
  flush: boolean;
}

const step = fc.record({
  arrivals: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 2000 })),
  ended: fc.integer({ min: 0, max: 40 }),
  dark: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  crashes: fc.oneof(
    { weight: 9, arbitrary: fc.constant([] as number[]) },
    { weight: 1, arbitrary: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 2 }) },
  ),
  flush: fc.oneof({ weight: 19, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});
const quietStep = step.map((one) => ({ ...one, dark: false, crashes: [], flush: false }));
/** Steps during which Redis gives no answer; at least one. */
const darkSteps = fc.array(
  step.map((one) => ({ ...one, dark: true })),
  { minLength: 1, maxLength: 20 },
);
const bounds = fc
  .record({
    min: fc.integer({ min: 0, max: 2 }),
    more: fc.integer({ min: 0, max: 4 }),
    spare: fc.integer({ min: 0, max: 1 }),
  })
  .map(({ min, more, spare }) => ({ min, max: Math.max(1, min + more), spare }));

interface PlayedStep {
  seen: Observation;
  before: ControllerState;
  decision: Decision;
}

/** Plays steps against a controller that starts and drains workers of a simulated fleet. */
function play(controller: Controller, steps: readonly Step[]): PlayedStep[] {
  let state = initialState(controller);
  let workers: WorkerView[] = [];
  let [now, waiting, arrived, completed, made] = [START, 0, 0, 0, 0];
  const slots = Array.from({ length: controller.config.max }, (_, at) => `gpu-${at}`);
  const played: PlayedStep[] = [];
  for (const { arrivals, ended, dark, crashes, flush } of steps) {
    const done = Math.min(waiting, workers.some((worker) => worker.phase !== 'starting') ? ended : 0);
    arrived += arrivals;
    waiting += arrivals - done;
    completed += done;
    if (flush) [waiting, arrived, completed] = [0, 0, 0];
    const failures = workers
      .filter((worker) => crashes.some((at) => worker.slot === `gpu-${at}`))
      .map((worker) => worker.slot as string);
    workers = workers
      .filter((worker) => !failures.includes(worker.slot as string) && worker.phase !== 'draining')
      .map((worker) => {
        const ready = now - worker.startedAt >= 6000;
        return ready
          ? { ...worker, phase: waiting > 0 ? 'busy' : 'ready', readyAt: worker.startedAt + 6000 }
          : worker;
      });
    const queue = dark ? null : queueAt(now, { waiting, arrived, completed, busySeconds: completed / 4 });
    const seen = observe(now, { queue, workers, slots, failures });
    const decision = decide(controller, state, seen);
    played.push({ seen, before: state, decision });
    state = decision.state;
    for (const action of decision.actions) {
      if (action.kind === 'start') {
        made += 1;
        workers = [
          ...workers,
          { id: `w${made}`, phase: 'starting', startedAt: now, readyAt: null, slot: action.slot },
        ];
      } else {
        workers = workers.map((worker) =>
          worker.id === action.worker ? { ...worker, phase: 'draining' } : worker,
        );
      }
    }
    now += TICK_MS;
  }
  return played;
}

function controllerOf(policy: string, config: Partial<typeof CONFIG>): Controller {
  const all = { ...CONFIG, ...config };
  return { pool: 'q', config: all, policy: choosePolicy(policy, all) };
}

const policies = fc.constantFrom('predictive', 'step');
const working = (seen: Observation) => seen.workers.filter((worker) => worker.phase !== 'draining').length;
const runs = { numRuns: 150 };

describe('for any sequence of events', () => {
  it('the fleet stays within its bounds and slots', () => {
    fc.assert(
      fc.property(policies, bounds, fc.array(step, { maxLength: 80 }), (policy, config, steps) => {
        for (const { seen, decision } of play(controllerOf(policy, config), steps)) {
          const starts = decision.actions.filter((action) => action.kind === 'start');
          const drains = decision.actions.length - starts.length;
          expect(decision.desired).toBeLessThanOrEqual(config.max);
          expect(seen.workers.length + starts.length).toBeLessThanOrEqual(config.max);
          expect(working(seen) - drains).toBeGreaterThanOrEqual(drains > 0 ? config.min : 0);
          const used = [...seen.workers.map((worker) => worker.slot), ...starts.map((action) => action.slot)];
          expect(new Set(used).size).toBe(used.length);
          if (decision.hold === null) expect(decision.desired).toBeGreaterThanOrEqual(config.min);
        }
      }),
      runs,
    );
  });

  it('one worker drains at a time, and no other while it does', () => {
    fc.assert(
      fc.property(policies, bounds, fc.array(step, { maxLength: 80 }), (policy, config, steps) => {
        for (const { seen, decision } of play(controllerOf(policy, config), steps)) {
          const drains = decision.actions.filter((action) => action.kind === 'drain').length;
          const draining = seen.workers.filter((worker) => worker.phase === 'draining').length;
          expect(drains + (drains > 0 ? draining : 0)).toBeLessThanOrEqual(1);
        }
      }),
      runs,
    );
  });

  it('nothing is started or stopped while the queue cannot be read', () => {
    fc.assert(
      fc.property(
        policies,
        bounds,
        fc.array(step, { maxLength: 60 }),
        darkSteps,
        (policy, config, steps, dark) => {
          const played = play(controllerOf(policy, config), [...steps, ...dark]);
          const unseen = played.filter(({ seen }) => seen.queue === null);
          expect(unseen.length).toBeGreaterThanOrEqual(dark.length);
          expect(unseen.flatMap(({ decision }) => decision.actions)).toEqual([]);
        },
      ),
      runs,
    );
  });

  it('every reason is one sentence, and a JSON copy of the state gives the same decision', () => {
    fc.assert(
      fc.property(policies, bounds, fc.array(step, { maxLength: 60 }), (policy, config, steps) => {
        const controller = controllerOf(policy, config);
        for (const { seen, before, decision } of play(controller, steps)) {
          expect(decision.reason).toMatch(/^q \d+(→\d+)?: \S.*[^.]$/);
          expect(decision.reason).not.toMatch(/NaN|undefined|Infinity|null/);
          const revived = JSON.parse(JSON.stringify(before)) as ControllerState;
          expect(decide(controllerOf(policy, config), revived, seen)).toEqual(decision);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('the predictive policy', () => {
  it('wants no fewer workers for a longer queue', () => {
    const sizes = fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 3000 }));
    fc.assert(
      fc.property(bounds, fc.array(quietStep, { maxLength: 40 }), sizes, (config, steps, [a, b]) => {
        const controller = controllerOf('predictive', config);
        const last = play(controller, [
          ...steps,
          { arrivals: 0, ended: 0, dark: false, crashes: [], flush: false },
        ]).at(-1);
        if (last === undefined) throw new Error('no step was played');
        const { before, seen } = last;
        const desired = (waiting: number) =>
          decide(controller, before, { ...seen, queue: seen.queue && { ...seen.queue, waiting } }).desired;
        expect(desired(Math.min(a, b))).toBeLessThanOrEqual(desired(Math.max(a, b)));
      }),
      runs,
    );
  });

  it('stops no worker while jobs wait too long', () => {
    fc.assert(
      fc.property(bounds, fc.array(step, { maxLength: 80 }), (config, steps) => {
        for (const { seen, decision } of play(controllerOf('predictive', config), steps)) {
          const { queue } = seen;
          // At four jobs a second per worker at most, this exceeds the target for all of them.
          if (queue === null || queue.waiting <= 40 * config.max) continue;
          expect(decision.actions.filter((action) => action.kind === 'drain')).toEqual([]);
        }
      }),
      runs,
    );
  });

  it('starts none beyond --min when nothing waits or arrives', () => {
    const silence = { arrivals: 0, ended: 0, dark: false, crashes: [], flush: false };
    fc.assert(
      fc.property(bounds, fc.integer({ min: 1, max: 200 }), (config, ticks) => {
        const controller = controllerOf('predictive', { ...config, spare: 0 });
        const starts = play(controller, new Array<Step>(ticks).fill(silence)).flatMap(
          ({ decision }) => decision.actions,
        );
        expect(starts).toHaveLength(config.min);
      }),
      runs,
    );
  });

  it('does not flap: a started worker stays for half a minute, and stops are 10 s apart', () => {
    fc.assert(
      fc.property(bounds, fc.array(quietStep, { minLength: 100, maxLength: 200 }), (config, steps) => {
        let startedAt = Number.NEGATIVE_INFINITY;
        let stoppedAt = Number.NEGATIVE_INFINITY;
        for (const { seen, decision } of play(controllerOf('predictive', config), steps)) {
          for (const action of decision.actions) {
            if (action.kind === 'start') startedAt = seen.now;
            else {
              expect(seen.now - startedAt).toBeGreaterThanOrEqual(30_000);
              expect(seen.now - stoppedAt).toBeGreaterThanOrEqual(10_000);
              stoppedAt = seen.now;
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
