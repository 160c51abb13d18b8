import { describe, expect, it } from 'vitest';
import { EtaErrors } from '../../../src/lib/deployment/place/eta-errors.js';
import { exposition, FAMILIES, metricValues } from '../../../src/lib/metrics/exposition.js';
import type { MetricsView } from '../../../src/lib/metrics/family.js';
import { HTTP_BOUNDS } from '../../../src/lib/metrics/http-families.js';
import { WorkSums } from '../../../src/lib/metrics/work-sums.js';
import type { UnservedJobs } from '../../../src/lib/queue/routes.js';
import { WorkFigures } from '../../../src/lib/queue/work-stats.js';
import { parseInfo } from '../../../src/lib/redis/info.js';
import { exposedValue, parseExposition } from '../../support/exposition.js';

const NOW = 1_800_000_000_000;
const exporter = {
  version: '1.2.3',
  nodeVersion: 'v20',
  startedAt: NOW - 60_000,
  residentBytes: 5e7,
  lastSeconds: 0.004,
  scrapes: 3,
  errors: new Map([['REDIS_UNREACHABLE', 2]]),
  desired: new Map([['realtime', 3]]),
  etaErrors: etaErrors(),
  http: {
    routes: [
      {
        method: 'POST',
        route: '/v1/jobs',
        byStatus: new Map([
          [202, 3],
          [429, 1],
        ]),
        duration: { upTo: HTTP_BOUNDS.map((bound) => (bound < 0.01 ? 0 : 4)), count: 4, sum: 0.03 },
        received: 1000,
        sent: 2000,
      },
    ],
    errors: new Map([['RATE_LIMIT', 1]]),
    openRequests: 2,
    openStreams: 1,
  },
};

/** Of a start that was told for 1 s after its submit and came 250 ms later. */
function etaErrors(): EtaErrors['figures'] {
  const errors = new EtaErrors();
  const eta = { startMs: { p50: 1000, p90: 2000 }, endMs: { p50: 1500, p90: 2500 }, basis: '' };
  errors.told('j', { queue: 'realtime', eta, at: 0, submittedAt: 0 });
  errors.ended({ id: 'j', attempts: 1, timing: { queueMs: 1250, runMs: 10, totalMs: 1260 } });
  return errors.figures;
}

const worker = {
  id: 'w1',
  name: 'box-1',
  host: 'box',
  pid: 1,
  version: '1.2.3',
  startedAt: NOW - 5000,
  beatAt: NOW - 500,
  state: 'ready' as const,
  gpu: '0',
  device: 'cuda:0',
  queues: ['realtime'],
  models: [{ name: 'digits', version: 1, batch: 8 }],
  concurrency: 1,
  maxBatch: 8,
  batchWindowMs: 0,
  active: [],
  jobsDone: 10,
  rowsDone: 40,
  jobsFailed: 1,
  batches: 7,
  rssBytes: 2e8,
  loopLagMs: 1.5,
  deviceBusy: { share: 0.96, workMs: 50_000, why: { look: 0.03, stage: 0.01 } },
  gpuMemory: { usedBytes: 3e9, totalBytes: 8e9, utilisation: 0.75 },
};

const queue = {
  name: 'realtime',
  waiting: 4,
  active: 1,
  delayed: 0,
  completed: 9,
  failed: 1,
  expired: 2,
  cancelled: 3,
  submitted: 20,
  unserved: [
    { route: 'big', jobs: 3 },
    { route: 'big!9/9.8.0', jobs: 2 },
    { route: 'digits@7', jobs: 1 },
  ],
  damaged: { keys: 2, jobs: 3 },
  paused: true,
  byPriority: [1, 0, 0, 0, 0, 0, 0, 0, 0, 3],
  oldestMs: 1500,
  ratePerSecond: null,
  etaMs: null,
};

