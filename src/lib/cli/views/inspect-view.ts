import { printable } from '../../core/job.js';
import { formatBytes, formatDuration } from '../../core/units.js';
import type { WorkerRecord } from '../../queue/broker.js';
import type { QueueSnapshot } from '../../queue/inspector.js';
import { type Cell, type Column, renderFolded } from '../output/table.js';
import { heading, type Layout, perSecond } from '../output/text.js';
import { titledParts } from '../output/wrap.js';
import { autoscalerTable } from './autoscaler-table.js';
import type { Overview, RedisOverview } from './overview.js';
import { findProblems } from './problems.js';
import { drained } from './queue-list.js';
import { stateCell } from './worker-list.js';

const QUEUE_COLUMNS: Column[] = [
  { title: 'QUEUE' },
  { title: 'WAITING', align: 'right' },
  { title: 'ACTIVE', align: 'right' },
  { title: 'DELAYED', align: 'right' },
  { title: 'FAILED', align: 'right' },
  { title: 'COMPLETED', align: 'right' },
  { title: 'OLDEST', align: 'right' },
  { title: 'RATE', align: 'right' },
  { title: 'ETA', align: 'right' },
  { title: 'BY PRIORITY' },
];

const WORKER_COLUMNS: Column[] = [
  { title: 'WORKER' },
  { title: 'HOST' },
  { title: 'PID', align: 'right' },
  { title: 'GPU' },
  { title: 'DEVICE' },
  { title: 'QUEUES' },
  { title: 'MODELS' },
  { title: 'STATE' },
  { title: 'ACTIVE', align: 'right' },
  { title: 'DONE', align: 'right' },
  { title: 'BEAT', align: 'right' },
];

const STALE_BEAT_MS = 10_000;

/** Redis, what is wrong, queues and workers: `infer inspect` in a terminal or a pipe. */
export function inspectView(overview: Overview, layout: Layout, now: number): string[] {
  const { paint } = layout;
  const problems = findProblems(overview);
  return [
    ...redisLines(overview.redis, layout),
    '',
    heading('Queues', paint),
    ...(overview.queues.length === 0
      ? [paint('dim', 'none yet: infer submit makes one')]
      : queueTable(overview.queues, layout)),
    '',
    heading('Workers', paint),
    ...(overview.workers.length === 0 ? [paint('dim', 'none')] : workerTable(overview.workers, layout, now)),
    ...(overview.autoscalers.length === 0
      ? []
      : ['', heading('Autoscalers', paint), ...autoscalerTable(overview.autoscalers, layout, now)]),
    ...(problems.length === 0
      ? []
      : [
          '',
          heading('What is wrong right now', paint),
          ...problems.flatMap(({ message, fix }) => [
            `${paint('yellow', '!')} ${printable(message)}`,
            `  ${paint('dim', 'Try:')} ${paint('cyan', printable(fix))}`,
          ]),
        ]),
  ];
}

function redisLines(redis: RedisOverview, layout: Layout): string[] {
  const limit = redis.maxMemoryBytes > 0 ? `of ${formatBytes(redis.maxMemoryBytes)}` : 'and no limit';
  const parts = [
    redis.source === 'embedded' ? `${printable(redis.label)} (infer's own)` : printable(redis.label),
    printable(redis.version),
    `${formatBytes(redis.usedMemoryBytes)} ${limit}`,
    printable(redis.policy),
  ].filter((part) => part !== '');
  return titledParts('Redis', parts, layout);
}

export function queueTable(queues: readonly QueueSnapshot[], layout: Layout): string[] {
  const rows = queues.map((queue): Cell[] => [
    queue.paused ? { text: `${queue.name} (paused)`, format: 'yellow' } : queue.name,
    queue.waiting,
    queue.active,
    queue.delayed,
    { text: queue.failed, format: 'red' },
    queue.completed,
    queue.oldestMs === undefined ? '-' : formatDuration(queue.oldestMs),
    perSecond(queue.ratePerSecond),
    drained(queue),
    priorities(queue.byPriority),
  ]);
  return renderFolded(...withoutEmpty(QUEUE_COLUMNS, rows, ['RATE', 'ETA', 'BY PRIORITY'], layout), layout);
}

/** Columns below which the rows of a batch would push the table out of its frame. */
const WIDE = 120;

/** `digits@1×256`: name, version and, where there is room, how many rows run together now. */
function modelText(model: WorkerRecord['models'][number], { width }: Layout): string {
  const batch = width >= WIDE ? `×${model.batch}` : '';
  return `${model.name}@${model.version}${batch}`;
}

export function workerTable(workers: readonly WorkerRecord[], layout: Layout, now: number): string[] {
  const rows = workers.map((worker): Cell[] => {
    const age = Math.max(0, now - worker.beatAt);
    return [
      worker.name,
      worker.host,
      String(worker.pid),
      worker.gpu ?? '-',
      worker.device,
      worker.queues.join(','),
      worker.models.map((model) => modelText(model, layout)).join(',') || '-',
      stateCell(worker, age),
      worker.active.length,
      worker.jobsDone,
      age > STALE_BEAT_MS ? { text: formatDuration(age), format: 'red' } : formatDuration(age),
    ];
  });
  return renderFolded(...withoutEmpty(WORKER_COLUMNS, rows, ['GPU'], layout), layout);
}

/** `9:2 0:50000`, most urgent first; only priorities that have jobs. */
function priorities(byPriority: readonly number[]): string {
  return (
    byPriority
      .map((jobs, priority) => ({ jobs, priority }))
      .filter(({ jobs }) => jobs > 0)
      .reverse()
      .map(({ jobs, priority }) => `${priority}:${jobs}`)
      .join(' ') || '-'
  );
}

/**
 * On a terminal, drops the named columns that say nothing in any row, to fit 80 columns. In a pipe
 * columns are always all there: scripts count them.
 */
function withoutEmpty(
  columns: Column[],
  rows: Cell[][],
  droppable: string[],
  layout: Layout,
): [Column[], Cell[][]] {
  if (!layout.tty) return [columns, rows];
  const kept = columns.map(
    (column, at) => !droppable.includes(column.title) || rows.some((row) => row[at] !== '-'),
  );
  return [columns.filter((_, at) => kept[at]), rows.map((row) => row.filter((_, at) => kept[at]))];
}
