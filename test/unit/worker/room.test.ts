import { describe, expect, it } from 'vitest';
import { heldAhead } from '../../../src/lib/queue/read/inspector.js';
import { BatchSizes } from '../../../src/lib/worker/batch-sizes.js';
import { Room } from '../../../src/lib/worker/room.js';
import type { ServedModels } from '../../../src/lib/worker/served-models.js';

const ROW = { rows: 1, tensors: [] };

const batching = (batchable: boolean) => ({ batchable, batching: undefined });

function roomOf(models: Record<string, { batchable: boolean; ms?: number }>, runners: number) {
  const sizes = new BatchSizes(8, 20);
  const state = { running: 0, held: 0 };
  for (const [name, { batchable, ms }] of Object.entries(models)) {
    sizes.add(name, batching(batchable));
    if (ms !== undefined) sizes.record(name, ROW, 1, ms, undefined);
  }
  const all = Object.keys(models).map((name) => ({
    session: name,
    loaded: { signature: { name, version: 1 } },
  }));
  const room = new Room({
    models: { all } as unknown as ServedModels,
    sizes,
    runners: () => ({ all: runners, running: state.running }),
    runsUpTo: () => state.held,
  });
  return { room, state, sizes };
}

describe("a worker's capacity", () => {
  it('is a run for each idle runner, however long it takes', () => {
    const { room, state } = roomOf({ slow: { batchable: false, ms: 2000 } }, 2);
    expect(room.of(0, 100)).toMatchObject({ idle: 2, ahead: 0, jobs: 100 });
    state.running = 1;
    expect(room.of(0, 100)).toMatchObject({ idle: 1, ahead: 0 });
    state.running = 2;
    expect(room.of(0, 100)).toBeUndefined();
  });

  it('is one more run per busy runner once a model is known to be quick', () => {
    const { room, state, sizes } = roomOf(
      { slow: { batchable: false, ms: 2000 }, quick: { batchable: true } },
      2,
    );
    state.running = 2;
    expect(room.of(0, 100)).toBeUndefined();
    sizes.record('quick', ROW, 8, 5, undefined);
    expect(room.of(0, 100)).toMatchObject({ idle: 0, ahead: 2, horizonMs: 100 });
    state.held = 0.5;
    expect(room.of(0, 100)).toMatchObject({ idle: 0, ahead: 1.5 });
    state.held = 2;
    expect(room.of(0, 100)).toBeUndefined();
    state.running = 1;
    // What is held goes to the idle runner first.
    state.held = 1;
    expect(room.of(0, 100)).toMatchObject({ idle: 0, ahead: 1 });
  });

  it('names rows and time of a run per route, with a horizon of twenty takes', () => {
    const { room } = roomOf({ slow: { batchable: false, ms: 2000 }, new: { batchable: true } }, 1);
    room.took(30);
    const { runs, horizonMs } = room.forRun(1);
    expect(horizonMs).toBe(600);
    expect(Object.fromEntries(runs)).toEqual({
      slow: { rows: 1, ms: 2000 },
      'slow@1': { rows: 1, ms: 2000 },
      new: { rows: 8, ms: undefined },
      'new@1': { rows: 8, ms: undefined },
    });
  });

  it('is undefined when no more jobs may be taken', () => {
    expect(roomOf({ m: { batchable: true } }, 1).room.of(0, 0)).toBeUndefined();
  });
});

describe('prefetched jobs', () => {
  const held = (...priorities: number[]) => Array.from({ length: 10 }, (_, at) => priorities[at] ?? 0);
  it('count as waiting at their priority, over all workers of the queue', () => {
    const workers = [{ notStarted: { q: held(2, 1), other: held(9) } }, { notStarted: { q: held(1) } }, {}];
    expect(heldAhead('q', 7, workers)).toEqual({ jobs: 4, byPriority: held(3, 1) });
    expect(heldAhead('empty', 7, workers)).toEqual({ jobs: 0, byPriority: held() });
  });

  it('never exceed the number of taken jobs, since heartbeats may be old', () => {
    expect(heldAhead('q', 2, [{ notStarted: { q: held(5, 1) } }])).toEqual({
      jobs: 2,
      byPriority: held(1, 1),
    });
    expect(heldAhead('q', 0, [{ notStarted: { q: held(5) } }])).toEqual({ jobs: 0, byPriority: held() });
  });
});
