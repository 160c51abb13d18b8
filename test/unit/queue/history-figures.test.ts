import { describe, expect, it } from 'vitest';
import { HistoryFigures } from '../../../src/lib/queue/history/figures.js';
import { seriesOf, seriesParts } from '../../../src/lib/queue/history/series.js';
import { WorkFigures } from '../../../src/lib/queue/work-stats.js';

function work(jobs: number, ms = 10): WorkFigures {
  const figures = new WorkFigures();
  for (let i = 0; i < jobs; i++) {
    figures.jobs.completed += 1;
    figures.rows += 2;
    figures.wait.add(ms);
    figures.run.add(ms / 2);
    figures.total.add(ms * 2);
    figures.addBatch(2, 'full');
  }
  return figures;
}

/** A new one that was packed and read again. */
const again = (figures: HistoryFigures): HistoryFigures =>
  HistoryFigures.unpack(figures.pack()) as HistoryFigures;

describe('figures of one step', () => {
  it('are the same after being packed, for every field', () => {
    const figures = HistoryFigures.of(work(3));
    Object.assign(figures.jobs, { failed: 4, expired: 5, cancelled: 6, retried: 7 });
    figures.ms = 60_000;
    figures.added = 9;
    figures.codes.RUN_FAILED = 4;
    for (const [name, value] of [
      ['waiting', 8],
      ['waiting', 4],
      ['delayed', 1],
      ['delayed', 1],
      ['active', 2],
      ['active', 2],
      ['oldest', 400],
      ['oldest', 900],
      ['workers', 3],
      ['rss', 5e8],
      ['busyMs', 700],
      ['busyOf', 1000],
      ['gpuUsed', 4e9],
      ['gpuTotal', 8e9],
      ['gpuUse', 0.5],
    ] as const) {
      figures.look(name, value);
    }
    const point = again(figures).toPoint(1000);
    expect(point).toEqual(figures.toPoint(1000));
    expect(point).toMatchObject({
      at: 1000,
      ms: 60_000,
      jobs: { completed: 3, failed: 4, expired: 5, cancelled: 6, retried: 7 },
      failures: { RUN_FAILED: 4 },
      added: 9,
      rows: 6,
      batches: { count: 3, rows: 2, closed: { full: 3 } },
      backlog: {
        waiting: { mean: 6, max: 8 },
        delayed: { mean: 1, max: 1 },
        active: { mean: 2, max: 2 },
        oldestMs: 900,
      },
      workers: { mean: 3, max: 3 },
      busy: 0.7,
      load: { busy: 0.7, rssBytes: 5e8, gpu: { usedBytes: 4e9, totalBytes: 8e9, utilisation: 0.5 } },
    });
    expect(point.waitMs?.p50).toBeCloseTo(10, 0);
    expect(point.totalMs?.max).toBe(20);
  });

  it('of all workers together say how busy these were, and have no load', () => {
    const [one, both] = [new HistoryFigures(), new HistoryFigures()];
    for (const [ms, of] of [
      [200, 1000],
      [900, 1000],
    ] as const) {
      one.look('busyMs', ms);
      one.look('busyOf', of);
    }
    both.merge(again(one));
    both.merge(again(one));
    expect(again(both).toPoint(0)).toMatchObject({ busy: 0.55, load: null });
  });

  it('say null where nothing was looked at, and of what did not happen', () => {
    const point = again(new HistoryFigures()).toPoint(0);
    expect(point).toMatchObject({
      added: null,
      waitMs: null,
      backlog: null,
      workers: null,
      busy: null,
      load: null,
    });
    expect(point.batches).toEqual({ count: 0, rows: null, closed: {} });
  });

  it('add up: counts, levels and percentiles of several steps are those of all of it', () => {
    const sum = HistoryFigures.of(work(90, 10));
    sum.look('waiting', 10);
    const more = HistoryFigures.of(work(10, 1000));
    more.look('waiting', 30);
    more.added = 2;
    sum.merge(again(more));
    const point = sum.toPoint(0);
    expect(point.jobs.completed).toBe(100);
    expect(point.added).toBe(2);
    expect(point.waitMs?.p50).toBeGreaterThan(9);
    expect(point.waitMs?.p50).toBeLessThan(11);
    expect(point.waitMs?.p95).toBeGreaterThan(830);
    expect(point.waitMs?.max).toBe(1000);
  });

  it('keep six error codes and count the others, so that a step stays below 1.3 KB', () => {
    const figures = new HistoryFigures();
    for (let i = 0; i < 40; i++) figures.codes[`${'C'.repeat(38)}${i + 10}`] = 1000 + i;
    const kept = again(figures);
    expect(Object.keys(kept.codes)).toHaveLength(7);
    expect(Object.values(kept.codes).reduce((a, b) => a + b)).toBe(40 * 1000 + 780);
    const wide = new WorkFigures();
    for (let ms = 0.001; ms < 1e10; ms *= 1.02)
      for (const name of ['wait', 'run', 'total'] as const) wide[name].add(ms, 1e6);
    const largest = HistoryFigures.of(wide);
    Object.assign(largest.codes, figures.codes);
    expect(largest.pack().length).toBeLessThan(1300);
  });

  it.each(['', 'null', '7', '[]x', '{"q":["%"]}'])('that make no sense are skipped: %j', (text) => {
    const figures = HistoryFigures.unpack(text);
    expect(figures === undefined || figures.toPoint(0).jobs.completed === 0).toBe(true);
  });
});

describe('the name of a series', () => {
  it('has its kind and the name of what it is about, which may contain anything', () => {
    for (const [kind, name] of [
      ['queue', 'realtime'],
      ['model', 'a:b'],
      ['worker', 'host-1'],
    ] as const) {
      expect(seriesParts(seriesOf(kind, name))).toEqual({ kind, name });
    }
    expect(seriesParts(seriesOf('all', undefined))).toEqual({ kind: 'all', name: null });
    expect(seriesParts('other:x')).toBeUndefined();
  });
});
