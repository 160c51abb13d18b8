import { printable } from '../core/job.js';
import { DEVICE_WAITS } from '../queue/device-busy.js';
import type { WorkerRecord } from '../queue/types.js';
import type { Family, Labels, MetricsView, Sample, ValueFamily } from './family.js';

const STATES = ['starting', 'ready', 'draining'] as const;

type Value = (worker: WorkerRecord, now: number) => number | undefined;

/** A figure of each worker; omitted if a worker of another version does not report it. */
function ofEach(
  type: ValueFamily['type'],
  name: ValueFamily['name'],
  help: string,
  value: Value,
): ValueFamily {
  return { name, help, type, labels: ['worker'], samples: (view) => eachWorker(view, value) };
}

function eachWorker(view: MetricsView, value: Value): Sample[] {
  return labelled(view).flatMap(([worker, labels]): Sample[] => {
    const figure = value(worker, view.reading?.snapshot.at ?? 0);
    return figure === undefined || !Number.isFinite(figure) ? [] : [[labels, figure]];
  });
}

/** Workers by name; one that shares its name with another is distinguished by its id. */
function labelled(view: MetricsView): [WorkerRecord, { worker: string }][] {
  const taken = new Set<string>();
  return (view.reading?.snapshot.workers ?? []).map((worker) => {
    const name = printable(taken.has(worker.name) ? `${worker.name}/${worker.id}` : worker.name);
    taken.add(worker.name);
    return [worker, { worker: name }];
  });
}

/** Workers that share a GPU report the same memory: it is reported by one of them. */
function eachGpu(
  view: MetricsView,
  value: (gpu: NonNullable<WorkerRecord['gpuMemory']>) => number,
): Sample[] {
  const seen = new Map<string, Sample>();
  for (const { host, gpu, gpuMemory } of view.reading?.snapshot.workers ?? []) {
    if (gpu === null || gpuMemory === undefined || gpuMemory === null) continue;
    const figure = value(gpuMemory);
    const labels: Labels = { host: printable(host), gpu: printable(gpu) };
    if (Number.isFinite(figure)) seen.set(`${host}\n${gpu}`, [labels, figure]);
  }
  return [...seen.values()];
}

const GPU = ['host', 'gpu'] as const;

/** Values from the workers' heartbeats. */
export const WORKER_FAMILIES: readonly Family[] = [
  {
    name: 'infer_workers',
    help: 'Live workers by state',
    type: 'gauge',
    labels: ['state'],
    samples: ({ reading }) => {
      if (reading === undefined) return [];
      const { workers } = reading.snapshot;
      const states = new Set<string>([...STATES, ...workers.map((worker) => worker.state)]);
      return [...states].map((state) => [
        { state },
        workers.filter((worker) => worker.state === state).length,
      ]);
    },
  },
  {
    name: 'infer_worker_info',
    help: 'Always 1; the labels describe the worker',
    type: 'gauge',
    labels: ['worker', 'host', 'device', 'gpu', 'version'],
    samples: (view) =>
      labelled(view).map(([{ host, device, gpu, version }, labels]) => [
        {
          ...labels,
          host: printable(host),
          device: printable(device),
          gpu: printable(gpu ?? ''),
          version: printable(version),
        },
        1,
      ]),
  },
  {
    name: 'infer_model_workers',
    help: 'Live workers that have the model loaded; 0 for a published model that none has loaded',
    type: 'gauge',
    labels: ['model'],
    samples: ({ reading }) =>
      (reading?.snapshot.models ?? []).map((model) => [
        { model },
        reading?.snapshot.workers.filter((worker) => worker.models.some(({ name }) => name === model))
          .length ?? 0,
      ]),
  },
  {
    name: 'infer_worker_rows_mixed',
    help: 'Whether the worker has seen rows of the model mix in service: 1 or 0',
    type: 'gauge',
    labels: ['worker', 'model'],
    samples: (view) =>
      labelled(view).flatMap(([{ models }, labels]) =>
        models.map(
          ({ name, unbatched }): Sample => [
            { ...labels, model: printable(name) },
            unbatched?.reason === 'ROWS_MIXED' ? 1 : 0,
          ],
        ),
      ),
  },
  ofEach('counter', 'infer_worker_jobs_total', 'Jobs the worker completed', (worker) => worker.jobsDone),
  ofEach('counter', 'infer_worker_failed_jobs_total', 'Jobs that failed at the worker', (w) => w.jobsFailed),
  ofEach(
    'counter',
    'infer_worker_rows_total',
    'Rows of jobs the worker completed',
    (worker) => worker.rowsDone,
  ),
  ofEach('counter', 'infer_worker_batches_total', 'Runs of a model', (worker) => worker.batches),
  ofEach('gauge', 'infer_worker_active_jobs', 'Jobs that the worker holds', (worker) => worker.active.length),
  ofEach(
    'gauge',
    'infer_worker_resident_memory_bytes',
    'Resident memory of the worker and its runners',
    (worker) => worker.rssBytes,
  ),
  ofEach(
    'gauge',
    'infer_worker_event_loop_lag_seconds',
    "Longest delay of the worker's event loop since its last heartbeat",
    (worker) => worker.loopLagMs / 1000,
  ),
  ofEach(
    'gauge',
    'infer_worker_device_busy_ratio',
    'Share of the last minute in which the devices ran, of the time in which work waited for them, 0 to 1',
    (worker) => worker.deviceBusy?.share,
  ),
  {
    name: 'infer_worker_device_wait_ratio',
    help: 'Share of that time in which the devices waited, by what for',
    type: 'gauge',
    labels: ['worker', 'reason'],
    samples: (view) =>
      labelled(view).flatMap(([{ deviceBusy }, labels]) =>
        deviceBusy === undefined
          ? []
          : DEVICE_WAITS.map((reason): Sample => [{ ...labels, reason }, deviceBusy.why[reason] ?? 0]),
      ),
  },
  ofEach(
    'gauge',
    'infer_worker_heartbeat_age_seconds',
    'Time since the last heartbeat',
    (worker, now) => Math.max(0, now - worker.beatAt) / 1000,
  ),
  ofEach(
    'gauge',
    'infer_worker_start_time_seconds',
    'When the worker started, in seconds since the epoch',
    (worker) => worker.startedAt / 1000,
  ),
  {
    name: 'infer_gpu_memory_used_bytes',
    help: 'Memory of the GPU that is in use, by any process',
    type: 'gauge',
    labels: GPU,
    samples: (view) => eachGpu(view, (gpu) => gpu.usedBytes),
  },
  {
    name: 'infer_gpu_memory_total_bytes',
    help: 'Memory of the GPU',
    type: 'gauge',
    labels: GPU,
    samples: (view) => eachGpu(view, (gpu) => gpu.totalBytes),
  },
  {
    name: 'infer_gpu_utilization_ratio',
    help: 'Share of time in which the GPU was busy, 0 to 1',
    type: 'gauge',
    labels: GPU,
    samples: (view) => eachGpu(view, (gpu) => gpu.utilisation ?? Number.NaN),
  },
];
