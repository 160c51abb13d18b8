import { describe, expect, it, vi } from 'vitest';
import type { QueueConsumer } from '../../../src/lib/queue/broker/consumer-port.js';
import type { Settlement, TakenJob } from '../../../src/lib/queue/types.js';
import { SizeRefused } from '../../../src/lib/redis/size-limits.js';
import { createLogger } from '../../../src/lib/telemetry/logger.js';
import { Settler } from '../../../src/lib/worker/settler.js';

const log = createLogger({ level: 'silent' });

function outcome(id: number): Settlement {
  return { kind: 'release', job: { spec: { id: `j${id}` } } as TakenJob };
}

const ids = (batch: readonly Settlement[]) => batch.map((one) => one.job.spec.id);

/** A consumer whose scripts the test answers. */
function byHand() {
  const calls: { batch: Settlement[]; resolve(ours: boolean[]): void; reject(error: Error): void }[] = [];
  const consumer = {
    queue: 'q',
    settle: (batch: Settlement[]) =>
      new Promise<boolean[]>((resolve, reject) => {
        calls.push({ batch, resolve, reject });
      }),
  } as unknown as QueueConsumer;
  return { consumer, calls };
}

describe('the settler', () => {
  it('sends the outcomes of a large micro-batch at once, in scripts of 128', async () => {
    const { consumer, calls } = byHand();
    const settled: string[] = [];
    const settler = new Settler(consumer, log, ({ job }) => settled.push(job.spec.id));
    for (let i = 0; i < 300; i++) settler.push(outcome(i));
    await vi.waitFor(() => expect(calls).toHaveLength(3), 60_000);
    expect(calls.map((call) => call.batch.length)).toEqual([128, 128, 44]);
    expect(settler.unsettled).toHaveLength(300);
    for (const call of calls) call.resolve(call.batch.map(() => true));
    await settler.flushed();
    expect([settled.length, new Set(settled).size, settler.unsettled.length]).toEqual([300, 300, 0]);
  });

  it('resends only what Redis did not accept, together with later outcomes', async () => {
    const { consumer, calls } = byHand();
    const settled: [string, boolean][] = [];
    const settler = new Settler(consumer, log, ({ job }, ours) => settled.push([job.spec.id, ours]));
    for (let i = 0; i < 200; i++) settler.push(outcome(i));
    await vi.waitFor(() => expect(calls).toHaveLength(2), 60_000);
    settler.push(outcome(200));
    calls[0]?.reject(new Error('connection lost'));
    calls[1]?.resolve(calls[1].batch.map((_, i) => i !== 5));
    await vi.waitFor(() => expect(calls).toHaveLength(4), 60_000);
    expect([...ids(calls[2]?.batch ?? []), ...ids(calls[3]?.batch ?? [])]).toEqual([
      ...Array.from({ length: 128 }, (_, i) => `j${i}`),
      'j200',
    ]);
    expect(settled).toHaveLength(72);
    expect(settled.filter(([, ours]) => !ours)).toEqual([['j133', false]]);
    for (const call of calls.slice(2)) call.resolve(call.batch.map(() => true));
    await settler.flushed();
    expect(new Set(settled.map(([id]) => id)).size).toBe(201);
  });

  it('sends nothing more when aborted, and reports nothing as settled', async () => {
    const { consumer, calls } = byHand();
    const settled: string[] = [];
    const settler = new Settler(consumer, log, ({ job }) => settled.push(job.spec.id));
    for (let i = 0; i < 200; i++) settler.push(outcome(i));
    await vi.waitFor(() => expect(calls).toHaveLength(2), 60_000);
    settler.abandon();
    for (const call of calls) call.reject(new Error('closed'));
    await settler.flushed();
    expect([settled, calls.length]).toEqual([[], 2]);
  });

  it('resends outcomes that are too large together one by one, and drops only results refused alone', async () => {
    const { consumer, calls } = byHand();
    const settled: [string, string][] = [];
    const settler = new Settler(consumer, log, ({ job, kind }) => settled.push([job.spec.id, kind]));
    const done = (id: number): Settlement =>
      ({
        kind: 'completed',
        job: outcome(id).job,
        result: Buffer.from('x'),
        meta: {},
      }) as unknown as Settlement;
    for (let i = 0; i < 3; i++) settler.push(done(i));
    await vi.waitFor(() => expect(calls).toHaveLength(1), 60_000);
    calls[0]?.reject(new SizeRefused(6000));
    // Each alone, without a pause: the answer is final.
    await vi.waitFor(() => expect(calls).toHaveLength(4), 60_000);
    expect(calls.slice(1).map(({ batch }) => batch.length)).toEqual([1, 1, 1]);
    calls[1]?.resolve([true]);
    calls[2]?.reject(new SizeRefused(2500));
    calls[3]?.resolve([true]);
    await vi.waitFor(() => expect(calls).toHaveLength(5), 60_000);
    expect(calls[4]?.batch).toMatchObject([{ kind: 'failed', failure: { code: 'RESULT_TOO_LARGE' } }]);
    calls[4]?.resolve([true]);
    await settler.flushed();
    expect(settled.sort()).toEqual([
      ['j0', 'completed'],
      ['j1', 'failed'],
      ['j2', 'completed'],
    ]);
  });

  it('never delays other outcomes for a large one', async () => {
    const { consumer, calls } = byHand();
    const settler = new Settler(consumer, log, () => undefined);
    const job = { spec: { id: 'large', resultTtl: 60 } } as TakenJob;
    settler.push({
      kind: 'completed',
      job,
      result: Buffer.alloc(2 ** 20),
      meta: {},
    } as unknown as Settlement);
    settler.push(outcome(1));
    await vi.waitFor(() => expect(calls.map(({ batch }) => ids(batch))).toEqual([['large'], ['j1']]), 60_000);
    calls[1]?.resolve([true]);
    settler.push(outcome(2));
    await vi.waitFor(() => expect(calls).toHaveLength(3), 60_000);
    expect(settler.unsettled.map(({ spec }) => spec.id)).toEqual(['j2', 'large']);
    calls[0]?.resolve([true]);
    calls[2]?.resolve([true]);
    await settler.flushed();
    expect(settler.unsettled).toEqual([]);
  });
});
