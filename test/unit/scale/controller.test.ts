import { describe, expect, it } from 'vitest';
import { choosePolicy } from '../../../src/lib/scale/choose-policy.js';
import {
  type Controller,
  type ControllerState,
  type Decision,
  decide,
  initialState,
} from '../../../src/lib/scale/controller.js';
import type { Observation } from '../../../src/lib/scale/observation.js';
import type { PolicyConfig } from '../../../src/lib/scale/policy.js';
import { CONFIG, observe, queueAt, START, workersOf } from './observed.js';

function controllerOf(policy: string, config: Partial<PolicyConfig> = {}): Controller {
  const all = { ...CONFIG, ...config };
  return { pool: 'realtime', config: all, policy: choosePolicy(policy, all) };
}

/** Decides at successive times; each observation is made at its time. */
function run(
  controller: Controller,
  seen: ((now: number) => Observation)[],
  state = initialState(controller),
) {
  const decisions: Decision[] = [];
  let now = START;
  let last: ControllerState = state;
  for (const at of seen) {
    const decision = decide(controller, last, at(now));
    decisions.push(decision);
    last = decision.state;
    now += controller.config.intervalMs;
  }
  return decisions;
}

const last = (decisions: Decision[]) => decisions.at(-1) as Decision;
const busy = (waiting: number) => (now: number) =>
  observe(now, {
    queue: queueAt(now, { waiting, active: 1, arrived: waiting + 1 }),
    workers: workersOf(['busy']),
  });

describe('a scaling decision', () => {
  it('starts workers in the first free slots and gives the reason with figures', () => {
    const [decision] = run(controllerOf('step'), [busy(51)]);
    expect(decision?.actions).toEqual([{ kind: 'start', slot: 'gpu-1' }]);
    expect(decision?.reason).toBe('realtime 1→2: 51 waiting > 50');
  });

  it('respects --min and --max whatever the policy says', () => {
    const few = run(controllerOf('predictive', { min: 3 }), [(now) => observe(now)]);
    expect(last(few).actions).toEqual([
      { kind: 'start', slot: 'gpu-1' },
      { kind: 'start', slot: 'gpu-2' },
    ]);
    expect(last(few).reason).toMatch(/^realtime 1→3: --min 3/);
    const many = run(controllerOf('predictive', { max: 2 }), [
      (now) => observe(now, { queue: queueAt(now, { waiting: 5000 }), workers: workersOf(['busy', 'busy']) }),
    ]);
    expect(last(many).actions).toEqual([]);
    expect(last(many).desired).toBe(2);
    expect(last(many).reason).toContain('--max 2');
  });

  it('drains one worker at a time: the newest idle one, else the newest', () => {
    const fixed = controllerOf('fixed:1');
    const seen = (phases: Parameters<typeof workersOf>[0]) => (now: number) =>
      observe(now, { workers: workersOf(phases) });
    expect(last(run(fixed, [seen(['ready', 'ready', 'busy'])])).actions).toEqual([
      { kind: 'drain', worker: 'w1' },
    ]);
    expect(last(run(fixed, [seen(['busy', 'busy', 'busy'])])).actions).toEqual([
      { kind: 'drain', worker: 'w2' },
    ]);
    const second = last(run(fixed, [seen(['ready', 'ready', 'draining'])]));
    expect(second.actions).toEqual([]);
    expect(second.reason).toContain('one drains already');
  });

  it('counts draining workers against --max, since they are still processes', () => {
    const fixed = controllerOf('fixed:3', { max: 3 });
    const seen = (phases: Parameters<typeof workersOf>[0], own = true) => {
      const workers = workersOf(phases).map((one) =>
        one.phase === 'draining' && !own ? { ...one, slot: null } : one,
      );
      return (now: number) => observe(now, { workers });
    };
    expect(last(run(fixed, [seen(['ready', 'draining', 'draining'])])).actions).toEqual([]);
    expect(last(run(fixed, [seen(['ready', 'draining'])])).actions).toHaveLength(1);
    // Workers of others are not bounded by it.
    expect(last(run(fixed, [seen(['ready', 'draining', 'draining'], false)])).actions).toHaveLength(2);
  });

  it('counts workers of others and never drains them', () => {
    const own = workersOf(['ready', 'ready']);
    const other = { ...own[1], id: 'theirs', startedAt: START, slot: null } as (typeof own)[0];
    const seen = (now: number) => observe(now, { workers: [...own, other] });
    expect(last(run(controllerOf('fixed:1'), [seen])).actions).toEqual([{ kind: 'drain', worker: 'w1' }]);
    // Two are wanted, and theirs is one of them.
    const two = last(run(controllerOf('fixed:2'), [seen]));
    expect(two.desired).toBe(1);
  });

  it('starts nothing on a paused queue', () => {
    const seen = (now: number) => observe(now, { queue: queueAt(now, { waiting: 900, paused: true }) });
    for (const policy of ['step', 'predictive']) {
      const decision = last(run(controllerOf(policy), [seen, seen]));
      expect(decision.actions).toEqual([]);
      expect(decision.reason).toContain('paused');
    }
  });
});

