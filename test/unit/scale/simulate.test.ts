import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/lib/core/random.js';
import { choosePolicy } from '../../../src/lib/scale/choose-policy.js';
import { exponential } from '../../../src/lib/scale/draw.js';
import type { Policy, PolicyConfig } from '../../../src/lib/scale/policy.js';
import { figuresOf } from '../../../src/lib/scale/report.js';
import { type SimulationResult, simulate } from '../../../src/lib/scale/simulate.js';
import { makeTrace, TRACE_NAMES, type Trace } from '../../../src/lib/scale/traces.js';
import { CONFIG } from './observed.js';

function replay(
  trace: Trace,
  policy: string,
  options: { config?: Partial<PolicyConfig>; coldStartMs?: number; serviceMs?: number } = {},
): SimulationResult {
  const config = { ...CONFIG, ...options.config };
  const controller = { pool: 'q', config, policy: choosePolicy(policy, config) };
  const { coldStartMs = 20_000, serviceMs = 250 } = options;
  return simulate(trace, controller, { coldStartMs, serviceMs, seed: 1 });
}

const seconds = (times: number[], serviceSeconds: number[] | null = null): Trace => ({
  name: 'made',
  durationMs: Math.max(1000, ...times.map((at) => at * 1000)),
  arrivals: Float64Array.from(times, (at) => at * 1000),
  serviceMs: serviceSeconds && Float64Array.from(serviceSeconds, (s) => s * 1000),
});

/** Poisson arrivals, one a second on average, at `servers` servers of the given load. */
function theory(servers: number, load: number, kind: 'exponential' | 'constant'): number {
  const random = seededRandom(servers * 100 + load * 10);
  const jobs = 150_000;
  const mean = load * servers;
  const times: number[] = [];
  for (let at = exponential(random, 1); times.length < jobs; at += exponential(random, 1)) times.push(at);
  const trace = seconds([]);
  const services = Float64Array.from(
    times,
    () => 1000 * (kind === 'constant' ? mean : exponential(random, mean)),
  );
  const arrivals = Float64Array.from(times, (at) => at * 1000);
  const made = { ...trace, durationMs: arrivals.at(-1) ?? 0, arrivals, serviceMs: services };
  const config = { min: servers, max: servers, intervalMs: 3_600_000 };
  const { waits } = replay(made, `fixed:${servers}`, { config });
  return waits.reduce((sum, wait) => sum + wait, 0) / waits.length / 1000;
}

/** Mean wait of M/M/c in seconds, one arrival a second (Erlang C). */
function erlang(servers: number, load: number): number {
  const offered = servers * load;
  let term = 1;
  let sum = 1;
  for (let n = 1; n < servers; n++) {
    term *= offered / n;
    sum += term;
  }
  const full = (term * offered) / servers / (1 - load);
  return (full / (sum + full)) * (load / (1 - load));
}

describe('the simulator agrees with queueing theory', () => {
  it.each([
    [1, 0.5],
    [1, 0.8],
    [3, 0.7],
    [8, 0.8],
  ])('on the mean wait of M/M/%i at load %f', (servers, load) => {
    const expected = erlang(servers, load);
    expect(Math.abs(theory(servers, load, 'exponential') / expected - 1)).toBeLessThan(0.08);
  });

  it.each([[0.5], [0.8]])('on M/D/1 at load %f: half the wait of M/M/1', (load) => {
    expect(Math.abs(theory(1, load, 'constant') / (erlang(1, load) / 2) - 1)).toBeLessThan(0.05);
  });

  it('on M/D/4: about half the wait of M/M/4 (Cosmetatos)', () => {
    const [c, load] = [4, 0.8];
    const correction = 1 + ((1 - load) * (c - 1) * (Math.sqrt(4 + 5 * c) - 2)) / (16 * load * c);
    expect(Math.abs(theory(c, load, 'constant') / ((erlang(c, load) / 2) * correction) - 1)).toBeLessThan(
      0.05,
    );
  });
});

