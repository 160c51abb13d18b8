import { expect, it, vi } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import type { Payload } from '../../../src/lib/model/tensor.js';
import type { QueueConsumer } from '../../../src/lib/queue/broker/consumer-port.js';
import type { RunnableJob, Settlement } from '../../../src/lib/queue/types.js';
import { HeldJob } from '../../../src/lib/worker/held-jobs.js';
import { JobEndings } from '../../../src/lib/worker/job-endings.js';
import { silentLogger } from '../../support/silent-logger.js';

const NOW = 1_000_000;

/** One row of one float. */
const row = (name: string): Payload => ({
  rows: 1,
  tensors: [{ name, type: 'float32', shape: [], data: new Uint8Array(4) }],
});

/** Endings of a queue that records what it is sent, and accepts outcomes of all jobs but those in `refused`. */
function endings({ refused = [] as string[] } = {}) {
  const said: string[] = [];
  const settled: Settlement[] = [];
  const consumer = {
    queue: 'q',
    settle: async (batch: Settlement[]) => {
      settled.push(...batch);
      said.push(...batch.map(({ kind, job }) => `${kind} ${job.spec.id}`));
      return batch.map(({ job }) => !refused.includes(job.spec.id));
    },
  } as unknown as QueueConsumer;
  const ends = new JobEndings({
    workerName: 'w',
    consumers: [consumer],
    clock: { now: () => NOW },
    log: silentLogger(),
    random: () => 1,
    models: {
      hold: (session) => void said.push(`hold ${session}`),
      release: (session) => void said.push(`release ${session}`),
    },
    arena: { stage: () => void said.push('stage'), release: () => void said.push('unstage') },
    withdraw: (job) => void said.push(`withdraw ${job.id}`),
    onLetGo: (job) => void said.push(`let go ${job.id}`),
  });
  return { ends, said, settled };
}

function held(id: string, spec: object = {}, limits: { hardMs?: number; softMs?: number } = {}): HeldJob {
  const full = { id, queue: 'q', model: 'm', rows: 1, priority: 0, resultTtl: 60, ...spec };
  const job = { spec: full, failures: 0, stalls: 0, attempt: 1, submittedAt: NOW } as unknown as RunnableJob;
  return new HeldJob(job, row('x'), 0, 0, 'key', 'm#1', () => 8, limits);
}

const done = (job: HeldJob) => {
  job.finish(0, row('y'));
  return job;
};

it('a job that ends releases everything held for it before its outcome is sent', async () => {
  const { ends, said } = endings();
  const job = held('a');
  ends.hold(job);
  ends.stage(job);
  expect([said.splice(0), ends.held.size]).toEqual([['hold m#1', 'stage'], 1]);
  ends.afterRun(done(job));
  await ends.flushed();
  expect(said).toEqual(['withdraw a', 'release m#1', 'unstage', 'let go a', 'completed a']);
  expect([ends.held.size, job.over]).toEqual([0, true]);
});

it('the outcome of a job has the version of the model that ran it', async () => {
  const { ends, settled } = endings();
  const job = held('a');
  job.version = 3;
  ends.hold(job);
  ends.afterRun(done(job));
  await ends.flushed();
  expect(settled).toMatchObject([{ kind: 'completed', meta: { worker: 'w', version: 3 } }]);
});

it('a job ends only once', async () => {
  const { ends, settled } = endings();
  const job = held('a');
  ends.hold(job);
  ends.afterRun(done(job));
  ends.afterRun(job);
  ends.releaseAll(() => true);
  ends.lost('q', [job.job]);
  await ends.flushed();
  expect(settled).toHaveLength(1);
});

it('only outcomes accepted by the queue are counted', async () => {
  const { ends } = endings({ refused: ['b'] });
  for (const id of ['a', 'b', 'c']) ends.hold(held(id));
  const [a, b, c] = [...ends.held.values()] as [HeldJob, HeldJob, HeldJob];
  ends.afterRun(done(a));
  ends.afterRun(done(b));
  ends.failed(c, new InferError('RUN_FAILED', 'no'));
  await ends.flushed();
  expect(ends.counts).toEqual({ done: 1, rows: 1, failed: 1 });
});

it.each([
  ['has rows to run and time left', 10, false, false, undefined],
  ['is wanted no more', 10, true, true, 'cancelled'],
  ['has all its rows', 500, false, true, 'completed'],
  ['has reached its time limit', 500, false, false, 'failed TIME_LIMIT'],
  ['has reached its soft time limit', 60, false, false, 'failed SOFT_TIME_LIMIT'],
])('after its run a job that %s ends as %s', async (_, runMs, cancelled, all, expected) => {
  const { ends, settled } = endings();
  const job = held('a', {}, { hardMs: 100, softMs: 50 });
  ends.hold(job);
  job.runMs = runMs;
  job.cancelled = cancelled;
  if (all) done(job);
  ends.afterRun(job);
  await ends.flushed();
  const [outcome] = settled;
  const failure = outcome !== undefined && outcome.kind === 'failed' ? ` ${outcome.failure.code}` : '';
  expect(outcome === undefined ? undefined : `${outcome.kind}${failure}`).toBe(expected);
});

it('a job whose rows all failed temporarily is retried as a whole', async () => {
  const { ends, settled } = endings();
  const job = held('a', { attempts: 2, retryDelayMs: 1000 });
  ends.hold(job);
  job.failRow(0, { code: 'RUNNER_DIED', message: 'killed by SIGSEGV' });
  ends.afterRun(job);
  await ends.flushed();
  expect(settled).toMatchObject([{ kind: 'retry', delayMs: 1000, failure: { code: 'RUNNER_DIED' } }]);
});

it('a job past its deadline does not start, and expires', async () => {
  const { ends, said } = endings();
  const [late, early] = [held('late', { deadline: NOW - 1 }), held('early', { deadline: NOW })];
  ends.hold(late);
  ends.hold(early);
  expect([ends.mayStart(late), ends.mayStart(early)]).toEqual([false, true]);
  await ends.flushed();
  expect(said.at(-1)).toBe('expired late');
});

it('a job whose lock was lost is dropped, and nothing is sent for it', async () => {
  const { ends, said, settled } = endings();
  const job = held('a');
  ends.hold(job);
  ends.lost('q', [job.job]);
  await ends.flushed();
  expect([said.at(-1), settled]).toEqual(['let go a', []]);
});

it('locks are renewed for held jobs, and for those whose outcome was not yet accepted', async () => {
  const { ends } = endings();
  const [a, b] = [held('a'), held('b')];
  ends.hold(a);
  ends.hold(b);
  ends.afterRun(done(a));
  expect(ends.toRenew('q').map(({ spec }) => spec.id)).toEqual(['b', 'a']);
  expect(ends.toRenew('other')).toEqual([]);
  await ends.flushed();
  await vi.waitFor(() => expect(ends.toRenew('q').map(({ spec }) => spec.id)).toEqual(['b']));
});

it('a job that was never held is refused or returned without a release', async () => {
  const { ends, said } = endings();
  ends.refuse(held('bad').job, new InferError('INPUT_MISMATCH', 'no'));
  ends.handBack(held('late').job);
  await ends.flushed();
  expect(said).toEqual(['failed bad', 'release late']);
});