describe('a queue that cannot be read', () => {
  const dark = (now: number) =>
    observe(now, { queue: null, workers: workersOf(['ready', 'ready', 'ready']) });
  const idle = (now: number) => observe(now, { workers: workersOf(['ready', 'ready', 'ready']) });

  it('freezes the fleet, and the reason says for how long', () => {
    const decisions = run(controllerOf('fixed:1'), [idle, dark, dark, dark]);
    for (const decision of decisions.slice(1)) {
      expect(decision.actions).toEqual([]);
      expect(decision.hold).toBe('unreachable');
    }
    expect(last(decisions).reason).toBe(
      'realtime 3: the queue could not be read for 6s, nothing is started or stopped',
    );
  });

  it('includes one whose data is older than three ticks', () => {
    const old = (age: number) => (now: number) => ({ ...idle(now), queue: queueAt(now - age) });
    expect(last(run(controllerOf('fixed:1'), [old(6000)])).actions).toHaveLength(1);
    const stale = last(run(controllerOf('fixed:1'), [old(6001)]));
    expect(stale).toMatchObject({ actions: [], hold: 'stale' });
  });

  it('stops nothing for two minutes after a long blind period, but starts at once', () => {
    const controller = controllerOf('fixed:1');
    const blind = run(controller, [idle, dark, dark, dark, dark, idle]);
    expect(last(blind)).toMatchObject({ actions: [], hold: 'recovering' });
    expect(last(blind).reason).toContain('nothing is stopped for 120s after the blind time');
    const at = START + 10_000;
    const early = decide(controller, last(blind).state, idle(at + 119_000));
    expect(early.hold).toBe('recovering');
    expect(decide(controller, early.state, idle(at + 120_000)).actions).toHaveLength(1);
    const up = controllerOf('fixed:4');
    const recovered = run(up, [dark, dark, dark, dark, dark, idle]);
    expect(last(recovered).actions).toEqual([{ kind: 'start', slot: 'gpu-3' }]);
  });

  it('has no effect after a single missed reading', () => {
    expect(last(run(controllerOf('fixed:1'), [idle, dark, idle])).actions).toHaveLength(1);
  });
});