describe('the simulator', () => {
  it('serves in order and measures waits until the start', () => {
    const result = replay(seconds([0, 0, 1, 10], [2, 3, 1, 1]), 'fixed:1', { config: { max: 1 } });
    expect([...result.waits]).toEqual([0, 2000, 4000, 0]);
    expect(result.makespanMs).toBe(11_000);
    expect(result).toMatchObject({ starts: 0, stops: 0, flips: 0 });
    expect(result.workerMs).toBe(11_000);
  });

  it('counts a worker from its process start, cold start included', () => {
    const result = replay(seconds([0, 0], [60, 60]), 'fixed:2', { config: { max: 2 } });
    expect(result.starts).toBe(1);
    const wait = result.waits[1] ?? 0;
    expect(wait).toBeGreaterThanOrEqual(18_000);
    expect(wait).toBeLessThanOrEqual(24_000);
    expect(result.workerMs).toBeCloseTo(2 * (60_000 + wait));
  });

  it('lets a draining worker finish its job, and counts it until then', () => {
    const config = { ...CONFIG, max: 2 };
    const policy: Policy = {
      name: 'one, two, one',
      initial: () => null,
      plan: (state, now) => ({ state, wanted: now >= 2000 && now < 35_000 ? 2 : 1, because: 'so it is' }),
    };
    // The first worker has 60 s of work, the second, started at 2 s, 20 s from 30 s on; at 36 s it is drained.
    const trace = seconds([0, 30, 59], [60, 20, 1]);
    const result = simulate(
      trace,
      { pool: 'q', config, policy },
      { coldStartMs: 20_000, serviceMs: 1, seed: 1 },
    );
    expect(result).toMatchObject({ starts: 1, stops: 1, flips: 1 });
    expect([...result.waits]).toEqual([0, 0, 1000]);
    expect(result.workerMs).toBe(61_000 + 48_000);
  });

  it('reports jobs that were never served', () => {
    const none = replay(seconds([1, 2]), 'fixed:0', { config: { min: 0 } });
    expect([...none.waits]).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
    expect(figuresOf(seconds([1, 2]), none, 10_000)).toMatchObject({ slo: 0, unserved: 2, p99WaitMs: 0 });
  });

  it('is deterministic', () => {
    const trace = makeTrace('bursty', 3);
    const [a, b] = [replay(trace, 'predictive'), replay(trace, 'predictive')];
    expect(a).toEqual(b);
    expect(a.flips).toBeLessThanOrEqual(a.starts + a.stops);
  });

  it('summarises by nearest rank, and counts a wait equal to the target as in time', () => {
    const waits = Float64Array.from({ length: 100 }, (_, at) => at * 1000);
    const result = {
      jobs: 100,
      waits,
      workerMs: 7_200_000,
      starts: 2,
      stops: 1,
      flips: 1,
      endMs: 0,
      makespanMs: 5,
    };
    const hour = { ...seconds([0]), durationMs: 3_600_000 };
    expect(figuresOf(hour, result, 10_000)).toMatchObject({
      slo: 0.11,
      meanWaitMs: 49_500,
      p99WaitMs: 98_000,
      gpuHours: 2,
      gpuHoursPerHour: 2,
      flipsPerHour: 1,
    });
  });
});

describe('built-in traces', () => {
  it.each(TRACE_NAMES)('are sorted, within their duration, and different for another seed: %s', (name) => {
    const trace = makeTrace(name, 1);
    expect(trace.arrivals).toEqual(makeTrace(name, 1).arrivals);
    expect(trace.arrivals).not.toEqual(makeTrace(name, 2).arrivals);
    expect(trace.arrivals.every((at, index) => at >= (trace.arrivals[index - 1] ?? 0))).toBe(true);
    expect(trace.arrivals.at(-1)).toBeLessThanOrEqual(trace.durationMs);
    const twice = makeTrace(name, 1, 2).arrivals.length / trace.arrivals.length;
    expect(twice).toBeGreaterThan(1.3);
  });

  it('have the pattern of their name', () => {
    const seen = (name: (typeof TRACE_NAMES)[number]) => {
      const { arrivals, durationMs } = makeTrace(name, 1);
      const gaps = arrivals.slice(1).map((at, index) => at - (arrivals[index] ?? 0));
      const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
      const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
      const windows = new Array(Math.ceil(durationMs / 10_000)).fill(0) as number[];
      for (const at of arrivals)
        windows[Math.min(windows.length - 1, Math.floor(at / 10_000))] =
          (windows[Math.floor(at / 10_000)] ?? 0) + 1;
      const empty = windows.filter((jobs) => jobs === 0).length / windows.length;
      return { rate: 1000 / mean, cv: Math.sqrt(variance) / mean, empty, peak: Math.max(...windows) / 10 };
    };
    expect(seen('steady').cv).toBeCloseTo(1, 1);
    expect(seen('clumped').cv).toBeGreaterThan(3.5);
    expect(seen('clumped').cv).toBeLessThan(4.5);
    expect(seen('chat').cv).toBeCloseTo(1.1, 0);
    const code = seen('code');
    expect(code.cv).toBeGreaterThan(9);
    expect(code.empty).toBeGreaterThan(0.45);
    expect(code.peak).toBeGreaterThan(20);
    expect(seen('diurnal').peak).toBeGreaterThan(11);
    expect(seen('dump').peak).toBeGreaterThan(90);
  });
});
