import { describe, expect, it } from 'vitest';
import { plain } from '../../../src/lib/cli/output/text.js';
import { inspectView, liveInspectView } from '../../../src/lib/cli/views/inspect-view.js';
import { amissLines, modelsView } from '../../../src/lib/cli/views/models-view.js';
import { embeddedView } from '../../../src/lib/cli/views/redis-view.js';
import { type JobResultJson, resultView } from '../../../src/lib/cli/views/result-view.js';
import { afterSubmit, submitView } from '../../../src/lib/cli/views/submit-view.js';
import { drainingLine, workerBanner } from '../../../src/lib/cli/views/worker-banner.js';
import type { Overview } from '../../../src/lib/deployment/overview.js';
import { overviewJson } from '../../../src/lib/deployment/overview-json.js';
import { findProblems } from '../../../src/lib/deployment/problems.js';
import type { ModelSignature } from '../../../src/lib/model/signature.js';
import type { WorkerRecord } from '../../../src/lib/queue/types.js';
import { PIPED } from '../../support/layout.js';

const TTY = { tty: true, width: 120, paint: plain };
const NOW = 1_700_000_000_000;

const queue = (name: string, over: object = {}) => ({
  name,
  waiting: 0,
  delayed: 0,
  active: 0,
  completed: 0,
  failed: 0,
  paused: false,
  byPriority: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  oldestMs: undefined,
  expired: 0,
  cancelled: 0,
  ratePerSecond: null,
  arrivalsPerSecond: null,
  etaMs: null,
  unmatched: {},
  growing: false,
  ...over,
});

const worker = (over: Partial<WorkerRecord> = {}): WorkerRecord => ({
  id: 'w1',
  name: 'w-1',
  host: 'node1',
  pid: 42,
  version: '0.1.0',
  startedAt: NOW - 60_000,
  beatAt: NOW - 2000,
  state: 'ready',
  gpu: null,
  device: 'cpu',
  queues: ['realtime', 'batch'],
  models: [{ name: 'digits', version: 1, batch: 64 }],
  concurrency: 1,
  maxBatch: null,
  batchWindowMs: 0,
  active: [],
  jobsDone: 1200,
  rowsDone: 1200,
  jobsFailed: 0,
  batches: 40,
  rssBytes: 1,
  loopLagMs: 1,
  ...over,
});

const redis = {
  label: 'redis://127.0.0.1:6379',
  source: 'default',
  version: '7.2.4',
  usedMemoryBytes: 1_572_864,
  maxMemoryBytes: 0,
  policy: 'noeviction',
};

const none = { autoscalers: [], lapsed: [] };

