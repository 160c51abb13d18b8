import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { meanBatch, Tally } from '../../../src/lib/bench/figures.js';
import { backlog, closedLoop, duringBatch, openLoop } from '../../../src/lib/bench/load.js';
import { Series } from '../../../src/lib/bench/percentiles.js';
import { parseRange, parseWholeNumbers } from '../../../src/lib/bench/range.js';
import { bestRate, sweep } from '../../../src/lib/bench/sweep.js';
import type { Outcome, Target } from '../../../src/lib/bench/target.js';
import { poissonArrivals, seededRandom } from '../../../src/lib/core/random.js';

const { signal } = new AbortController();
const GOOD: Outcome = { ok: true, queueMs: 1, runMs: 2, totalMs: 3 };

/** A system that answers each request once `answer` resolves. */
function fakeTarget(answer: (row: number, urgent: boolean) => Promise<Outcome>, hold = false) {
  const calls: string[] = [];
  let rows = 0;
  const target: Target = {
    run: (row, urgent) => {
      rows += 1;
      return answer(row, urgent);
    },
    queueRows: async (kind, count) => {
      calls.push(`queue ${kind} ${count}`);
      rows += count;
      const jobs = kind === 'singles' ? count : Math.ceil(count / 256);
      const queuedAt = Date.now() - 1000;
      const held = { ...GOOD, queueMs: 1500, totalMs: 1600, queuedAt };
      return { jobs, ended: delay(40), outcomes: async () => Array.from({ length: jobs }, () => held) };
    },
    work: async () => ({ rows, batches: rows / 4 }),
    ...(hold
      ? {
          hold: async () => {
            calls.push('hold');
            return async () => {
              calls.push('release');
            };
          },
        }
      : {}),
  };
  return { target, calls };
}

describe('percentiles', () => {
  it('are measured values, by nearest rank', () => {
    const series = new Series();
    for (let ms = 1000; ms >= 1; ms--) series.add(ms);
    expect(series.percentiles()).toEqual({ p50: 500, p90: 900, p99: 990, p999: 999 });
    const one = new Series();
    one.add(7.1234567);
    expect(one.percentiles()).toEqual({ p50: 7.123, p90: 7.123, p99: 7.123, p999: 7.123 });
    expect(new Series().percentiles()).toBeNull();
  });

  it('rise with the percentage for any measurements', () => {
    const values = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 3000 });
    fc.assert(
      fc.property(values, (all) => {
        const series = new Series();
        for (const value of all) series.add(value);
        const found = series.percentiles();
        if (found === null) throw new Error('nothing found');
        expect(found.p50).toBeLessThanOrEqual(found.p90);
        expect(found.p90).toBeLessThanOrEqual(found.p99);
        expect(found.p99).toBeLessThanOrEqual(found.p999);
        expect(found.p999).toBeLessThanOrEqual(Math.max(...all) + 0.001);
      }),
      { numRuns: 50 },
    );
  });
});

describe('Poisson arrivals', () => {
  it('are the same for a seed, in order, within the duration, and at the rate', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 10, max: 2000 }), (seed, rate) => {
        const at = [...poissonArrivals(rate, 5000, seededRandom(seed))];
        expect(at).toEqual([...poissonArrivals(rate, 5000, seededRandom(seed))]);
        expect(at.every((ms, i) => ms >= (at[i - 1] ?? 0) && ms < 5000)).toBe(true);
        const expected = rate * 5;
        expect(Math.abs(at.length - expected)).toBeLessThan(6 * Math.sqrt(expected));
      }),
      { numRuns: 50 },
    );
  });

  it('have gaps with a standard deviation about equal to their mean', () => {
    const at = [...poissonArrivals(1000, 20_000, seededRandom(3))];
    const gaps = at.map((ms, i) => ms - (at[i - 1] ?? 0));
    const mean = gaps.reduce((a, b) => a + b, 0) / gaps.length;
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
    expect(mean).toBeCloseTo(1, 1);
    expect(deviation / mean).toBeCloseTo(1, 1);
  });
});

describe('ranges', () => {
  it.each([
    ['4', [4]],
    ['1:4', [1, 2, 3, 4]],
    ['50:200:50', [50, 100, 150, 200]],
    ['1:8:3', [1, 4, 7]],
    ['0.5:1.5:0.5', [0.5, 1, 1.5]],
  ])('parse %s', (text, numbers) => expect(parseRange(text, '')).toEqual(numbers));

  it.each(['', 'a', '0', '5:1', '1:5:0', '1:2:3:4', '-1', '1:100000'])('refuse %s', (text) => {
    expect(() => parseRange(text, '--rate 50:500:50')).toThrow(
      expect.objectContaining({ code: 'RANGE', exitCode: 2 }),
    );
  });

  it('of whole numbers are sorted and unique', () => {
    expect(parseWholeNumbers('8,1:3,2', '')).toEqual([1, 2, 3, 8]);
    expect(() => parseWholeNumbers('1,2.5', '')).toThrow('2.5 is not a whole number');
  });
});

