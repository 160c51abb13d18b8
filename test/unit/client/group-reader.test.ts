import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { groupChunks } from '../../../src/lib/client/group-reader.js';
import type { ResultSource } from '../../../src/lib/queue/broker/result-store.js';
import type { GroupRecord } from '../../../src/lib/queue/types.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';

const unhandled = vi.fn();
beforeEach(() => void process.on('unhandledRejection', unhandled));
afterEach(() => void process.off('unhandledRejection', unhandled));

/** A connection on which every command fails. */
const failing = new Proxy({} as RedisClient, {
  get: (_, name) =>
    name === 'status' ? 'end' : () => Promise.reject(new Error(`Connection is closed: ${String(name)}`)),
});

it('a fetch that fails once its reader has left is not an unhandled rejection', async () => {
  const group = { id: 'g1', queue: 'batch', jobs: 3, rows: 3, closed: true, state: 'active', moved: [] };
  const left = () => Promise.reject(new Error('the caller has left'));
  const chunks = groupChunks(
    failing,
    'infer',
    group as unknown as GroupRecord,
    {} as ResultSource,
    { values: 'json' } as never,
    left,
  );
  await expect(chunks.next()).rejects.toThrow('the caller has left');
  await nextTurn();
  expect(unhandled).not.toHaveBeenCalled();
});
