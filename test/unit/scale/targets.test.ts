import { describe, expect, it } from 'vitest';
import { choosePolicy } from '../../../src/lib/scale/choose-policy.js';
import type { PolicyConfig } from '../../../src/lib/scale/policy.js';
import { type Figures, figuresOf, meanOf } from '../../../src/lib/scale/report.js';
import { simulate } from '../../../src/lib/scale/simulate.js';
import { HOUR_TRACES, makeTrace, type Trace, type TraceName } from '../../../src/lib/scale/traces.js';
import { CONFIG } from './observed.js';

interface Options {
  coldStart?: number;
  config?: Partial<PolicyConfig>;
  seeds?: number[];
  load?: number;
  serviceMs?: number;
}

const made = new Map<string, Trace>();

function traceOf(name: TraceName, seed: number, load: number): Trace {
  const key = `${name} ${seed} ${load}`;
  const trace = made.get(key) ?? makeTrace(name, seed, load);
  made.set(key, trace);
  return trace;
}

/** Mean over the seeds. */
function replayed(name: TraceName, policy: string, options: Options = {}): Figures {
  const { coldStart = 20, seeds = [1, 2, 3], load = 1, serviceMs = 250 } = options;
  const config = { ...CONFIG, ...options.config };
  return meanOf(
    seeds.map((seed) => {
      const trace = traceOf(name, seed, load);
      const controller = { pool: name, config, policy: choosePolicy(policy, config) };
      const result = simulate(trace, controller, { coldStartMs: coldStart * 1000, serviceMs, seed });
      return figuresOf(trace, result, config.targetWaitMs);
    }),
  );
}

const overAll = (policy: string, options: Options = {}) =>
  meanOf(HOUR_TRACES.map((name) => replayed(name, policy, options)));

// The same code, seeds and traces give the same figures on every machine.
describe('on the built-in traces', () => {
  it.each([
    [5, 0.877, 2.95],
    [20, 0.841, 3.36],
    [60, 0.817, 3.36],
  ])('the step policy performs about as published, cold start %i s', (coldStart, slo, gpuHours) => {
    const step = overAll('step', { coldStart });
    expect(Math.abs(step.slo - slo)).toBeLessThan(0.025);
    expect(Math.abs(step.gpuHoursPerHour - gpuHours)).toBeLessThan(0.2);
    expect(step.flipsPerHour).toBe(0);
  });

  it.each([
    [5, 0, 0.9, 2.6],
    [20, 0, 0.87, 2.6],
    [60, 0, 0.79, 2.6],
    [20, 1, 0.908, 3.4],
    [60, 1, 0.895, 3.4],
  ])(
    'the predictive policy meets its targets: cold start %i s, %i spare',
    (coldStart, spare, slo, gpuHours) => {
      const ours = overAll('predictive', { coldStart, config: { spare } });
      expect(ours.slo).toBeGreaterThanOrEqual(slo);
      expect(ours.gpuHoursPerHour).toBeLessThanOrEqual(gpuHours);
      expect(ours.flipsPerHour).toBeLessThanOrEqual(4);
      expect(ours.unserved).toBe(0);
    },
  );
});

describe('on traffic used for no tuning', () => {
  it.each([
    ['six hours of rare bursts', 'sparse', { config: { spare: 1 }, seeds: [1] }, 0.02],
    ['other seeds', 'diurnal', { seeds: [101, 102] }, 0],
    [
      'a cold start of a minute, a spare',
      'chat',
      { coldStart: 60, config: { spare: 1 }, seeds: [101, 102] },
      0,
    ],
    ['half the load', 'bursty', { load: 0.5, seeds: [101, 102] }, 0],
    ['16 workers, four times the load', 'flash', { load: 4, config: { max: 16 }, seeds: [101, 102] }, 0.1],
    [
      'jobs of 2 s',
      'bursty',
      { serviceMs: 2000, load: 1 / 8, config: { targetWaitMs: 30_000 }, seeds: [101] },
      0.05,
    ],
  ] as const)(
    '%s: the predictive policy meets the target more often than step, or as often for less',
    (_, name, options, better) => {
      const given = { ...options, seeds: [...options.seeds] };
      const [ours, step] = [replayed(name, 'predictive', given), replayed(name, 'step', given)];
      expect(ours.slo).toBeGreaterThanOrEqual(step.slo + better);
      expect(ours.gpuHours).toBeLessThan(0.95 * step.gpuHours);
    },
  );
});
