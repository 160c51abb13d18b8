import { expect, it } from 'vitest';
import { ETA_ERROR_BOUNDS, EtaErrors } from '../../../../src/lib/deployment/place/eta-errors.js';

const ETA = { startMs: { p50: 1000, p90: 3000 }, endMs: { p50: 1500, p90: 4000 }, basis: '' };
/** Told 500 ms after its submit: the start is expected 1,500 ms after that. */
const TOLD = { queue: 'q', eta: ETA, at: 10_500, submittedAt: 10_000 };
const ended = (id: string, queueMs: number, more: object = {}) => ({
  id,
  attempts: 1,
  timing: { queueMs, runMs: 100, totalMs: queueMs + 100 },
  ...more,
});

it('a start that came later or earlier than told, in seconds, and how many came within each figure', () => {
  const errors = new EtaErrors();
  for (const id of ['early', 'hit', 'late', 'beyond']) errors.told(id, TOLD);
  errors.ended(ended('early', 1000));
  errors.ended(ended('hit', 1500));
  errors.ended(ended('late', 2500));
  errors.ended(ended('beyond', 5500));
  const [figures] = errors.figures;
  expect(figures?.queue).toBe('q');
  const { start, end } = figures?.seconds ?? {};
  expect([start?.early.count, start?.early.sum]).toEqual([1, 0.5]);
  expect([start?.late.count, start?.late.sum]).toEqual([3, 5]);
  // 1,100, 1,600, 2,600 and 5,600 ms after the submit, where 2,000 were told.
  expect([end?.early.sum, end?.late.sum].map((sum) => Number(sum?.toFixed(3)))).toEqual([1.3, 4.2]);
  expect(figures?.within).toEqual({ p50: 2, p90: 1, later: 1 });
});

it('the first ETA of a job counts, once; a job that did not run, or ran again, does not', () => {
  const errors = new EtaErrors();
  errors.told('j', TOLD);
  errors.told('j', { ...TOLD, at: 20_000 });
  errors.ended(ended('j', 1500));
  errors.ended(ended('j', 1500));
  expect(errors.figures[0]?.seconds.start.late.count).toBe(1);
  expect(errors.figures[0]?.seconds.start.late.sum).toBe(0);
  for (const more of [
    { timing: null },
    { attempts: 2 },
    { timing: { queueMs: 1, runMs: null, totalMs: 2 } },
  ]) {
    errors.told('k', TOLD);
    errors.ended(ended('k', 1, more));
  }
  errors.ended(ended('never told', 1));
  expect(errors.figures[0]?.seconds.start.late.count).toBe(1);
});

it('remembers 10,000 jobs and 200 queues, however many there are', () => {
  const errors = new EtaErrors();
  for (let i = 0; i < 10_001; i++) errors.told(`j${i}`, { ...TOLD, queue: `q${i}` });
  for (let i = 0; i < 10_001; i++) errors.ended(ended(`j${i}`, 1500));
  expect(errors.figures).toHaveLength(201);
  const total = errors.figures.reduce((sum, { within }) => sum + within.p50, 0);
  expect(total).toBe(10_000);
  expect(errors.figures.at(-1)?.queue).toBe('(other)');
});

it('counts by bounds never fall, whatever comes later', () => {
  const errors = new EtaErrors();
  const before: number[] = [];
  // Each later than the one before; several lie close to a bound.
  for (const lateMs of [480, 495, 499, 500, 501, 505, 5000, 5001, 10_000, 10_001, 4_000_000]) {
    errors.told('j', TOLD);
    errors.ended(ended('j', 1500 + lateMs));
    const { upTo, count } = errors.figures[0]?.seconds.start.late ?? { upTo: [], count: 0 };
    for (const [at, counted] of upTo.entries()) expect(counted).toBeGreaterThanOrEqual(before[at] ?? 0);
    for (const [at, counted] of upTo.entries()) expect(counted).toBeGreaterThanOrEqual(upTo[at - 1] ?? 0);
    before.splice(0, before.length, ...upTo);
    expect(count).toBeGreaterThanOrEqual(before.at(-1) as number);
  }
  const late = errors.figures[0]?.seconds.start.late;
  const upTo = (seconds: number) => late?.upTo[ETA_ERROR_BOUNDS.indexOf(seconds as 5)];
  expect([upTo(0.25), upTo(0.5), upTo(1), upTo(5), upTo(10), upTo(3600), late?.count]).toEqual([
    0, 4, 6, 7, 9, 10, 11,
  ]);
});
