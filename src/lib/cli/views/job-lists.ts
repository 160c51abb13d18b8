import type { FailureRecord } from '../../core/errors.js';
import type { JobState } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import { jobJson } from '../../deployment/job-json.js';
import { modelJson } from '../../queue/job-record.js';
import type { DataLayout } from '../../queue/layout.js';
import type { ActiveJob } from '../../queue/read/job-active.js';
import { ageOf } from '../../queue/read/job-filter.js';
import type { JobRecord } from '../../queue/types.js';
import type { ListColumn, ListView } from '../output/list-format.js';
import type { Cell } from '../output/table.js';
import type { Format } from '../output/text.js';

const STATE_FORMATS: Record<JobState, Format> = {
  waiting: 'yellow',
  delayed: 'yellow',
  active: 'cyan',
  completed: 'green',
  failed: 'red',
  expired: 'red',
  cancelled: 'dim',
};

export function stateFormat(state: JobState): Format {
  return STATE_FORMATS[state];
}

type Columns = readonly ListColumn<JobRecord>[];

const ID: Columns = [{ title: 'ID', cell: ({ id }) => id }];
const STATE: Columns = [
  { title: 'STATE', cell: ({ state }) => ({ text: state, format: stateFormat(state) }) },
];
const WHERE: Columns = [
  { title: 'QUEUE', cell: ({ queue }) => queue },
  { title: 'MODEL', cell: ({ model }) => model ?? '-' },
  { title: 'ROWS', align: 'right', cell: ({ rows }) => String(rows) },
];
const PRIORITY: ListColumn<JobRecord> = {
  title: 'PRIO',
  align: 'right',
  cell: ({ priority }) => String(priority),
};
const WORKER: ListColumn<JobRecord> = { title: 'WORKER', cell: ({ worker }) => worker ?? '-' };
const ATTEMPT: ListColumn<JobRecord> = {
  title: 'TRY',
  align: 'right',
  cell: ({ attempts }) => (attempts === 0 ? '-' : String(attempts)),
};

/** The release that a job of a newer layout needs. The last column, so that the others keep their place. */
const NEEDS: Columns = [
  {
    title: 'NEEDS',
    optional: true,
    cell: ({ newer }) => (newer === undefined ? '-' : { text: `infer ${newer.since}`, format: 'yellow' }),
  },
];

function age(now: number): ListColumn<JobRecord> {
  return { title: 'AGE', align: 'right', cell: (job) => formatDuration(ageOf(job, now)) };
}

function time(title: string, at: (job: JobRecord) => number | undefined): ListColumn<JobRecord> {
  return { title, wide: true, cell: (job) => isoTime(at(job)) };
}

export function isoTime(at: number | undefined): string {
  return at === undefined || !Number.isFinite(at) ? '-' : new Date(at).toISOString();
}

function error(job: JobRecord): FailureRecord | undefined {
  return job.state === 'completed' ? undefined : job.failure;
}

/** Jobs of any state; `empty` is the message when there are none. */
export function jobsList(now: number, empty = 'no such job'): ListView<JobRecord> {
  return {
    columns: [
      ...ID,
      ...STATE,
      ...WHERE,
      PRIORITY,
      age(now),
      { title: 'ERROR', optional: true, cell: (job) => error(job)?.code ?? '-' },
      { ...ATTEMPT, wide: true },
      { ...WORKER, wide: true },
      {
        title: 'RUN',
        wide: true,
        align: 'right',
        cell: ({ meta }) => (meta === undefined || meta.runMs === null ? '-' : formatDuration(meta.runMs)),
      },
      time('SUBMITTED', ({ submittedAt }) => submittedAt),
      time('ENDED', ({ finishedAt }) => finishedAt),
      { title: 'MESSAGE', wide: true, cell: (job) => error(job)?.message ?? '-' },
      ...NEEDS,
    ],
    name: ({ id }) => id,
    json: (job) => jobJson(job, now),
    empty,
  };
}

/** Failed jobs, with the reason before the other columns. */
export function failedList(now: number): ListView<JobRecord> {
  return {
    columns: [
      ...ID,
      { title: 'ERROR', cell: ({ failure }) => failure?.code ?? '-' },
      ...WHERE,
      ATTEMPT,
      age(now),
      { ...PRIORITY, wide: true },
      { ...WORKER, wide: true },
      time('SUBMITTED', ({ submittedAt }) => submittedAt),
      time('ENDED', ({ finishedAt }) => finishedAt),
      { title: 'MESSAGE', wide: true, cell: ({ failure }) => failure?.message ?? '-' },
      ...NEEDS,
    ],
    name: ({ id }) => id,
    json: (job) => jobJson(job, now),
    empty: 'no failed job',
  };
}

export interface ActiveJson {
  id: string;
  queue: string;
  model: string;
  rows: number;
  priority: number;
  worker: string | null;
  device: string | null;
  attempt: number;
  startedAt: number;
  ageMs: number;
  /** Milliseconds until its lock expires unless renewed; null = it expired, its worker is lost. */
  lockMs: number | null;
  /** Its layout, if this release cannot read it; null for all others. */
  newer: DataLayout | null;
}

function activeJson(job: ActiveJob, now: number): ActiveJson {
  const { id, queue, rows, priority, device, lockMs } = job;
  return {
    id,
    queue,
    model: modelJson(job),
    rows,
    priority,
    worker: job.worker ?? null,
    device,
    attempt: job.attempts,
    startedAt: job.startedAt ?? job.submittedAt,
    ageMs: ageOf(job, now),
    lockMs,
    newer: job.newer ?? null,
  };
}

/** Running jobs. */
export function activeList(now: number): ListView<ActiveJob> {
  return {
    columns: [
      ...ID,
      ...WHERE,
      WORKER,
      { title: 'DEVICE', cell: ({ device }) => device ?? '-' },
      ATTEMPT,
      age(now),
      { title: 'LOCK', align: 'right', cell: lockCell },
      { ...PRIORITY, wide: true },
      time('SUBMITTED', ({ submittedAt }) => submittedAt),
      time('STARTED', ({ startedAt }) => startedAt),
      ...NEEDS,
    ],
    name: ({ id }) => id,
    json: (job) => activeJson(job, now),
    empty: 'nothing runs',
  };
}

function lockCell({ lockMs }: ActiveJob): Cell {
  return lockMs === null ? { text: 'lost', format: 'red' } : formatDuration(lockMs);
}
