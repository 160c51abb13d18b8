import { printable } from '../../core/job.js';
import { formatBytes, formatDuration } from '../../core/units.js';
import { isSilent } from '../../deployment/judgements.js';
import type { Overview, RedisOverview } from '../../deployment/overview.js';
import type { Problem } from '../../deployment/problem.js';
import { findProblems } from '../../deployment/problems.js';
import type { QueueSnapshot } from '../../queue/read/inspector.js';
import type { WorkerRecord } from '../../queue/types.js';
import { hintLines, sentence, widthIn } from '../output/sentence.js';
import { type Cell, type Column, renderFolded } from '../output/table.js';
import { heading, type Layout, perSecond } from '../output/text.js';
import { titledParts } from '../output/wrap.js';
import { autoscalerTable } from './autoscaler-table.js';
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

/** Redis, queues, workers and, at the end, next to the prompt, any problems: `infer inspect`. */
export function inspectView(overview: Overview, layout: Layout, now: number): string[] {
  const problems = problemLines(findProblems(overview), layout);
  return [
    ...redisLines(overview.redis, layout),
    '',
    ...tables(overview, layout, now),
    ...(problems.length === 0 ? [] : ['', ...problems]),
  ];
}

/** Number of problems shown above the tables of a live view. */
const MOST_LIVE = 4;

/** The same for a screen with few lines, of which the last are cut: problems come first. */
export function liveInspectView(overview: Overview, layout: Layout): string[] {
  const found = findProblems(overview);
  const more = found.length - MOST_LIVE;
  const problems = problemLines(found.slice(0, MOST_LIVE), layout);
  return [
    ...redisLines(overview.redis, layout),
    '',
    ...problems,
    ...(more > 0 ? [layout.paint('dim', `… and ${more} more: infer inspect`)] : []),
    ...(problems.length === 0 ? [] : ['']),
    ...tables(overview, layout, overview.at, layout.width < NARROW),
  ];
}

/** @param brief puts the counts by priority in a line below; as a column they would need a second table */
function tables(
  { queues, workers, autoscalers }: Overview,
  layout: Layout,
  now: number,
  brief = false,
): string[] {
  const { paint } = layout;
  return [
    heading('Queues', paint),
    ...(queues.length === 0
      ? [paint('dim', 'none yet: infer submit makes one')]
      : queueTable(queues, layout, brief)),
    '',
    heading('Workers', paint),
    ...(workers.length === 0 ? [paint('dim', 'none')] : workerTable(workers, layout, now)),
    ...(autoscalers.length === 0
      ? []
      : ['', heading('Autoscalers', paint), ...autoscalerTable(autoscalers, layout, now)]),
  ];
}

function problemLines(problems: readonly Problem[], layout: Layout): string[] {
  const { paint } = layout;
  if (problems.length === 0) return [];
  return [
    heading('What is wrong right now', paint),
    ...problems.flatMap(({ message, fix }) => [
      ...sentence(`${paint('yellow', '!')} `, message, widthIn(layout)),
      ...hintLines(fix, layout, '  '),
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

export function queueTable(queues: readonly QueueSnapshot[], layout: Layout, brief = false): string[] {
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
    brief ? '-' : priorities(queue.byPriority),
  ]);
  const table = renderFolded(
    ...withoutEmpty(QUEUE_COLUMNS, rows, ['RATE', 'ETA', 'BY PRIORITY'], layout),
    layout,
  );
  const waiting = brief ? queues.filter(({ byPriority }) => priorities(byPriority) !== '-') : [];
  if (waiting.length === 0) return table;
  const parts = waiting.map(({ name, byPriority }) => `${printable(name)} ${priorities(byPriority)}`);
  return [...table, ...titledParts('By priority', parts, layout)];
}

/** With fewer columns, the rows per batch would not fit in the frame. */
const WIDE = 120;

/** `digits@1×256`: name, version and, if there is room, how many rows currently run together. */
function modelText(model: WorkerRecord['models'][number], { width }: Layout): string {
  const batch = width >= WIDE ? `×${model.batch}` : '';
  return `${model.name}@${model.version}${batch}`;
}

/** Below this, names are stacked, so that 80 columns can show a worker in a line. */
const NARROW = 100;

function several(values: readonly string[], { tty, width }: Layout): Cell {
  if (values.length === 0) return '-';
  return tty && width < NARROW ? { values } : values.join(',');
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
      several(worker.queues, layout),
      several(
        worker.models.map((model) => modelText(model, layout)),
        layout,
      ),
      stateCell(worker, now),
      worker.active.length,
      worker.jobsDone,
      isSilent(worker, now) ? { text: formatDuration(age), format: 'red' } : formatDuration(age),
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
 * On a terminal, drops the named columns that are empty in every row, to fit 80 columns. In a pipe all
 * columns are always present, because scripts count them.
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