function opening(): { open: () => void; opened: Promise<void> } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open: () => open(), opened };
}

describe('load generation', () => {
  it('closed: keeps as many requests in flight as asked for, and counts errors', async () => {
    let under = 0;
    let most = 0;
    // The first four wait for one another, however slow the machine is.
    const all = opening();
    const { target } = fakeTarget(async (row) => {
      most = Math.max(most, ++under);
      if (under === 4) all.open();
      await all.opened;
      await delay(2);
      under -= 1;
      return row % 2 === 0 ? GOOD : { ...GOOD, ok: false, error: 'RUN_FAILED' };
    });
    const figures = await closedLoop(target, { concurrency: 4, durationMs: 60, signal });
    expect(most).toBe(4);
    expect(figures).toMatchObject({ scenario: 'idle', concurrency: 4, meanBatch: 4 });
    expect(figures.errorCodes).toEqual({ RUN_FAILED: figures.errors });
    expect(figures.totalMs?.p50).toBe(3);
  });

  it('backlog: holds the workers while queuing, and does not count that time', async () => {
    const { target, calls } = fakeTarget(async () => GOOD, true);
    const figures = await backlog(target, { scenario: 'drain', kind: 'singles', rows: 10, signal });
    expect(calls).toEqual(['hold', 'queue singles 10', 'release']);
    expect(figures).toMatchObject({ rows: 10, load: '10 single rows', samples: { of: 'rows', count: 10 } });
    expect(figures.queueMs?.p50).toBeGreaterThan(300);
    expect(figures.queueMs?.p50).toBeLessThanOrEqual(500);
  });

  it('mixed: sends urgent rows for as long as the batch lasts', async () => {
    const { target } = fakeTarget(async (_row, urgent) => {
      expect(urgent).toBe(true);
      return GOOD;
    });
    const [urgent, batch] = await duringBatch(target, { rows: 512, signal });
    expect(urgent.rows).toBeGreaterThan(1);
    expect(batch).toMatchObject({ rows: 512, samples: { of: 'chunks', count: 2 } });
  });

  it('open: shows a stall of the system in the latencies of all requests that arrived meanwhile', async () => {
    const stall = performance.now() + 50;
    const { target } = fakeTarget(async () => {
      // Everything that arrives in 200 ms is answered at the end of them.
      const left = stall + 200 - performance.now();
      if (performance.now() > stall && left > 0) await delay(left);
      return GOOD;
    });
    const random = seededRandom(1);
    const figures = await openLoop(target, { rate: 200, durationMs: 400, random, signal });
    expect(figures.totalMs?.p90).toBeGreaterThan(100);
    expect(figures.keptUp).toBe(true);
  });

  it('open: includes the delay when the generator itself was blocked', async () => {
    const { target } = fakeTarget(async (row) => {
      if (row === 10) {
        const until = performance.now() + 200;
        while (performance.now() < until);
      }
      return GOOD;
    });
    const options = { rate: 200, durationMs: 400, random: seededRandom(1), signal };
    const figures = await openLoop(target, options);
    expect(figures.totalMs?.p90).toBeGreaterThan(50);
  });

  it('sweep: ends at the first rate that cannot be sustained', async () => {
    let free = 0;
    // One at a time, 50 ms each: 20 a second, so that a busy machine's delays count for little.
    const { target } = fakeTarget(async () => {
      const now = performance.now();
      free = Math.max(free, now) + 50;
      await delay(free - now);
      return GOOD;
    });
    const rates: number[] = [];
    const options = { durationMs: 1000, seed: 1, signal, onStep: (rate: number) => rates.push(rate) };
    const steps = await sweep(target, { ...options, rates: [4, 200, 400], thresholdMs: undefined });
    expect(rates).toEqual([4, 200]);
    expect(steps.map((step) => step.keptUp)).toEqual([true, false]);
    expect(bestRate(steps, undefined)).toBe(4);
    expect(bestRate(steps, 0.001)).toBeNull();
  });

  it('ends when the signal aborts', async () => {
    const controller = new AbortController();
    const { target } = fakeTarget(async () => {
      controller.abort(new Error('stop'));
      return GOOD;
    });
    const options = { concurrency: 1, durationMs: 60_000, signal: controller.signal };
    await expect(closedLoop(target, options)).rejects.toThrow('stop');
  });
});

describe('bench figures', () => {
  it('contain a mean batch only with two counts and work between them', () => {
    expect(meanBatch({ rows: 10, batches: 5 }, { rows: 40, batches: 9 })).toBe(7.5);
    expect(meanBatch({ rows: 10, batches: 5 }, { rows: 2, batches: 1 })).toBeNull();
    expect(meanBatch(undefined, { rows: 2, batches: 1 })).toBeNull();
  });

  it('without samples are null, never NaN', () => {
    const head = { scenario: 'idle', load: '' } as const;
    const figures = new Tally().figures(head, { rows: 0, ms: 0, of: 'rows', meanBatch: null });
    expect(figures).toMatchObject({ totalMs: null, rowsPerSecond: 0, errors: 0 });
  });
});
