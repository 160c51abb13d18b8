import { describe, expect, it } from 'vitest';
import type { PoolSample, QueueSample } from '../../../src/lib/queue/read/sample.js';
import type { WorkerRecord } from '../../../src/lib/queue/types.js';
import { Advisor } from '../../../src/lib/scale/advisor.js';
import { choosePolicy } from '../../../src/lib/scale/choose-policy.js';
import type { PolicyConfig } from '../../../src/lib/scale/policy.js';
import { CONFIG, START } from './observed.js';

const POLL = 15_000;

function worker(id: string, facts: Partial<WorkerRecord> = {}): WorkerRecord {
  return {
    id,
    name: id,
    host: id,
    pid: 1,
    version: '0',
    startedAt: START - 3_600_000,
    beatAt: START,
    state: 'ready',
    gpu: null,
    device: 'cpu',
    queues: ['rt'],
    models: [],
    concurrency: 1,
    maxBatch: null,
    batchWindowMs: 0,
    active: [],
    jobsDone: 0,
    rowsDone: 0,
    jobsFailed: 0,
    batches: 0,
    rssBytes: 0,
    loopLagMs: 0,
    ...facts,
  };
}

function pool(workers: WorkerRecord[], queue: Partial<QueueSample> = {}): PoolSample {
  const quiet: QueueSample = {
    waiting: 0,
    dueDelayed: 0,
    active: 0,
    oldestMs: null,
    arrived: 0,
    ended: new Map(),
    paused: false,
  };
  return { queues: [{ ...quiet, ...queue }], workers };
}

function advisor(policy = 'predictive', config: Partial<PolicyConfig> = {}): Advisor {
  const bounds = { ...CONFIG, intervalMs: 5000, ...config };
  return new Advisor({ pool: 'rt', config: bounds, policy: choosePolicy(policy, bounds) });
}

const two = [worker('a'), worker('b')];

