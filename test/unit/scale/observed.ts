import type { Observation, QueueFacts, WorkerPhase, WorkerView } from '../../../src/lib/scale/observation.js';
import type { PolicyConfig } from '../../../src/lib/scale/policy.js';

export const START = 1_700_000_000_000;

export const CONFIG: PolicyConfig = {
  min: 1,
  max: 4,
  spare: 0,
  threshold: null,
  targetWaitMs: 10_000,
  intervalMs: 2000,
};

/** A queue at `now`, idle by default. */
export function queueAt(now: number, facts: Partial<QueueFacts> = {}): QueueFacts {
  return {
    at: now,
    waiting: 0,
    dueDelayed: 0,
    active: 0,
    oldestMs: null,
    arrived: 0,
    completed: 0,
    busySeconds: 0,
    paused: false,
    ...facts,
  };
}

/** Workers in these phases, the first started longest ago, each in its own slot. */
export function workersOf(phases: readonly WorkerPhase[], startedAt = START - 3_600_000): WorkerView[] {
  return phases.map((phase, at) => ({
    id: `w${at}`,
    phase,
    startedAt: startedAt + at * 1000,
    readyAt: phase === 'starting' ? null : startedAt + at * 1000 + 20_000,
    slot: `gpu-${at}`,
  }));
}

export function observe(now: number, options: Partial<Observation> = {}): Observation {
  return {
    now,
    queue: queueAt(now),
    workers: workersOf(['ready']),
    slots: ['gpu-0', 'gpu-1', 'gpu-2', 'gpu-3'],
    failures: [],
    ...options,
  };
}
