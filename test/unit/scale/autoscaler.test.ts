import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { GpuHolder } from '../../../src/lib/queue/broker/gpu-lease.js';
import type { WorkerRecord } from '../../../src/lib/queue/types.js';
import { Autoscaler, type Reading } from '../../../src/lib/scale/autoscaler.js';
import { choosePolicy } from '../../../src/lib/scale/choose-policy.js';
import { initialState } from '../../../src/lib/scale/controller.js';
import type { FleetLook, ProcessFleet } from '../../../src/lib/scale/process-fleet.js';
import { worker } from '../doctor/records.js';
import { CONFIG, START } from './observed.js';

/** One of this fleet's workers; it must be alive, otherwise its heartbeat would not count. */
const OWN = process.pid;

/** One look of an autoscaler on host `here` whose fleet has one worker, and what it told that fleet. */
async function lookAt(workers: readonly WorkerRecord[], holders: Record<string, GpuHolder> = {}) {
  let foreign: ReadonlyMap<string, string> = new Map();
  const fleet = {
    pids: () => [OWN],
    look: (_records: unknown, seen: ReadonlyMap<string, string>): FleetLook => {
      foreign = seen;
      return { members: [], slots: [], failures: [], troubles: [] };
    },
  } as unknown as ProcessFleet;
  const controller = { pool: 'q', config: CONFIG, policy: choosePolicy('fixed:1', CONFIG) };
  const queue = {
    waiting: 0,
    dueDelayed: 0,
    active: 0,
    oldestMs: null,
    arrived: 0,
    ended: new Map(),
    paused: false,
  };
  const reading: Reading = {
    at: START,
    sample: { queues: [queue], workers: [...workers] },
    holders: new Map(Object.entries(holders)),
  };
  const autoscaler = new Autoscaler(
    {
      host: 'here',
      queues: ['q'],
      controller,
      fleet,
      dryRun: true,
      read: async () => reading,
      save: () => undefined,
      now: () => START,
    },
    { controller: initialState(controller) },
  );
  return { others: (await autoscaler.tick()).others, foreign: Object.fromEntries(foreign) };
}

describe('workers that an autoscaler considers its own', () => {
  it('have a process of its fleet on its host', async () => {
    expect((await lookAt([worker({ host: 'here', pid: OWN })])).others).toBe(0);
  });

  it('do not include workers of another host with the same process id', async () => {
    expect((await lookAt([worker({ host: 'there', pid: OWN })])).others).toBe(1);
  });

  it('do not include workers started by others; a dead one is not counted at all', async () => {
    const ended = spawnSync('true').pid;
    expect((await lookAt([worker({ host: 'here', pid: process.ppid })])).others).toBe(1);
    expect((await lookAt([worker({ host: 'here', pid: ended })])).others).toBe(0);
    expect((await lookAt([worker({ host: 'there', pid: ended })])).others).toBe(1);
  });
});

describe('GPUs held by others', () => {
  it('are those of all processes outside its fleet, including an equal pid elsewhere', async () => {
    const { foreign } = await lookAt([], {
      mine: { worker: 'a', pid: OWN },
      theirs: { worker: 'b', pid: process.ppid },
      elsewhere: { worker: 'c', pid: null },
    });
    expect(foreign).toEqual({ theirs: 'b', elsewhere: 'c' });
  });
});
