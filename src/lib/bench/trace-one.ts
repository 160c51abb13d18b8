import { toJobResult } from '../client/render.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { type JobTrace, TRACE_POINTS, type TracePoint, traceTime } from '../core/job-trace.js';
import { type Percentiles, roundMs, Series } from './percentiles.js';
import type { RowPool } from './rows.js';
import { BENCH_RESULT_TTL_S, type Setup } from './setup.js';

/** What happens between two points that follow each other, and in which process its time is spent. */
interface Step {
  step: string;
  where: string;
  from: TracePoint;
  to: TracePoint;
}

/** All of them, in order: each begins where the one before ends, so their times add up to the whole. */
export const STEPS: readonly Step[] = [
  { step: 'encode', where: 'client', from: 'called', to: 'sent' },
  { step: 'add and wake', where: 'client, Redis, worker', from: 'sent', to: 'woken' },
  { step: 'ask', where: 'worker', from: 'woken', to: 'asked' },
  { step: 'take', where: 'worker, Redis', from: 'asked', to: 'taken' },
  { step: 'stage', where: 'worker', from: 'taken', to: 'handed' },
  { step: 'send', where: 'worker, runner', from: 'handed', to: 'received' },
  { step: 'prepare', where: 'runner', from: 'received', to: 'started' },
  { step: 'run', where: 'runner', from: 'started', to: 'ended' },
  { step: 'reply', where: 'runner, worker', from: 'ended', to: 'answered' },
  { step: 'settle', where: 'worker', from: 'answered', to: 'settled' },
  { step: 'notice', where: 'worker, Redis, client', from: 'settled', to: 'told' },
  { step: 'decode', where: 'client', from: 'told', to: 'returned' },
];

/** Milliseconds of one step: percentiles of its own samples do not add up, means do. */
export interface StepTimes {
  meanMs: number;
  p50Ms: number;
  p99Ms: number;
}

/** Where the time of one job goes. */
export interface TraceFigures {
  /** Jobs measured: those that found their worker asleep. */
  jobs: number;
  /** Jobs that found it awake, which are not counted. */
  awake: number;
  totalMs: StepTimes;
  steps: ({ step: string; where: string } & StepTimes)[];
  /** From sending until Redis has answered: meanwhile the worker is woken, so it is no step. */
  addAnsweredMs: StepTimes;
}

/** Jobs before the measurement: code is compiled, connections open; no more than so long for slow models. */
const WARM_UP_JOBS = 300;
const WARM_UP_MS = 2000;
const ANSWER_WITHIN_MS = 120_000;

/**
 * Sends `jobs` single rows, each when the one before has been answered, and says where the time of each goes.
 * @throws InferError BENCH_TRACE (69) where the stamps of the worker cannot be compared with this process's; a failed
 *   job's error.
 */
export async function traceOne(
  setup: Setup,
  pool: RowPool,
  options: { jobs: number; signal: AbortSignal },
): Promise<TraceFigures> {
  const { jobs, signal } = options;
  const tally = new TraceTally();
  const begun = performance.now();
  for (let i = 0; i < WARM_UP_JOBS && performance.now() - begun < WARM_UP_MS; i++) {
    signal.throwIfAborted();
    await one(setup, pool, i);
  }
  for (let i = 0; i < jobs; i++) {
    signal.throwIfAborted();
    tally.add(await one(setup, pool, i));
  }
  return tally.figures();
}

async function one({ client, signature, queues }: Setup, pool: RowPool, at: number): Promise<JobTrace> {
  const payload = pool.singles[at % pool.singles.length];
  if (payload === undefined) throw new Error('a pool without rows');
  const trace: JobTrace = { called: traceTime() };
  const result = await client.runJob({
    payload,
    signature,
    options: { queue: queues.single, resultTtl: BENCH_RESULT_TTL_S, timeoutMs: ANSWER_WITHIN_MS },
    render: (ending, stored) => toJobResult(ending, stored, client.form),
    trace,
  });
  trace.returned = traceTime();
  if (result.error !== undefined) throw InferError.of(result.error);
  checkTrace(trace, result.worker ?? 'the worker');
  return trace;
}

/**
 * Another host's clock is off by days, since each counts from its own start; and a worker of an older release records
 * nothing.
 */
export function checkTrace(trace: JobTrace, worker: string): void {
  const missing = TRACE_POINTS.find((point) => trace[point] === undefined);
  if (missing !== undefined) {
    throw untraceable(
      `worker ${printable(worker)} does not say when a job was ${missing}: it is of an older release`,
    );
  }
  const [called, returned] = [trace.called as number, trace.returned as number];
  const outside = TRACE_POINTS.some((point) => {
    const at = trace[point] as number;
    // A take may have begun before the job came.
    return point !== 'woken' && point !== 'asked' && (at < called || at > returned);
  });
  if (outside)
    throw untraceable(`worker ${printable(worker)} runs on another host, whose clock cannot be compared`);
}

function untraceable(message: string): InferError {
  return new InferError('BENCH_TRACE', message, {
    hint: 'infer bench --trace-one --private measures a worker of its own, on this host',
  });
}

/** Collects the traces of jobs. */
export class TraceTally {
  private readonly steps = STEPS.map(() => new Times());
  private readonly total = new Times();
  private readonly answered = new Times();
  private awake = 0;

  /** A job whose worker was awake skips steps: it is only counted. */
  add(trace: JobTrace): void {
    const times = STEPS.map(({ from, to }) => (trace[to] as number) - (trace[from] as number));
    if (times.some((ms) => ms < 0)) {
      this.awake += 1;
      return;
    }
    for (const [i, ms] of times.entries()) this.steps[i]?.add(ms);
    this.total.add((trace.returned as number) - (trace.called as number));
    this.answered.add((trace.added ?? 0) - (trace.sent as number));
  }

  /** @throws InferError BENCH_TRACE when no job found its worker asleep. */
  figures(): TraceFigures {
    if (this.total.count === 0) throw untraceable('no job found its worker asleep: others use it');
    return {
      jobs: this.total.count,
      awake: this.awake,
      totalMs: this.total.times,
      steps: STEPS.map(({ step, where }, i) => ({ step, where, ...(this.steps[i] as Times).times })),
      addAnsweredMs: this.answered.times,
    };
  }
}

class Times {
  private readonly series = new Series();
  private sum = 0;

  get count(): number {
    return this.series.count;
  }

  add(ms: number): void {
    this.series.add(ms);
    this.sum += ms;
  }

  get times(): StepTimes {
    const { p50, p99 } = this.series.percentiles() as Percentiles;
    return { meanMs: roundMs(this.sum / this.count), p50Ms: p50, p99Ms: p99 };
  }
}
