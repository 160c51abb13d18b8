import { percent } from '../../core/counts.js';
import { formatBytes, formatDuration } from '../../core/units.js';
import { isGpuFull, isLate, isSilent } from '../../deployment/judgements.js';
import type { WorkerRow } from '../../deployment/rows.js';
import { batchingNote } from '../../model/batching.js';
import { shownWaits } from '../../queue/device-busy.js';
import type { ListView } from '../output/list-format.js';
import type { Cell } from '../output/table.js';
import { batchCell, closedCell, latencyCell, rateCell } from './figure-cells.js';

/** `infer inspect workers`; rates, latency and micro-batches cover the last minute. */
export const workerList: ListView<WorkerRow> = {
  columns: [
    { title: 'WORKER', cell: ({ name }) => name },
    { title: 'STATE', cell: (worker) => stateCell(worker, worker.beatAt + worker.beatAgeMs) },
    {
      title: 'UP',
      align: 'right',
      cell: ({ startedAt, beatAt, beatAgeMs }) => formatDuration(beatAt + beatAgeMs - startedAt),
    },
    { title: 'HOST', wide: true, cell: ({ host }) => host },
    { title: 'PID', wide: true, align: 'right', cell: ({ pid }) => String(pid) },
    { title: 'VERSION', wide: true, cell: ({ version }) => version },
    { title: 'GPU', wide: true, cell: ({ gpu }) => gpu ?? '-' },
    { title: 'DEVICE', cell: ({ device }) => device },
    { title: 'QUEUES', cell: ({ queues }) => ({ values: queues }) },
    { title: 'MODELS', cell: models },
    { title: 'RUNNERS', wide: true, align: 'right', cell: runners },
    { title: 'ACTIVE', align: 'right', cell: ({ active }) => active.length },
    { title: 'JOBS', align: 'right', cell: ({ lastMinute }) => rateCell(lastMinute.jobsPerSecond) },
    { title: 'ROWS', align: 'right', cell: ({ lastMinute }) => rateCell(lastMinute.rowsPerSecond) },
    { title: 'DONE', wide: true, align: 'right', cell: ({ jobsDone }) => jobsDone },
    {
      title: 'FAILED',
      wide: true,
      align: 'right',
      cell: ({ jobsFailed }) => ({ text: jobsFailed, format: 'red' }),
    },
    { title: 'WAIT', wide: true, cell: ({ lastMinute }) => latencyCell(lastMinute.waitMs) },
    { title: 'RUN', wide: true, cell: ({ lastMinute }) => latencyCell(lastMinute.runMs) },
    { title: 'TOTAL', cell: ({ lastMinute }) => latencyCell(lastMinute.totalMs) },
    { title: 'BATCH ROWS', cell: ({ lastMinute }) => batchCell(lastMinute) },
    { title: 'CLOSED', cell: ({ lastMinute }) => closedCell(lastMinute) },
    { title: 'MEMORY', align: 'right', cell: ({ rssBytes }) => formatBytes(rssBytes) },
    { title: 'LAG', align: 'right', cell: lag },
    { title: 'BEAT', wide: true, align: 'right', cell: ({ beatAgeMs }) => formatDuration(beatAgeMs) },
    // Last, since scripts count the columns that existed before.
    { title: 'GPU MEMORY', optional: true, align: 'right', cell: gpuMemory },
    { title: 'GPU USE', optional: true, align: 'right', cell: gpuUse },
    { title: 'DEVICE BUSY', optional: true, cell: deviceBusy },
    { title: 'ONE ROW A RUN', wide: true, optional: true, cell: oneByOne },
  ],
  name: ({ name }) => name,
  empty: 'no worker is running: infer worker starts one',
};

/**
 * `digits@1×256`: name, version and how many rows currently run together; `(rows mix)` where that is why it
 * is one.
 */
function models({ models: loaded }: WorkerRow): Cell {
  if (loaded.length === 0) return '-';
  return {
    values: loaded.map(({ name, version, batch, unbatched }) => {
      const note = unbatched === undefined ? undefined : batchingNote(unbatched.reason);
      return `${name}@${version}×${batch}${note === undefined ? '' : ` (${note})`}`;
    }),
  };
}

/** Why rows of its models run one at a time. */
function oneByOne({ models: loaded }: WorkerRow): Cell {
  const why = loaded.flatMap(({ name, unbatched }) =>
    unbatched === undefined ? [] : [`${name}: ${unbatched.text}`],
  );
  return why.length === 0 ? '-' : { values: why };
}

/** Used by all programs on the GPU. */
function gpuMemory({ gpuMemory: memory }: WorkerRow): Cell {
  if (memory === null) return '-';
  const text = `${formatBytes(memory.usedBytes)} of ${formatBytes(memory.totalBytes)}`;
  return isGpuFull(memory) ? { text, format: 'yellow' } : text;
}

function gpuUse({ gpuMemory: memory }: WorkerRow): Cell {
  return memory === null || memory.utilisation === null ? '-' : percent(memory.utilisation);
}

/** `96 %`, and on further lines what the devices waited for while work waited. */
function deviceBusy({ deviceBusy: busy }: WorkerRow): Cell {
  if (busy === undefined) return '-';
  return {
    values: [percent(busy.share), ...shownWaits(busy).map(({ what, share }) => `${what} ${percent(share)}`)],
  };
}

/** `3 of 2..8`: the current number, and the bounds if it is adjusted automatically. */
function runners({ concurrency, autoscale }: WorkerRow): Cell {
  return autoscale === undefined ? concurrency : `${concurrency} of ${autoscale.min}..${autoscale.max}`;
}

function lag({ loopLagMs }: WorkerRow): Cell {
  const text = formatDuration(loopLagMs);
  return isLate({ loopLagMs }) ? { text, format: 'red' } : text;
}

/** A worker without heartbeats is listed until its record expires: it may be hung, or have exited. */
export function stateCell(worker: Pick<WorkerRow, 'state' | 'beatAt'>, at: number): Cell {
  return aliveCell(worker.state, isSilent(worker, at));
}

/** The same for a worker whose silence was determined when it was read. */
export function aliveCell(state: WorkerRow['state'], silent: boolean): Cell {
  if (silent) return { text: 'silent', format: 'red' };
  return { text: state, format: state === 'ready' ? 'green' : 'yellow' };
}
