import { beforeEach, expect, it, vi } from 'vitest';
import type { QueueConsumer } from '../../../src/lib/queue/broker/consumer-port.js';
import type { TakenJob } from '../../../src/lib/queue/types.js';
import { Lane } from '../../../src/lib/worker/lane.js';
import { silentLogger } from '../../support/silent-logger.js';

const pauses = vi.hoisted(() => [] as number[]);

vi.mock('node:timers/promises', async (original) => ({
  ...(await original<object>()),
  setTimeout: async (ms: number) => void pauses.push(ms),
}));

beforeEach(() => void pauses.splice(0));

/** A lane whose takes end in this order: 'fails', or with no job. It ends after the last. */
async function runLane(takes: readonly ('fails' | 'empty')[]): Promise<Lane> {
  const ending = new AbortController();
  const left = [...takes];
  const consumer = {
    queue: 'q',
    more: false,
    take: async (): Promise<TakenJob[]> => {
      const next = left.shift();
      if (left.length === 0) ending.abort();
      if (next === 'fails') throw new Error('OOM command not allowed');
      return [];
    },
    waitForWork: async () => undefined,
  } as unknown as QueueConsumer;
  const room = { idle: 1, ahead: 0, horizonMs: 0, jobs: 1, runs: new Map() };
  const intake = {
    room: () => room,
    roomAsleep: () => undefined,
    took: () => undefined,
    admit: () => undefined,
  };
  const lane = new Lane(0, consumer, intake, ending.signal, silentLogger(), () => undefined);
  await lane.run();
  return lane;
}

it('a lane whose takes fail doubles its pause, up to 5 s', async () => {
  await runLane([...Array.from({ length: 8 }, () => 'fails' as const), 'empty']);
  expect(pauses).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
});

it('a lane restarts with the shortest pause after a successful take', async () => {
  await runLane(['fails', 'fails', 'fails', 'empty', 'fails', 'fails', 'empty']);
  expect(pauses).toEqual([250, 500, 1000, 250, 500]);
});
