import { describe, expect, it } from 'vitest';
import { checkTrace, STEPS, TraceTally } from '../../../src/lib/bench/trace-one.js';
import { specOf } from '../../../src/lib/client/spec.js';
import { type JobTrace, TRACE_POINTS, traceTime } from '../../../src/lib/core/job-trace.js';
import type { ModelSignature } from '../../../src/lib/model/signature.js';
import { readJobData, toJobData } from '../../../src/lib/queue/job-data.js';

/** A job that reaches a point every `ms` from `from` on. */
function traceOf(from: number, ms: number): JobTrace {
  const trace: JobTrace = { added: from + 2 * ms };
  for (const [i, point] of TRACE_POINTS.entries()) trace[point] = from + i * ms;
  return trace;
}

const sum = (values: readonly number[]) => values.reduce((all, one) => all + one, 0);

describe('the steps of a traced job', () => {
  it('begin where the one before ends, from the call to its return', () => {
    expect(STEPS.map(({ from }) => from)).toEqual(TRACE_POINTS.slice(0, -1));
    expect(STEPS.map(({ to }) => to)).toEqual(TRACE_POINTS.slice(1));
  });

  it('add up to the whole, on average', () => {
    const tally = new TraceTally();
    for (const ms of [1, 2, 6]) tally.add(traceOf(1e9 * ms, ms));
    const { jobs, awake, totalMs, steps, addAnsweredMs } = tally.figures();
    expect([jobs, awake]).toEqual([3, 0]);
    expect(totalMs).toEqual({ meanMs: 36, p50Ms: 24, p99Ms: 72 });
    expect(sum(steps.map(({ meanMs }) => meanMs))).toBeCloseTo(totalMs.meanMs, 2);
    expect(addAnsweredMs.p50Ms).toBe(2);
  });

  it('leave out a job that found its worker awake', () => {
    const tally = new TraceTally();
    tally.add({ ...traceOf(1000, 1), woken: 990, asked: 991 });
    expect(() => tally.figures()).toThrow(/no job found its worker asleep/);
    tally.add(traceOf(2000, 1));
    expect(tally.figures()).toMatchObject({ jobs: 1, awake: 1 });
  });

  it('are refused where the stamps of the worker are missing or from another clock', () => {
    const { handed: _handed, ...older } = traceOf(1000, 1);
    expect(() => checkTrace(older, 'w1')).toThrow('worker w1 does not say when a job was handed');
    const away = { ...traceOf(1000, 1), taken: 5e6, handed: 5e6 + 1 };
    expect(() => checkTrace(away, 'w1')).toThrow('worker w1 runs on another host');
    checkTrace(traceOf(1000, 1), 'w1');
  });
});

describe('a job that is not traced', () => {
  const signature = { name: 'digits', version: 1 } as ModelSignature;
  const defaults = { resultTtl: 60, now: 1 };

  it('carries no byte for it', () => {
    const data = JSON.stringify(
      toJobData(specOf(1, signature, {}, { ...defaults, trace: false }), undefined),
    );
    expect(data).not.toContain('trace');
  });

  it('is what any other value of the field says, too', () => {
    const traced = toJobData(specOf(1, signature, {}, { ...defaults, trace: true }), undefined);
    expect(readJobData(JSON.stringify(traced), 'j', 'q').spec?.trace).toBe(true);
    const odd = { s: { ...traced.s, trace: 'yes' } };
    expect(readJobData(JSON.stringify(odd), 'j', 'q').spec?.trace).toBeUndefined();
  });
});

it('the clock of traces advances in milliseconds and is the same in every process', async () => {
  const before = traceTime();
  const { execFileSync } = await import('node:child_process');
  const code = 'const [s, n] = process.hrtime(); console.log(s * 1e3 + n / 1e6)';
  const there = Number(execFileSync(process.execPath, ['-e', code], { encoding: 'utf8' }));
  expect(there).toBeGreaterThan(before);
  expect(there).toBeLessThan(traceTime());
});