function view(
  change: { workers?: (typeof worker)[]; prepare?: (sums: WorkSums) => void; unserved?: UnservedJobs[] } = {},
): MetricsView {
  const sums = new WorkSums();
  const failing = new WorkFigures();
  failing.ofModel('digits').addFailure('RUN_FAILED');
  const prepare =
    change.prepare ??
    ((into) => into.update(new Map([['w1', new Map([['realtime', failing]])]]), NOW, 'zero'));
  prepare(sums);
  const facts = parseInfo(
    'redis_version:7.0.15\nused_memory:1000\nmaxmemory:2000\nmaxmemory_policy:noeviction\nevicted_keys:5\n',
  );
  const snapshot = {
    at: NOW,
    redis: [{ node: '127.0.0.1:6379', facts }],
    // A snapshot may contain more about a queue than is exported here.
    queues: [{ ...queue, unserved: change.unserved ?? queue.unserved } as never],
    workers: change.workers ?? [worker],
    starting: [],
    models: ['digits', 'gone'],
    work: new Map(),
    hidden: { queues: 0, workers: 0 },
  };
  const models = sums.byModel(['realtime'], [['realtime', 'digits']]);
  return { exporter, reading: { snapshot, work: sums.of(['realtime']), models, hiddenModels: 0 } };
}

const parsed = async (of: MetricsView) => parseExposition((await exposition(of)).text);

