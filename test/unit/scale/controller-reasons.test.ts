import { describe, expect, it } from 'vitest';
import { choosePolicy } from '../../../src/lib/scale/choose-policy.js';
import {
  type Controller,
  type ControllerState,
  decide,
  initialState,
} from '../../../src/lib/scale/controller.js';
import type { Observation, WorkerView } from '../../../src/lib/scale/observation.js';
import type { PolicyConfig } from '../../../src/lib/scale/policy.js';
import { CONFIG, observe, queueAt, START, workersOf } from './observed.js';

function controllerOf(policy: string, config: Partial<PolicyConfig> = {}): Controller {
  const all = { ...CONFIG, ...config };
  return { pool: 'q', config: all, policy: choosePolicy(policy, all) };
}

function look(
  controller: Controller,
  seen: Partial<Observation> = {},
  state: Partial<ControllerState> = {},
  now = START,
) {
  return decide(controller, { ...initialState(controller), ...state }, observe(now, seen));
}

const reasonOf = (...args: Parameters<typeof look>) => look(...args).reason;

it('a controller starts with an empty state', () => {
  expect(initialState(controllerOf('fixed:1'))).toEqual({
    version: 1,
    policy: 'fixed:1',
    policyState: null,
    readySince: {},
    starting: [],
    coldStarts: [],
    slots: {},
    readAt: null,
    blindSince: null,
    noStopBefore: null,
  });
});

describe('the reason of a decision', () => {
  it('to change nothing comes from the policy', () => {
    expect(reasonOf(controllerOf('fixed:1'))).toBe('q 1: fixed at 1');
    expect(reasonOf(controllerOf('fixed:2'), { queue: queueAt(START, { paused: true }) })).toBe(
      'q 1: paused, fixed at 2',
    );
  });

  it('names the bound that applied', () => {
    expect(reasonOf(controllerOf('step', { min: 2 }))).toBe('q 1→2: --min 2');
    const two = workersOf(['ready', 'ready']);
    const full = controllerOf('step', { max: 2 });
    expect(reasonOf(full, { workers: two, queue: queueAt(START, { waiting: 51 }) })).toBe(
      'q 2: 51 waiting > 50; wants 3, --max 2',
    );
    // More than allowed: someone lowered --max.
    const three = workersOf(['busy', 'busy', 'busy']);
    expect(reasonOf(full, { workers: three, queue: queueAt(START, { waiting: 51 }) })).toBe('q 3→2: --max 2');
  });

  it('ignores workers of others', () => {
    const theirs = workersOf(['ready', 'ready']).map((one) => ({ ...one, id: `x-${one.id}`, slot: null }));
    const workers = [...workersOf(['ready']), ...theirs];
    expect(reasonOf(controllerOf('fixed:4', { max: 4 }), { workers })).toBe('q 1→2: fixed at 4');
    const queue = queueAt(START, { waiting: 51 });
    expect(reasonOf(controllerOf('step', { max: 1 }), { workers, queue })).toBe(
      'q 1: 51 waiting > 50; wants 2, --max 1',
    );
    expect(reasonOf(controllerOf('fixed:2', { min: 0 }), { workers })).toBe('q 1→0: fixed at 2');
  });

  it('explains why fewer are started than wanted', () => {
    const four = controllerOf('fixed:4');
    const slots = ['gpu-0', 'gpu-1', 'gpu-2', 'gpu-3'];
    expect(reasonOf(four, { slots: slots.slice(0, 2) })).toBe('q 1→2: fixed at 4; no free slot for 2 more');
    const paused = { failures: 1, retryAt: START + 4000, failed: false };
    const later = { failures: 2, retryAt: START + 9000, failed: false };
    const given = { failures: 5, retryAt: 0, failed: true };
    expect(reasonOf(four, { slots }, { slots: { 'gpu-1': later, 'gpu-2': paused } })).toBe(
      'q 1→2: fixed at 4; no free slot for 2 more (2 back off, next try in 4s)',
    );
    expect(reasonOf(four, { slots }, { slots: { 'gpu-1': given, 'gpu-2': paused } })).toBe(
      'q 1→2: fixed at 4; no free slot for 2 more (1 failed, 1 back off, next try in 4s)',
    );
    expect(reasonOf(four, { slots }, { slots: { 'gpu-1': given, 'gpu-2': given } })).toBe(
      'q 1→2: fixed at 4; no free slot for 2 more (2 failed)',
    );
    // A pause that is over does not count.
    expect(
      reasonOf(four, { slots }, { slots: { 'gpu-1': given, 'gpu-2': { ...paused, retryAt: START } } }),
    ).toBe('q 1→3: fixed at 4; no free slot for 1 more (1 failed)');
  });

  it('says how long the queue could not be read', () => {
    const fixed = controllerOf('fixed:4');
    const tail = 'nothing is started or stopped';
    expect(reasonOf(fixed, { queue: null })).toBe(`q 1: the queue could not be read for 0s, ${tail}`);
    expect(reasonOf(fixed, { queue: null }, { readAt: START - 4000 })).toBe(
      `q 1: the queue could not be read for 4s, ${tail}`,
    );
    expect(reasonOf(fixed, { queue: null }, { readAt: START - 9000, blindSince: START - 2000 })).toBe(
      `q 1: the queue could not be read for 2s, ${tail}`,
    );
    const old = look(fixed, { queue: queueAt(START - 6001) }, { readAt: START - 6500 });
    expect(old).toMatchObject({ hold: 'stale', desired: 1, state: { blindSince: START - 6500 } });
    expect(old.reason).toBe(`q 1: what is known of the queue is 6.5s old, ${tail}`);
  });
});