describe('decisions for a fleet that another system runs', () => {
  it('start from the workers that exist, within the bounds', () => {
    expect(advisor().look(pool([]), START)).toMatchObject({ desired: 1, workers: { ready: 0, expected: 1 } });
    expect(advisor().look(pool(two), START)).toMatchObject({ desired: 2, hold: null });
    expect(advisor('fixed:3').look(pool(two), START)).toMatchObject({ desired: 3 });
  });

  it('count requested workers as starting until they report', () => {
    const one = advisor('step', { threshold: 5 });
    const backlog = { waiting: 50, arrived: 50 };
    expect(one.look(pool([worker('a')], backlog), START).desired).toBe(2);
    // 15 s later none has come yet: one more is wanted in addition, and not the same one again.
    const second = one.look(pool([worker('a')], backlog), START + POLL);
    expect(second).toMatchObject({ desired: 3, workers: { ready: 1, expected: 2 } });
    const both = [worker('a'), worker('b', { startedAt: START + 20_000 })];
    expect(one.look(pool(both, backlog), START + 2 * POLL)).toMatchObject({
      desired: 4,
      workers: { ready: 2, expected: 2 },
    });
    expect(one.look(pool(both, backlog), START + 3 * POLL).desired).toBe(4);
  });

  it('learn cold starts only from workers that they requested', () => {
    const one = advisor('predictive', { min: 0 });
    const backlog = { waiting: 400, arrived: 400, oldestMs: 6000 };
    const first = one.look(pool([worker('a')], backlog), START);
    expect(first.desired).toBe(4);
    expect(first.reason).toContain('cold start 20s');
    const come = ['b', 'c', 'd'].map((id) => worker(id, { startedAt: START + 42_000 }));
    const later = one.look(pool([worker('a'), ...come], backlog), START + 3 * POLL);
    expect(later.reason).toContain('cold start 42s');
  });

  it('remove one worker at a time, and the next once it has left', () => {
    const one = advisor('fixed:1');
    const fleet = ['a', 'b', 'c'].map((id, at) => worker(id, { startedAt: START - 1000 + at }));
    const [a, b, c] = fleet as [WorkerRecord, WorkerRecord, WorkerRecord];
    const at = (polls: number) => START + polls * POLL;
    expect(one.look(pool(fleet), at(0))).toMatchObject({ desired: 2, reason: 'rt 3→2: fixed at 1' });
    // None has left yet: the number stays, whatever happens.
    expect(one.look(pool(fleet), at(1)).desired).toBe(2);
    // It reports that it drains, a different one than expected: still one at a time.
    expect(one.look(pool([{ ...a, state: 'draining' }, b, c]), at(2))).toMatchObject({
      desired: 2,
      workers: { ready: 2, draining: 1 },
    });
    expect(one.look(pool([b, c]), at(3)).desired).toBe(1);
    expect(one.look(pool([c]), at(4)).desired).toBe(1);
  });

  it('revoke a removal that has not happened yet when work arrives', () => {
    const one = advisor();
    let at = START;
    let desired = one.look(pool(two), at).desired;
    while (desired === 2 && at < START + 3_600_000) {
      at += POLL;
      desired = one.look(pool(two), at).desired;
    }
    expect(desired).toBe(1);
    const backlog = { waiting: 400, arrived: 400, oldestMs: 6000 };
    expect(one.look(pool(two, backlog), at + POLL).desired).toBe(4);
  });

  it('do not count a draining worker', () => {
    const drains = [worker('a'), worker('b', { state: 'draining' })];
    expect(advisor('step', { max: 2 }).look(pool(drains, { waiting: 60 }), START).desired).toBe(2);
  });

  it('never exceed --max, however many workers are draining', () => {
    const one = advisor('fixed:4');
    const fleet = ['a', 'b', 'c', 'd'].map((id) => worker(id, { state: id < 'c' ? 'draining' : 'ready' }));
    expect(one.look(pool(fleet), START)).toMatchObject({ desired: 4, workers: { draining: 2, expected: 2 } });
  });

  it('keep the number when a worker died, since its system restarts it', () => {
    const one = advisor('step');
    expect(one.look(pool(two), START).desired).toBe(2);
    expect(one.look(pool([worker('a')]), START + POLL)).toMatchObject({
      desired: 2,
      workers: { expected: 1 },
    });
  });

  it('stop counting a requested worker that has not come after ten minutes', () => {
    const one = advisor('fixed:3');
    expect(one.look(pool(two), START).desired).toBe(3);
    const late = one.look(pool(two), START + 601_000);
    expect(late).toMatchObject({ desired: 3, workers: { expected: 1 } });
    expect(late.reason).toBe('rt 2→3: fixed at 3');
  });

  it('keep the number while Redis is unreachable, and remove nothing for a while afterwards', () => {
    const one = advisor('fixed:1');
    expect(one.look(pool(two), START).desired).toBe(1);
    const blind = advisor('fixed:1');
    blind.blind(START - 60_000);
    expect(blind.held).toBeUndefined();
    expect(blind.look(pool(two), START)).toMatchObject({ desired: 2, hold: 'recovering' });
    blind.blind(START + 1000);
    expect(blind.held).toBe(2);
    expect(blind.look(pool(two), START + 130_000)).toMatchObject({ desired: 2, hold: 'recovering' });
    expect(blind.look(pool(two), START + 260_000)).toMatchObject({ desired: 1, hold: null });
  });

  it('request no worker for a paused queue', () => {
    const paused = pool([worker('a')], { waiting: 500, arrived: 500, paused: true });
    expect(advisor().look(paused, START)).toMatchObject({ desired: 1, queue: { paused: true, waiting: 0 } });
  });

  it('after minutes without a request do not mistake unseen completions for slow workers', () => {
    const one = advisor();
    const busy = (ms: number) => [worker('a', { busyMs: ms, active: [] })];
    const ended = (count: number) => ({ ended: new Map([[1, count]]), arrived: count });
    one.look(pool(busy(0), ended(0)), START);
    const rate = (text: string) => Number(/([\d.]+) jobs\/s a worker/.exec(text)?.[1]);
    expect(rate(one.look(pool(busy(10_000), ended(100)), START + POLL).reason)).toBe(10);
    // 5 minutes of work, of which Redis remembers the last: 100 jobs of 3,000.
    const gap = one.look(pool(busy(310_000), { ended: new Map([[2, 100]]), arrived: 3100 }), START + 315_000);
    expect(rate(gap.reason)).toBe(10);
  });
});