const busy: Overview = {
  ...none,
  at: NOW,
  redis,
  queues: [
    queue('realtime', {
      waiting: 2,
      completed: 10,
      oldestMs: 12,
      byPriority: [0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
    }),
    queue('batch', {
      waiting: 50_000,
      failed: 3,
      oldestMs: 200_000,
      ratePerSecond: 250,
      etaMs: 200_000,
      byPriority: [50_000, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    }),
  ],
  workers: [worker()],
};

describe('the inspect view', () => {
  it('prints tables on a terminal', () => {
    expect(inspectView(busy, TTY, NOW)).toEqual([
      'Redis redis://127.0.0.1:6379 · 7.2.4 · 1.5 MB and no limit · noeviction',
      '',
      'Queues',
      '┌──────────┬─────────┬────────┬─────────┬────────┬───────────┬────────┬───────┬────────┬─────────────┐',
      '│ QUEUE    │ WAITING │ ACTIVE │ DELAYED │ FAILED │ COMPLETED │ OLDEST │  RATE │    ETA │ BY PRIORITY │',
      '├──────────┼─────────┼────────┼─────────┼────────┼───────────┼────────┼───────┼────────┼─────────────┤',
      '│ realtime │       2 │      0 │       0 │      0 │        10 │  12 ms │     - │      - │ 9:2         │',
      '│ batch    │  50,000 │      0 │       0 │      3 │         0 │ 3m 20s │ 250/s │ 3m 20s │ 0:50000     │',
      '└──────────┴─────────┴────────┴─────────┴────────┴───────────┴────────┴───────┴────────┴─────────────┘',
      '',
      'Workers',
      '┌────────┬───────┬─────┬────────┬────────────────┬─────────────┬───────┬────────┬───────┬──────┐',
      '│ WORKER │ HOST  │ PID │ DEVICE │ QUEUES         │ MODELS      │ STATE │ ACTIVE │  DONE │ BEAT │',
      '├────────┼───────┼─────┼────────┼────────────────┼─────────────┼───────┼────────┼───────┼──────┤',
      '│ w-1    │ node1 │  42 │ cpu    │ realtime,batch │ digits@1×64 │ ready │      0 │ 1,200 │  2 s │',
      '└────────┴───────┴─────┴────────┴────────────────┴─────────────┴───────┴────────┴───────┴──────┘',
    ]);
  });

  it('fits 80 columns, with names below each other, and splits tables when narrower', () => {
    const workers = [
      worker({ models: [{ name: 'digits', version: 1, batch: 1 }], gpu: '0', device: 'cuda:0' }),
    ];
    const lines = inspectView({ ...busy, workers }, { ...TTY, width: 80 }, NOW);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    const at = lines.findIndex((line) => line.startsWith('WORKER'));
    expect(lines.slice(at, at + 3)).toEqual([
      'WORKER  HOST   PID  GPU  DEVICE  QUEUES    MODELS    STATE  ACTIVE   DONE  BEAT',
      'w-1     node1   42  0    cuda:0  realtime  digits@1  ready       0  1,200   2 s',
      '                                 batch',
    ]);
    const narrow = inspectView(busy, { ...TTY, width: 40 }, NOW);
    expect(narrow.filter((line) => line.startsWith('QUEUE ')).length).toBeGreaterThan(1);
    for (const line of narrow.slice(1)) expect(line.length).toBeLessThanOrEqual(40);
  });

  it('shows problems above the tables in live mode, and only the worst of many on a short terminal', () => {
    expect(liveInspectView(busy, TTY)[2]).toBe('Queues');
    const narrow = liveInspectView(busy, { ...TTY, width: 80 });
    expect(narrow.filter((line) => line.startsWith('QUEUE '))).toEqual([
      'QUEUE     WAITING  ACTIVE  DELAYED  FAILED  COMPLETED  OLDEST   RATE     ETA',
    ]);
    const queues = Array.from({ length: 6 }, (_, i) => queue(`q${i}`, { paused: true }));
    const lines = liveInspectView({ ...busy, queues }, TTY);
    expect(lines[2]).toBe('What is wrong right now');
    expect(lines.filter((line) => line.startsWith('! '))).toHaveLength(4);
    expect(lines.indexOf('… and 2 more: infer inspect')).toBeLessThan(lines.indexOf('Queues'));
  });

  it.each([60, 80, 100, 120])(
    'drops no column in live mode at %i columns, so that counts by priority are there',
    (width) => {
      const lines = liveInspectView(busy, { ...TTY, width });
      const text = lines.join('\n');
      for (const one of ['9:2', '0:50000']) expect(text).toContain(one);
      expect(lines.some((line) => /^By priority realtime 9:2 · batch 0:50000$/.test(line))).toBe(width < 100);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
    },
  );

  it('fits 80 columns while nothing runs', () => {
    const quiet: Overview = {
      ...none,
      at: NOW,
      redis,
      queues: [queue('default')],
      workers: [worker({ queues: ['default'] })],
    };
    for (const line of inspectView(quiet, { ...TTY, width: 80 }, NOW))
      expect(line.length).toBeLessThanOrEqual(80);
  });

  it('prints plain digits and every column in a pipe', () => {
    const lines = inspectView(busy, PIPED, NOW);
    expect(lines[3]).toBe(
      'QUEUE\tWAITING\tACTIVE\tDELAYED\tFAILED\tCOMPLETED\tOLDEST\tRATE\tETA\tBY PRIORITY',
    );
    expect(lines[5]).toBe('batch\t50000\t0\t0\t3\t0\t3m 20s\t250/s\t3m 20s\t0:50000');
  });

  it('reports a problem with the command that fixes it', () => {
    const wrong: Overview = {
      ...none,
      at: NOW,
      redis: { ...redis, usedMemoryBytes: 90, maxMemoryBytes: 100, policy: 'allkeys-lru' },
      queues: [queue('batch', { waiting: 5 }), queue('slow', { paused: true })],
      workers: [worker({ queues: ['realtime'] })],
    };
    expect(findProblems(wrong).map(({ code, fix }) => [code, fix])).toEqual([
      ['QUEUE_UNSERVED', 'infer worker -Q batch'],
      ['QUEUE_PAUSED', 'infer control resume slow'],
      ['REDIS_MEMORY', 'infer redis-tune shows what fills it and how many more jobs fit'],
      ['REDIS_POLICY', 'infer redis-tune apply --policy noeviction'],
    ]);
    expect(inspectView({ ...wrong, workers: [] }, TTY, NOW).join('\n')).toContain(
      'What is wrong right now\n! no worker is running and jobs wait in batch\n  Try: infer worker -Q batch',
    );
    expect(findProblems(busy)).toEqual([]);
  });

  it('neutralises text that others wrote into Redis', () => {
    const evil = inspectView(
      { ...none, at: NOW, redis, queues: [], workers: [worker({ name: 'x\u001b[2J' })] },
      TTY,
      NOW,
    );
    expect(evil.join('')).not.toContain('\u001b');
  });

  it('has the documented JSON', () => {
    const [realtime] = overviewJson(busy).queues;
    expect(realtime).toEqual({
      name: 'realtime',
      waiting: 2,
      active: 0,
      delayed: 0,
      failed: 0,
      completed: 10,
      paused: false,
      oldestMs: 12,
      ratePerSecond: null,
      etaMs: null,
      byPriority: [0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
      expired: 0,
      cancelled: 0,
      arrivalsPerSecond: null,
      growing: false,
      unmatched: {},
    });
    expect(
      overviewJson({ ...none, at: NOW, redis, queues: [queue('a')], workers: [] }).queues[0]?.oldestMs,
    ).toBeNull();
    expect(overviewJson(busy).workers[0]).toMatchObject({
      id: 'w1',
      host: 'node1',
      gpu: null,
      models: [{ name: 'digits' }],
    });
  });
});

const signature: ModelSignature = {
  name: 'digits',
  version: 1,
  task: 'classification',
  batchable: true,
  inputs: [
    { name: 'pixels', type: 'float32', shape: [64], shared: false, batchAxis: 0, modelShape: ['n', 64] },
  ],
  outputs: [
    {
      name: 'probs',
      type: 'float32',
      shape: [null, 10],
      shared: false,
      batchAxis: 1,
      modelShape: ['t', 'n', 10],
    },
  ],
  sizeBytes: 154_834,
  digest: 'abc',
  warnings: ['batch axis could not be probed'],
};

describe('the models view', () => {
  it("shows shapes with the model's batch axis, and models that could not be read", () => {
    expect(modelsView([signature], TTY)).toEqual([
      '┌────────┬─────────┬──────────────────────────┬───────────────────────────┬────────────┬────────────────┬────────┐',
      '│ NAME   │ VERSION │ INPUTS                   │ OUTPUTS                   │ BATCH AXIS │ TASK           │   SIZE │',
      '├────────┼─────────┼──────────────────────────┼───────────────────────────┼────────────┼────────────────┼────────┤',
      '│ digits │       1 │ pixels float32[batch,64] │ probs float32[?,batch,10] │          0 │ classification │ 151 KB │',
      '└────────┴─────────┴──────────────────────────┴───────────────────────────┴────────────┴────────────────┴────────┘',
    ]);
    const amiss = {
      models: [signature],
      broken: [{ name: 'bad', message: 'no such file', hint: 'fix it' }],
      skipped: [{ place: 'm/v1', reason: 'm/v1 is not served: no version', fix: 'mv m/v1 m/1' }],
    };
    expect(amissLines(amiss, TTY)).toEqual([
      '! digits: batch axis could not be probed',
      '! m/v1 is not served: no version',
      '  Try: mv m/v1 m/1',
      '✗ bad: no such file',
      '  Try: fix it',
    ]);
    expect(amissLines({ ...amiss, models: [] }, { ...TTY, width: 26 })).toEqual([
      '! m/v1 is not served: no',
      '  version',
      '  Try: mv m/v1 m/1',
      '✗ bad: no such file',
      '  Try: fix it',
    ]);
    expect(modelsView([signature], PIPED)[1]).toBe(
      'digits\t1\tpixels float32[batch,64]\tprobs float32[?,batch,10]\t0\tclassification\t154834',
    );
  });
});

const done: JobResultJson = {
  id: 'j1',
  state: 'completed',
  rows: 1,
  result: { class: 3, confidence: 0.9987, label: '3', device: 'cpu' },
  task: 'classification',
  attempts: 1,
  worker: 'w-1',
  device: 'cpu',
  timing: { queueMs: 1.2, runMs: 0.85, totalMs: 4 },
};

describe('the result view', () => {
  it('shows the class and the timing', () => {
    expect(resultView(done, TTY)).toEqual([
      'class 3  confidence 99.87 %',
      '',
      'queue   1.2 ms',
      'run     850 µs',
      'total   4 ms',
      'worker  w-1',
      'device  cpu',
    ]);
  });

  it('shows the next best classes that were asked for', () => {
    const top = { top_class: [3, 8], top_confidence: [0.9987, 0.001], top_label: ['3', 'eight'] };
    const result = { ...(done.result as object), ...top };
    expect(resultView({ ...done, result }, TTY).slice(0, 3)).toEqual([
      'class 3  confidence 99.87 %',
      'class 8 (eight)  confidence 0.10 %',
      '',
    ]);
  });

  it.each(['tensor', 'handler'] as const)('hides nothing when a %s value is called class', (task) => {
    const result = { class: 3, confidence: 0.5, pixels: [1, 2] };
    for (const value of [result, [result, result]]) {
      const lines = resultView({ ...done, task, result: value }, TTY);
      expect(JSON.parse(lines.slice(0, lines.indexOf('')).join(''))).toEqual(value);
    }
    expect(resultView({ ...done, task, result: null }, TTY)[0]).toBe('null');
  });

  it('is the bare result in a pipe', () => {
    expect(JSON.parse(resultView(done, PIPED).join('\n'))).toEqual(done.result);
  });

  it('tabulates several rows and says when there are more', () => {
    const rows = Array.from({ length: 25 }, () => ({ class: 1, confidence: 0.5, label: 'cat' }));
    const lines = resultView({ ...done, result: rows }, TTY);
    expect(lines[3]).toBe('│   0 │     1 │ cat   │    50.00 % │');
    expect(lines).toContain('and 5 more rows: see --json');
  });

  it('shows a failure with its fix', () => {
    const { result: _, ...rest } = done;
    const failed: JobResultJson = {
      ...rest,
      state: 'failed',
      attempts: 3,
      error: { code: 'TIME_LIMIT', message: 'ran\u001b too long', hint: 'raise it' },
      timing: null,
    };
    expect(resultView(failed, TTY)).toEqual([
      'j1 failed after 3 attempts',
      'TIME_LIMIT ran\\x1b too long',
      'Try: raise it',
    ]);
    expect(resultView({ ...rest, state: 'waiting' }, TTY)).toEqual(['j1 waiting']);
  });
});

describe('the submit view', () => {
  const job = { id: 'j1', queue: 'realtime', priority: 9, model: 'digits', rows: 1 };
  const group = { group: 'g1', queue: 'batch', model: 'digits', rows: 50_000, jobs: 1563 };

  it('is only the id in a pipe or under --quiet', () => {
    expect([submitView(job, PIPED), submitView(group, PIPED), submitView(job, TTY, true)]).toEqual([
      ['j1'],
      ['g1'],
      ['j1'],
    ]);
  });

  it('describes the submission on a terminal', () => {
    expect(submitView(job, TTY)).toEqual([
      'j1',
      'queue     realtime',
      'model     digits',
      'priority  9',
      'rows      1',
    ]);
    expect(submitView(group, TTY)).toEqual([
      'group g1',
      'queue  batch',
      'model  digits',
      'rows   50,000 rows in 1,563 jobs',
    ]);
    expect(submitView({ ...job, duplicate: true }, TTY)[0]).toBe('j1 already exists; nothing was added');
    expect(afterSubmit(group)).toBe('infer result g1 --wait');
  });
});

const FILES = { content: { digest: 'abc', files: [] }, mapped: [] };

describe('the worker banner', () => {
  it('names what it serves, with what and where', () => {
    const banner = workerBanner(
      {
        name: 'w-1',
        version: '0.1.0',
        redisLabel: 'unix:///s/redis.sock',
        redisSource: 'embedded',
        queues: ['realtime', 'batch'],
        models: [{ signature, device: 'cpu', loadMs: 31, fallback: 'libcudart.so.12 not found', ...FILES }],
        problems: [
          { message: 'model bad/1/model.onnx cannot be loaded: it is empty', hint: 'copy it again' },
        ],
        skipped: [{ reason: 'm/v1 is not served: no version', fix: 'mv m/v1 m/1' }],
        gpu: '0',
        gpuAsked: true,
        maxBatch: 32,
        latencyTargetMs: 20,
        batchWindowMs: 5,
        concurrency: 1,
        threads: 2,
        drainTimeoutMs: 30_000,
      },
      TTY,
    );
    expect(banner).toEqual([
      'infer worker w-1 v0.1.0',
      "  redis    unix:///s/redis.sock (infer's own)",
      '  queues   realtime, then batch',
      '  models   digits@1  pixels float32[batch,64]  loaded in 31 ms',
      '  device   cpu (GPU 0 asked for)',
      '  batches  up to 32 rows, waiting up to 5 ms for more',
      '  runs     1 at a time, 2 threads each',
      '! not on the GPU: libcudart.so.12 not found',
      '! digits: batch axis could not be probed',
      '! m/v1 is not served: no version',
      '  Try: mv m/v1 m/1',
      '✗ not served: model bad/1/model.onnx cannot be loaded: it is empty',
      '  Try: copy it again',
      'ready Ctrl-C finishes the current jobs (30 s at most); a second one exits now',
    ]);
    expect(drainingLine(3, 30_000)).toBe(
      'stopping: finishing 3 jobs, 30 s at most; Ctrl-C again to exit now',
    );
  });

  it.each([
    [{ max: 8, min: 2 }, 1, 9, '2 to 8 at a time, 1 thread each', []],
    [{ max: 3, min: 3 }, 2, 8, '3 at a time, 2 threads each', []],
    [
      { max: 8, min: 2 },
      1,
      2,
      '2 to 8 at a time, 1 thread each',
      ['! 8 runners of 1 thread on 2 cores: they will take turns, each with memory of its own'],
    ],
  ])('describes --autoscale %j with %i threads on %i cores', (autoscale, threads, cores, runs, warned) => {
    const lines = workerBanner(
      {
        name: 'w-1',
        version: '0.1.0',
        redisLabel: 'redis://127.0.0.1:6379',
        redisSource: 'default',
        queues: ['batch'],
        models: [],
        problems: [],
        skipped: [],
        gpu: null,
        gpuAsked: false,
        maxBatch: null,
        latencyTargetMs: 20,
        batchWindowMs: 0,
        concurrency: autoscale.min,
        autoscale,
        threads,
        cores,
        drainTimeoutMs: 30_000,
      },
      TTY,
    );
    expect(lines).toContain(`  runs     ${runs}`);
    expect(lines.filter((line) => line.startsWith('!'))).toEqual(warned);
  });
});

describe('the redis status view', () => {
  it('shows where socket, data and log are', () => {
    const where = { socket: '/s/redis.sock', dir: '/s', logFile: '/s/redis.log' };
    expect(embeddedView({ running: false, ...where }, TTY)).toEqual([
      'state    not running',
      'address  unix:///s/redis.sock',
      'data     /s',
      'log      /s/redis.log',
    ]);
    expect(
      embeddedView({ running: true, pid: 7, usedMemory: 1024, maxMemory: 2048, ...where }, TTY),
    ).toContain('memory   1 KB of 2 KB');
  });
});

describe('the view of a job waiting for its next attempt', () => {
  it('says when it runs, how often it was tried and why it last failed', () => {
    const job = {
      id: 'j1',
      state: 'delayed' as const,
      rows: 1,
      error: { code: 'RUNNER_DIED', message: 'killed by SIGKILL' },
      nextRunAt: 6000,
      attempts: 1,
      worker: null,
      device: null,
      timing: null,
    };
    expect(resultView(job, PIPED, 2000)).toEqual([
      'j1 delayed for 4 s more, 1 attempt so far',
      'RUNNER_DIED killed by SIGKILL (last attempt)',
    ]);
  });
});
