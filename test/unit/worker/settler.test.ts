import { describe, expect, it, vi } from 'vitest';
import type { QueueConsumer, Settlement, TakenJob } from '../../../src/lib/queue/broker.js';
import { createLogger } from '../../../src/lib/telemetry/logger.js';
import { Settler } from '../../../src/lib/worker/settler.js';

const log = createLogger({ level: 'silent' });

function outcome(id: number): Settlement {
  return { kind: 'release', job: { spec: { id: `j${id}` } } as TakenJob };
}

const ids = (batch: readonly Settlement[]) => batch.map((one) => one.job.spec.id);

/** A consumer whose scripts are answered by hand. */
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
  it('sends all that a large micro-batch brought at once, in scripts of 128', async () => {
    const { consumer, calls } = byHand();
    const settled: string[] = [];
    const settler = new Settler(consumer, log, ({ job }) => settled.push(job.spec.id));
    for (let i = 0; i < 300; i++) settler.push(outcome(i));
    await vi.waitFor(() => expect(calls).toHaveLength(3));
    expect(calls.map((call) => call.batch.length)).toEqual([128, 128, 44]);
    expect(settler.unsettled).toHaveLength(300);
    for (const call of calls) call.resolve(call.batch.map(() => true));
    await settler.flushed();
    expect([settled.length, new Set(settled).size, settler.unsettled.length]).toEqual([300, 300, 0]);
  });

  it('sends again only what Redis did not take, with what came meanwhile', async () => {
    const { consumer, calls } = byHand();
    const settled: [string, boolean][] = [];
    const settler = new Settler(consumer, log, ({ job }, ours) => settled.push([job.spec.id, ours]));
    for (let i = 0; i < 200; i++) settler.push(outcome(i));
    await vi.waitFor(() => expect(calls).toHaveLength(2));
    settler.push(outcome(200));
    calls[0]?.reject(new Error('connection lost'));
    calls[1]?.resolve(calls[1].batch.map((_, i) => i !== 5));
    await vi.waitFor(() => expect(calls).toHaveLength(4));
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

  it('given up in the middle, sends nothing more and calls nothing settled', async () => {
    const { consumer, calls } = byHand();
    const settled: string[] = [];
    const settler = new Settler(consumer, log, ({ job }) => settled.push(job.spec.id));
    for (let i = 0; i < 200; i++) settler.push(outcome(i));
    await vi.waitFor(() => expect(calls).toHaveLength(2));
    settler.abandon();
    for (const call of calls) call.reject(new Error('closed'));
    await settler.flushed();
    expect([settled, calls.length]).toEqual([[], 2]);
  });
});