describe('slots whose workers fail', () => {
  const wanting = (now: number, failures: string[] = []) =>
    observe(now, { failures, slots: ['gpu-0', 'gpu-1'] });

  it('back off from 5 s, doubling, and are abandoned after five failures', () => {
    const controller = controllerOf('fixed:2', { max: 2 });
    let state = initialState(controller);
    let now = START;
    const pauses: number[] = [];
    for (let failure = 1; failure <= 4; failure++) {
      const failed = decide(controller, state, wanting(now, ['gpu-1']));
      expect(failed.actions).toEqual([]);
      expect(failed.reason).toContain('no free slot for 1 more');
      state = failed.state;
      const since = now;
      for (;;) {
        now += 1000;
        const decision = decide(controller, state, wanting(now));
        state = decision.state;
        if (decision.actions.length > 0) break;
      }
      pauses.push((now - since) / 1000);
    }
    expect(pauses).toEqual([5, 10, 20, 40]);
    const given = decide(controller, state, wanting(now, ['gpu-1']));
    expect(given.reason).toContain('(1 failed)');
    expect(decide(controller, given.state, wanting(now + 3_600_000)).actions).toEqual([]);
  });

  it('are reset once a worker has run for a minute', () => {
    const controller = controllerOf('fixed:2', { max: 2 });
    const failed = decide(controller, initialState(controller), wanting(START, ['gpu-1']));
    expect(failed.state.slots).toMatchObject({ 'gpu-1': { failures: 1 } });
    const up = (now: number) => observe(now, { workers: workersOf(['ready', 'ready'], START) });
    const early = decide(controller, failed.state, up(START + 30_000));
    expect(early.state.slots).toMatchObject({ 'gpu-1': { failures: 1 } });
    expect(decide(controller, early.state, up(START + 90_000)).state.slots).toEqual({});
  });
});

describe('the cold start estimate', () => {
  it('is what 9 of 10 starts took', () => {
    const controller = controllerOf('predictive');
    const state = {
      ...initialState(controller),
      coldStarts: [10, 11, 12, 13, 14, 15, 16, 17, 30, 90].map((s) => s * 1000),
    };
    expect(decide(controller, state, observe(START)).reason).toContain('cold start 30s');
    const fresh = decide(
      controller,
      initialState(controller),
      observe(START, { workers: workersOf(['starting']) }),
    );
    expect(fresh.reason).toContain('cold start 20s');
  });

  it('is measured by the observer when the worker does not report it', () => {
    const controller = controllerOf('predictive');
    const one = (phase: 'starting' | 'ready') => [
      { id: 'a', phase, startedAt: START, readyAt: null, slot: 'gpu-0' },
    ];
    const seen = decide(controller, initialState(controller), observe(START, { workers: one('starting') }));
    const ready = decide(controller, seen.state, observe(START + 8000, { workers: one('ready') }));
    expect(ready.state.coldStarts).toEqual([8000]);
    const unseen = decide(
      controller,
      initialState(controller),
      observe(START + 8000, { workers: one('ready') }),
    );
    expect(unseen.state.coldStarts).toEqual([]);
  });
});

describe('the saved state', () => {
  it('of another policy is dropped, except for slots and starts', () => {
    const step = controllerOf('step');
    const before = decide(
      step,
      { ...initialState(step), coldStarts: [7000] },
      observe(START, { failures: ['gpu-3'] }),
    );
    const after = decide(controllerOf('predictive'), before.state, observe(START + 2000));
    expect(after.state).toMatchObject({ policy: 'predictive', slots: { 'gpu-3': { failures: 1 } } });
    expect(after.state.coldStarts).toContain(7000);
  });
});

describe('workers of others', () => {
  it('are not drained, and no reason claims so', () => {
    const controller = controllerOf('predictive', { min: 0 });
    const others = (phases: ('ready' | 'busy')[]) => workersOf(phases).map((one) => ({ ...one, slot: null }));
    const decisions = run(
      controller,
      Array.from(
        { length: 900 },
        () => (now: number) => observe(now, { workers: others(['ready', 'ready']) }),
      ),
    );
    expect(decisions.some(({ reason }) => /0 needed, more/.test(reason))).toBe(true);
    expect(decisions.filter(({ reason }) => /drained|let go/.test(reason))).toEqual([]);
    expect(decisions.flatMap(({ actions }) => actions)).toEqual([]);
    // Draining one of its own is reported.
    const own = run(
      controller,
      Array.from(
        { length: 900 },
        () => (now: number) => observe(now, { workers: workersOf(['ready', 'ready']) }),
      ),
    );
    expect(own.some(({ reason }) => /one was drained/.test(reason))).toBe(true);
  });
});