describe('after a blind period', () => {
  const two = workersOf(['ready', 'ready']);
  const back = (blindMs: number, state: Partial<ControllerState> = {}) =>
    look(controllerOf('fixed:1'), { workers: two }, { blindSince: START - blindMs, ...state });

  it('of three ticks or less decisions are as before', () => {
    expect(back(6000)).toMatchObject({
      hold: null,
      state: { noStopBefore: null, blindSince: null, readAt: START },
    });
    expect(back(6000).reason).toBe('q 2→1: fixed at 1');
  });

  it('longer than that no worker is stopped for two minutes, or three cold starts', () => {
    expect(back(6001)).toMatchObject({
      hold: 'recovering',
      actions: [],
      state: { noStopBefore: START + 120_000 },
    });
    expect(back(6001).reason).toBe('q 2: fixed at 1; nothing is stopped for 120s after the blind time');
    expect(back(6001, { coldStarts: [60_000] }).state.noStopBefore).toBe(START + 180_000);
    expect(back(6001, { coldStarts: [30_000] }).state.noStopBefore).toBe(START + 120_000);
  });

  it('the rule is kept until it expires', () => {
    const kept = (noStopBefore: number) =>
      look(controllerOf('fixed:1'), { workers: two }, { noStopBefore }).state.noStopBefore;
    expect([kept(START + 1), kept(START), kept(START - 1)]).toEqual([START + 1, null, null]);
  });
});

describe('what is learned about worker starts', () => {
  const one = (more: Partial<WorkerView>): WorkerView => ({
    id: 'a',
    phase: 'ready',
    startedAt: START - 9000,
    readyAt: START - 2000,
    slot: 'gpu-0',
    ...more,
  });
  const learned = (worker: WorkerView, state: Partial<ControllerState> = {}) => {
    const { readySince, starting, coldStarts } = look(
      controllerOf('fixed:1'),
      { workers: [worker] },
      state,
    ).state;
    return { readySince, starting, coldStarts };
  };

  it('is how long each took, once', () => {
    const first = learned(one({}));
    expect(first).toEqual({ readySince: { a: START - 2000 }, starting: [], coldStarts: [7000] });
    expect(learned(one({ phase: 'busy' }))).toEqual(first);
    expect(learned(one({}), first)).toEqual(first);
    // It drains, and is still known to have been ready.
    expect(learned(one({ phase: 'draining' }), first)).toEqual(first);
  });

  it('is nothing from a worker that is starting, or draining and never seen ready', () => {
    expect(learned(one({ phase: 'starting', readyAt: null }))).toEqual({
      readySince: {},
      starting: ['a'],
      coldStarts: [],
    });
    expect(learned(one({ phase: 'draining' }))).toEqual({ readySince: {}, starting: [], coldStarts: [] });
  });

  it('is the observed time when a worker does not report when it was ready', () => {
    const silent = one({ readyAt: null });
    expect(learned(silent)).toEqual({ readySince: { a: START }, starting: [], coldStarts: [] });
    expect(learned(silent, { starting: ['b'] }).coldStarts).toEqual([]);
    expect(learned(silent, { starting: ['b', 'a'] }).coldStarts).toEqual([9000]);
  });

  it('is limited to the last twenty', () => {
    const coldStarts = Array.from({ length: 20 }, (_, at) => at + 1);
    expect(learned(one({}), { coldStarts }).coldStarts).toEqual([...coldStarts.slice(1), 7000]);
  });
});
