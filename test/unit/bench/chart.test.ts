import { describe, expect, it } from 'vitest';
import type { Figures } from '../../../src/lib/bench/figures.js';
import { benchPlan } from '../../../src/lib/bench/plan.js';
import type { BenchJson } from '../../../src/lib/bench/reports.js';
import { missed } from '../../../src/lib/bench/scenarios.js';
import { plain } from '../../../src/lib/cli/output/text.js';
import { benchView } from '../../../src/lib/cli/views/bench-view.js';
import { latencyChart } from '../../../src/lib/cli/views/latency-chart.js';
import { PIPED } from '../../support/layout.js';

const POINTS = [
  { rate: 50, p50: 1, p99: 2 },
  { rate: 100, p50: 1, p99: 2.5 },
  { rate: 200, p50: 1.2, p99: 4 },
  { rate: 1600, p50: 30, p99: 200 },
];

describe('the latency chart', () => {
  it('uses a log scale when latencies differ widely', () => {
    expect(latencyChart(POINTS, { width: 80, thresholdMs: 50 })).toMatchInlineSnapshot(`
      [
        " 200 ms |                     #",
        "        |",
        "        | ------------------------",
        "34.2 ms |                     o",
        "        |",
        "        |",
        " 5.8 ms |",
        "        |         #     #",
        "        |   #",
        "   1 ms |   o     o     o",
        "        +-------------------------",
        "            50   100   200   1.6k",
        "          requests a second   o p50   # p99   --- threshold 50 ms, log scale",
      ]
    `);
  });

  it('starts at zero when they do not', () => {
    expect(latencyChart(POINTS.slice(0, 3), { width: 80, height: 7 })).toMatchInlineSnapshot(`
      [
        "  4 ms |             #",
        "       |",
        "       |        #",
        "  2 ms |   #",
        "       |   o    o    o",
        "       |",
        "  0 µs |",
        "       +----------------",
        "          50   100  200",
        "         requests a second   o p50   # p99",
      ]
    `);
  });

  it('keeps the last steps where not all fit, and is omitted where none would', () => {
    const narrow = latencyChart(POINTS, { width: 24 });
    expect(narrow.join('\n')).toContain('1.6k');
    expect(narrow.join('\n')).not.toContain(' 50');
    expect(latencyChart(POINTS, { width: 10 })).toEqual([]);
    expect(latencyChart(POINTS.slice(0, 1), { width: 80 })).toEqual([]);
  });

  it('draws equal latencies', () => {
    const flat = [1, 2].map((rate) => ({ rate, p50: 3, p99: 3 }));
    expect(latencyChart(flat, { width: 80 }).join('\n')).toContain('8');
  });
});

function step(rate: number, p99: number, more: Partial<Figures> = {}): Figures {
  const times = { p50: 1, p90: 1.5, p99, p999: p99 };
  return {
    scenario: 'sweep',
    load: `${rate} a second`,
    rate,
    keptUp: true,
    seconds: 1,
    rows: rate,
    rowsPerSecond: rate,
    samples: { of: 'rows', count: rate },
    queueMs: times,
    runMs: times,
    totalMs: times,
    meanBatch: 1.5,
    errors: 0,
    errorCodes: {},
    ...more,
  };
}

const BENCH: BenchJson = {
  model: 'digits',
  device: 'cpu',
  redis: { label: 'unix:///x', private: true },
  workers: 1,
  queues: ['realtime', 'batch'],
  rows: 'random numbers',
  seed: 1,
  durationMs: 1000,
  thresholdMs: null,
  results: [step(50, 2), step(100, 3, { keptUp: false, errors: 2, errorCodes: { RUN_FAILED: 2 } })],
  bestRate: 50,
};

describe('the bench report', () => {
  it('is only a table in a pipe', () => {
    expect(benchView(BENCH, PIPED)).toMatchInlineSnapshot(`
      [
        "SCENARIO	LOAD	ROWS/S	BATCH	ERRORS	OF	P50	P90	P99	P99.9",
        "sweep	50 a second	50	1.5	0	total	1 ms	1.5 ms	2 ms	2 ms",
        "sweep	50 a second	50	1.5	0	queue	1 ms	1.5 ms	2 ms	2 ms",
        "sweep	50 a second	50	1.5	0	run	1 ms	1.5 ms	2 ms	2 ms",
        "sweep	100 a second, not kept up	100	1.5	2	total	1 ms	1.5 ms	3 ms	3 ms",
        "sweep	100 a second, not kept up	100	1.5	2	queue	1 ms	1.5 ms	3 ms	3 ms",
        "sweep	100 a second, not kept up	100	1.5	2	run	1 ms	1.5 ms	3 ms	3 ms",
      ]
    `);
  });

  it('has a chart, errors and the best rate on a terminal', () => {
    const text = benchView(BENCH, { tty: true, width: 160, paint: plain }).join('\n');
    expect(text).toContain('requests a second   o p50   # p99');
    expect(text).toContain('! sweep, 100 a second: RUN_FAILED 2');
    expect(text).toContain('Kept up: 50 requests a second.');
  });

  it('compares the threshold with single-row latencies only, those of idle and mixed', () => {
    const idle = step(1, 30, { scenario: 'idle' });
    const chunks = step(1, 30, { scenario: 'mixed', samples: { of: 'chunks', count: 1 } });
    expect(missed([idle, chunks, step(1, 30)], 20)).toEqual([idle]);
    expect(missed([idle], 30)).toEqual([]);
    expect(missed([idle], undefined)).toEqual([]);
  });
});

describe('the bench plan', () => {
  it('selects the scenario of a flag when none is named', () => {
    expect(benchPlan({}).scenarios).toEqual(['idle', 'drain', 'bulk', 'mixed']);
    expect(benchPlan({ concurrency: [1, 2] }).scenarios).toEqual(['idle']);
    expect(benchPlan({ rate: [50] }).scenarios).toEqual(['sweep']);
    expect(benchPlan({ scenario: ['bulk', 'bulk'] }).scenarios).toEqual(['bulk']);
  });

  it.each([
    [{ scenario: ['bulk'] as const, concurrency: [2] }, /--concurrency is for the scenario idle/],
    [{ scenario: ['idle'] as const, rate: [2] }, /--rate is for the scenario sweep/],
    [{ scenario: ['idle'] as const, rows: 2 }, /--rows is for/],
    [{ scenario: ['bulk'] as const, 'latency-threshold': 2 }, /--latency-threshold is for/],
    [{ duration: 0 }, /--duration/],
  ])('refuses flags that no chosen scenario uses: %j', (flags, message) => {
    expect(() =>
      benchPlan({ ...flags, scenario: 'scenario' in flags ? [...flags.scenario] : undefined }),
    ).toThrow(message);
  });
});
