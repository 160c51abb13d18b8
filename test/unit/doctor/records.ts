import { type LoadedSettings, loadSettings } from '../../../src/lib/config/load.js';
import type { QueueSnapshot } from '../../../src/lib/queue/read/inspector.js';
import type { WorkerRecord } from '../../../src/lib/queue/types.js';
import { parseInfo, type RedisFacts } from '../../../src/lib/redis/info.js';

/** The current time in every table below. */
export const NOW = 1_700_000_000_000;

export function queue(more: Partial<QueueSnapshot> = {}): QueueSnapshot {
  return {
    name: 'q',
    waiting: 0,
    delayed: 0,
    active: 0,
    completed: 0,
    failed: 0,
    expired: 0,
    cancelled: 0,
    paused: false,
    byPriority: [],
    oldestMs: undefined,
    ratePerSecond: null,
    arrivalsPerSecond: null,
    growing: false,
    etaMs: null,
    unmatched: {},
    ...more,
  };
}

export function worker(more: Partial<WorkerRecord> = {}): WorkerRecord {
  return {
    id: 'w1',
    name: 'alpha',
    host: 'here',
    pid: 7,
    version: '1.0.0',
    startedAt: NOW - 60_000,
    beatAt: NOW - 500,
    state: 'ready',
    gpu: null,
    device: 'cpu',
    queues: ['q'],
    models: [{ name: 'digits', version: 1, batch: 8 }],
    concurrency: 1,
    threads: 2,
    maxBatch: null,
    batchWindowMs: 0,
    active: [],
    jobsDone: 0,
    rowsDone: 0,
    jobsFailed: 0,
    batches: 0,
    rssBytes: 1,
    loopLagMs: 1,
    ...more,
  };
}

/** INFO of a healthy server, followed by other lines. */
export function facts(lines = ''): RedisFacts {
  return parseInfo(
    `redis_version:7.0.15\nrole:master\nmaxmemory:1000000000\nused_memory:1000000\nmaxmemory_policy:noeviction\naof_enabled:1\nmaxclients:10000\nconnected_clients:5\n${lines}`,
  );
}

/** Settings from these variables only, without a file. */
export function settings(env: Record<string, string> = {}): Promise<LoadedSettings> {
  return loadSettings({ env: { HOME: '/nowhere', ...env }, cwd: '/' });
}