describe('the text of /metrics', () => {
  it('has every metric in the form that Prometheus expects', async () => {
    const metrics = await parsed(view());
    expect([...metrics.keys()].sort()).toEqual(FAMILIES.map(({ name }) => name).sort());
    for (const family of FAMILIES) {
      const metric = metrics.get(family.name);
      expect(metric?.type, family.name).toBe(family.type);
      for (const { labels } of metric?.samples ?? []) {
        const { le: _, ...own } = labels;
        expect(Object.keys(own).sort(), family.name).toEqual([...family.labels].sort());
      }
    }
  });

  it('says how far ETAs were off, late and early apart', async () => {
    const metrics = await parsed(view());
    const start = { queue: 'realtime', moment: 'start' };
    const value = (name: string, labels: object) => exposedValue(metrics, name, labels as never);
    expect(value('infer_eta_error_seconds_sum', { ...start, side: 'late' })).toBe(0.25);
    expect(value('infer_eta_error_seconds_count', { ...start, side: 'early' })).toBe(0);
    expect(value('infer_eta_error_seconds_sum', { moment: 'end', side: 'early' })).toBeCloseTo(0.24, 6);
    expect(value('infer_eta_jobs_total', { within: 'p90' })).toBe(1);
  });

  it('says what a gateway answered, by route', async () => {
    const metrics = await parsed(view());
    const value = (name: string, labels = {}) => exposedValue(metrics, name, labels);
    const route = { method: 'POST', route: '/v1/jobs' };
    expect(value('infer_http_requests_total', { ...route, status: '429' })).toBe(1);
    expect(value('infer_http_request_duration_seconds_bucket', { ...route, le: '0.005' })).toBe(0);
    expect(value('infer_http_request_duration_seconds_count', route)).toBe(4);
    expect(value('infer_http_received_bytes_total', route)).toBe(1000);
    expect(value('infer_http_errors_total', { code: 'RATE_LIMIT' })).toBe(1);
    expect(value('infer_http_open_streams')).toBe(1);
  });

  it('reports readings in base units', async () => {
    const metrics = await parsed(view());
    const value = (name: string, labels = {}) => exposedValue(metrics, name, labels);
    expect(value('infer_up')).toBe(1);
    expect(value('infer_queue_jobs', { queue: 'realtime', state: 'waiting' })).toBe(4);
    expect(value('infer_queue_jobs', { state: 'cancelled' })).toBe(3);
    expect(value('infer_queue_waiting_jobs', { priority: '9' })).toBe(3);
    expect(value('infer_queue_oldest_waiting_age_seconds')).toBe(1.5);
    expect(value('infer_queue_paused')).toBe(1);
    expect(value('infer_queue_workers')).toBe(1);
    expect(value('infer_jobs_submitted_total')).toBe(20);
    expect(value('infer_worker_event_loop_lag_seconds')).toBe(0.0015);
    expect(value('infer_worker_heartbeat_age_seconds')).toBe(0.5);
    expect(value('infer_worker_device_busy_ratio')).toBe(0.96);
    expect(value('infer_worker_device_wait_ratio', { reason: 'look' })).toBe(0.03);
    expect(value('infer_worker_device_wait_ratio', { reason: 'take' })).toBe(0);
    expect(value('infer_gpu_memory_used_bytes', { host: 'box', gpu: '0' })).toBe(3e9);
    expect(value('infer_gpu_utilization_ratio')).toBe(0.75);
    expect(value('infer_model_workers', { model: 'digits' })).toBe(1);
    expect(value('infer_model_workers', { model: 'gone' })).toBe(0);
    expect(value('infer_redis_memory_used_bytes')).toBe(1000);
    expect(value('infer_redis_noeviction')).toBe(1);
    expect(value('infer_redis_evicted_keys_total')).toBe(5);
    expect(value('infer_redis_info', { policy: 'noeviction', version: '7.0.15' })).toBe(1);
  });

  it('counts jobs that no worker can run by model, over all layouts', async () => {
    const metrics = await parsed(view());
    const value = (model: string) =>
      exposedValue(metrics, 'infer_queue_unserved_jobs', { queue: 'realtime', model });
    expect([value('big'), value('digits@7')]).toEqual([5, 1]);
    const many = Array.from({ length: 60 }, (_, n) => ({ route: `m${n}`, jobs: 2 }));
    const capped = (await parsed(view({ unserved: many }))).get('infer_queue_unserved_jobs')?.samples ?? [];
    expect(capped).toHaveLength(51);
    expect(capped.at(-1)).toMatchObject({ labels: { model: '(other)' }, value: 20 });
  });

  it('counts damaged keys and jobs of a queue', async () => {
    const metrics = await parsed(view());
    const value = (name: string) => exposedValue(metrics, name, { queue: 'realtime' });
    expect([value('infer_queue_damaged_keys'), value('infer_queue_damaged_jobs')]).toEqual([2, 3]);
  });

  it("builds histograms from workers' sketches", async () => {
    const figures = new WorkFigures();
    for (const ms of [0.4, 3, 3, 40, 5000]) figures.wait.add(ms);
    figures.addBatch(8, 'full');
    figures.addBatch(3, 'idle');
    figures.jobs.completed = 5;
    const metrics = await parsed(
      view({
        prepare: (sums) => sums.update(new Map([['w1', new Map([['realtime', figures]])]]), NOW, 'zero'),
      }),
    );
    const bucket = (le: string) => exposedValue(metrics, 'infer_job_wait_seconds_bucket', { le });
    expect([bucket('0.001'), bucket('0.005'), bucket('0.05'), bucket('1'), bucket('10')]).toEqual([
      1, 3, 4, 4, 5,
    ]);
    expect(exposedValue(metrics, 'infer_job_wait_seconds_count')).toBe(5);
    expect(exposedValue(metrics, 'infer_job_wait_seconds_sum')).toBeCloseTo(5.0464, 6);
    expect(exposedValue(metrics, 'infer_batch_rows_bucket', { le: '4' })).toBe(1);
    expect(exposedValue(metrics, 'infer_batch_rows_bucket', { le: '8' })).toBe(2);
    expect(exposedValue(metrics, 'infer_batches_total', { reason: 'full' })).toBe(1);
    expect(exposedValue(metrics, 'infer_jobs_completed_total')).toBe(5);
  });

  it('separates models of a queue, and failures by code', async () => {
    const figures = new WorkFigures();
    for (const [model, ms] of [
      ['digits', 4],
      ['digits', 40],
      ['ocr', 400],
    ] as const) {
      figures.ofModel(model).run.add(ms);
      figures.ofModel(model).jobs.completed += 1;
      figures.ofModel(model).rows += 3;
      figures.ofModel(model).addBatch(3, 'idle');
    }
    for (const code of ['TIME_LIMIT', 'TIME_LIMIT', 'RUN_FAILED']) {
      figures.ofModel('ocr').jobs.failed += 1;
      figures.ofModel('ocr').addFailure(code);
    }
    const metrics = await parsed(
      view({
        prepare: (sums) => sums.update(new Map([['w1', new Map([['realtime', figures]])]]), NOW, 'zero'),
      }),
    );
    const value = (name: string, model: string, more = {}) =>
      exposedValue(metrics, name, { queue: 'realtime', model, ...more });
    expect(value('infer_model_jobs_total', 'digits', { state: 'completed' })).toBe(2);
    expect(value('infer_model_jobs_total', 'digits', { state: 'failed' })).toBe(0);
    expect(value('infer_model_jobs_total', 'ocr', { state: 'failed' })).toBe(3);
    expect(value('infer_job_failures_total', 'ocr', { code: 'TIME_LIMIT' })).toBe(2);
    expect(value('infer_job_failures_total', 'ocr', { code: 'RUN_FAILED' })).toBe(1);
    expect(value('infer_model_rows_total', 'digits')).toBe(6);
    expect(value('infer_model_run_seconds_bucket', 'digits', { le: '0.005' })).toBe(1);
    expect(value('infer_model_run_seconds_count', 'ocr')).toBe(1);
    expect(value('infer_model_batch_rows_sum', 'digits')).toBe(6);
  });

  it('shows a served model without work, so that its first job is an increase', async () => {
    const metrics = await parsed(view({ prepare: () => undefined }));
    const labels = { queue: 'realtime', model: 'digits' };
    expect(exposedValue(metrics, 'infer_model_jobs_total', { ...labels, state: 'failed' })).toBe(0);
    expect(exposedValue(metrics, 'infer_model_run_seconds_count', labels)).toBe(0);
  });

  it('has cumulative buckets that never fall, wherever values lie between the bounds', async () => {
    // The sketch counts all values up to a bound above its maximum: with a larger one, fewer may count.
    const figures = new WorkFigures();
    const sums = new WorkSums();
    let before: number[] = [];
    for (let step = 0; step < 400; step++) {
      figures.wait.add(1.013 ** step);
      figures.run.add(9.99);
      sums.update(new Map([['w1', new Map([['q', figures]])]]), NOW + step, 'zero');
      const { upTo, count } = sums.of(['q']).get('q')?.wait ?? { upTo: [], count: 0 };
      const now = [...upTo, count];
      for (const [at, value] of now.entries()) {
        expect(value).toBeGreaterThanOrEqual(before[at] ?? 0);
        expect(value).toBeGreaterThanOrEqual(now[at - 1] ?? 0);
      }
      before = now;
    }
  });

  it('omits queues, workers and Redis while Redis is unreachable', async () => {
    const metrics = await parsed({ exporter, reading: undefined });
    expect(exposedValue(metrics, 'infer_up')).toBe(0);
    expect(exposedValue(metrics, 'infer_scrape_errors_total', { code: 'REDIS_UNREACHABLE' })).toBe(2);
    expect([...metrics.keys()].filter((name) => /^infer_(queue|job|worker|redis|gpu)/.test(name))).toEqual(
      [],
    );
  });

  it('escapes foreign names, and omits values that are not numbers', async () => {
    const odd = { ...worker, id: 'w2', name: 'a"b\\c\nd\u001b[31m', rssBytes: Number.NaN };
    const metrics = await parsed(view({ workers: [odd] }));
    expect(exposedValue(metrics, 'infer_worker_jobs_total', { worker: 'a"b\\c\\x0ad\\x1b[31m' })).toBe(10);
    expect(metrics.has('infer_worker_resident_memory_bytes')).toBe(false);
  });

  it('separates workers of the same name, and counts a shared GPU once', async () => {
    const metrics = await parsed(view({ workers: [worker, { ...worker, id: 'w2', jobsDone: 2 }] }));
    expect(exposedValue(metrics, 'infer_worker_jobs_total', { worker: 'box-1' })).toBe(10);
    expect(exposedValue(metrics, 'infer_worker_jobs_total', { worker: 'box-1/w2' })).toBe(2);
    expect(metrics.get('infer_gpu_memory_used_bytes')?.samples).toHaveLength(1);
  });

  it('has the same values for --json', async () => {
    const values = await metricValues(view());
    expect(values).toContainEqual({
      name: 'infer_queue_jobs',
      type: 'gauge',
      labels: { queue: 'realtime', state: 'waiting' },
      value: 4,
    });
    expect(values.some(({ name }) => name === 'infer_batch_rows_bucket')).toBe(true);
  });
});

describe('the exposition parser of the tests', () => {
  it.each([
    ['a value without TYPE', '# HELP a_x b\na_x 1\n', /before its TYPE/],
    ['a metric twice', '# HELP a b\n# TYPE a gauge\na 1\n# HELP a b\n', /repeated/],
    ['a series twice', '# HELP a b\n# TYPE a gauge\na{x="1"} 1\na{x="1"} 2\n', /twice/],
    ['a counter without _total', '# HELP a b\n# TYPE a counter\na 1\n', /is a counter/],
    ['milliseconds', '# HELP a_ms b\n# TYPE a_ms gauge\na_ms 1\n', /base unit/],
    ['a label that does not end', '# HELP a b\n# TYPE a gauge\na{x="1} 1\n', /labels/],
    ['a number that is none', '# HELP a b\n# TYPE a gauge\na x\n', /number/],
    [
      'buckets that fall',
      '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
      /do not grow/,
    ],
  ])('rejects %s', (_, text, message) => {
    expect(() => parseExposition(text)).toThrow(message);
  });
});
