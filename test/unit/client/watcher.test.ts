import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Sight, Watcher, type WatchParts } from '../../../src/lib/client/watcher.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A Redis with one group, of which so many jobs have completed. */
function world() {
  const group = { completed: 0 };
  const looks = { rounds: 0, hold: undefined as Promise<void> | undefined };
  const record = { model: 'm', priority: '0', closed: '1', jobs: '3' };
  const parts = {
    redis: { hgetall: async () => ({ ...record, jc: String(group.completed) }) },
    prefix: 'infer',
    producer: {
      expireDue: async () => {
        looks.rounds += 1;
        await looks.hold;
      },
    },
    waiter: { next: () => new Promise(() => undefined), forget: () => undefined, listFor: () => 'list' },
    locations: { moved: async () => false },
  } as unknown as WatchParts;
  const watcher = new Watcher(parts);
  const watch = (id: string, sights: string[] = []) =>
    watcher.watch({ id, kind: 'group', queue: 'q' }, (sight: Sight) =>
      sights.push(sight.kind === 'group' ? sight.group.state : sight.kind),
    );
  return { watcher, watch, group, looks };
}

it('tells a listener that joins how it stands now, and not how it stood at the last look', async () => {
  const { watcher, watch, group } = world();
  const first: string[] = [];
  watch('g', first);
  await vi.advanceTimersByTimeAsync(1000);
  expect(first.at(-1)).toBe('waiting');
  group.completed = 1;
  const second: string[] = [];
  watch('g', second);
  const third: string[] = [];
  watch('g', third);
  expect(second).toEqual([]);
  await vi.advanceTimersByTimeAsync(0);
  expect([second[0], third[0]]).toEqual(['active', 'active']);
  expect([...second, ...third]).not.toContain('waiting');
  watcher.close();
});

it('has one timer, also where all were left and others came during a look', async () => {
  const { watcher, watch, looks } = world();
  let go: () => void = () => undefined;
  looks.hold = new Promise((resolve) => {
    go = resolve;
  });
  const stop = watch('left');
  await vi.advanceTimersByTimeAsync(1000);
  expect(looks.rounds).toBe(1);
  stop();
  watch('stays');
  looks.hold = undefined;
  go();
  await vi.advanceTimersByTimeAsync(0);
  looks.rounds = 0;
  await vi.advanceTimersByTimeAsync(5000);
  expect(looks.rounds).toBeLessThanOrEqual(5);
  expect(looks.rounds).toBeGreaterThanOrEqual(4);
  watcher.close();
});
