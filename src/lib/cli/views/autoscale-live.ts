import { count } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import type { AutoscaledWorker, AutoscalerRecord } from '../../queue/autoscalers.js';
import type { Tick } from '../../scale/autoscaler.js';
import { wrapWords } from '../output/sentence.js';
import { type Cell, type Column, renderTable } from '../output/table.js';
import { heading, type Layout, type Paint } from '../output/text.js';
import { cutToWidth, fitted } from './watch-view.js';

/** A decision worth a line: something was done, failed, or changed. */
export interface Line {
  at: number;
  text: string;
  kind: 'start' | 'drain' | 'hold' | 'failure' | 'note';
}

/** The changes of a tick as lines, for a pipe and for the list below the live table. */
export function tickLines(tick: Tick, before: Tick | undefined, dryRun: boolean): Line[] {
  const { at, decision } = tick;
  const lines: Line[] = tick.failures.map(({ slot, name, reason, lines: log }) => ({
    at,
    kind: 'failure',
    text: [`${name} on ${slot} failed: ${reason}`, ...log.slice(-2)].join(' | '),
  }));
  for (const trouble of tick.troubles) {
    const known = before?.troubles.some((one) => one.slot === trouble.slot && one.state === trouble.state);
    if (known !== true)
      lines.push({ at, kind: 'failure', text: `${trouble.slot} ${trouble.state}: ${trouble.reason}` });
  }
  const kinds = new Set(decision.actions.map((action) => action.kind));
  const would = dryRun ? 'would: ' : '';
  // A dry run would repeat its decision at every look: printing it once is enough.
  const same = dryRun && before?.decision.reason === decision.reason;
  if (kinds.size > 0 && !same) {
    const done = [...tick.started, ...tick.drained.map((name) => `drains ${name}`)].join(', ');
    const text = `${would}${decision.reason}${done === '' || dryRun ? '' : ` · ${done}`}`;
    lines.push({ at, kind: kinds.has('start') ? 'start' : 'drain', text });
  } else if (decision.hold !== (before?.decision.hold ?? null)) {
    const why = tick.error === undefined ? '' : ` (${tick.error})`;
    const text = decision.hold === null ? `resumed: ${decision.reason}` : `${decision.reason}${why}`;
    lines.push({ at, kind: decision.hold === null ? 'note' : 'hold', text });
  } else if (hasNewOutside(tick, before))
    lines.push({ at, kind: 'hold', text: `${would}${decision.reason}` });
  else if (before === undefined) lines.push({ at, kind: 'note', text: `${would}${decision.reason}` });
  return lines;
}

/** Whether jobs that no worker of the pool can run have a queue and model not seen at the last reading. */
function hasNewOutside({ queue }: Tick, before: Tick | undefined): boolean {
  const known = new Set((before?.queue?.outside ?? []).map((jobs) => `${jobs.queue} ${jobs.route}`));
  return (queue?.outside ?? []).some((jobs) => !known.has(`${jobs.queue} ${jobs.route}`));
}

const FORMATS = { start: 'green', drain: 'cyan', hold: 'yellow', failure: 'red', note: 'dim' } as const;

export function lineText({ at, text, kind }: Line, paint: Paint): string {
  return `${paint('dim', clock(at))} ${paint(FORMATS[kind], printable(text))}`;
}

function clock(at: number): string {
  return new Date(at).toTimeString().slice(0, 8);
}

const COLUMNS: Column[] = [
  { title: 'SLOT' },
  { title: 'WORKER' },
  { title: 'PID', align: 'right' },
  { title: 'STATE' },
  { title: 'SINCE', align: 'right' },
];
/** Enough of a UUID to tell GPUs apart, and accepted by CUDA and `--gpus`. */
const UUID_SHOWN = 12;

function slotText(slot: string, { tty }: Layout): string {
  const [uuid = slot, place] = slot.split('#');
  return tty && uuid.length > UUID_SHOWN
    ? `${uuid.slice(0, UUID_SHOWN)}${place === undefined ? '' : `#${place}`}`
    : slot;
}

const STATES = { starting: 'yellow', ready: 'green', busy: 'green', draining: 'cyan' } as const;

/** Content of the live view: the last decision, its record, and the lines of earlier ones. */
export interface LiveView {
  tick: Tick;
  record: AutoscalerRecord;
  lines: readonly Line[];
}

/** The live table: the state of the queues, the slots and their workers, and the decisions. */
export function autoscalerView({ tick, record, lines }: LiveView, layout: Layout): string[] {
  const { paint, width } = layout;
  const log = lines.length === 0 ? [] : ['', ...lines.map((line) => lineText(line, paint))];
  return [...headLines(tick, record, paint, width), '', ...tableLines(tick, record, layout), ...log];
}

/** The same as exactly this many lines, none wider than the screen; old decisions are dropped first. */
export function autoscalerFrame(
  view: LiveView,
  size: { columns: number; rows: number; keys: boolean },
  paint: Paint,
): string[] {
  const { columns, rows, keys } = size;
  const { tick, record } = view;
  const layout = { tty: true, width: columns, paint };
  const foot = keys ? [paint('dim', 'q quit; workers keep running unless --on-exit drain')] : [];
  const head = [...headLines(tick, record, paint, columns), ''];
  const room = rows - head.length - foot.length;
  const table = fitted(tableLines(tick, record, layout), room, paint);
  const left = room - table.length - 1;
  const log = left < 1 ? [] : ['', ...view.lines.slice(-left).map((line) => lineText(line, paint))];
  const lines = [...head, ...table, ...log];
  const fill = Math.max(0, rows - foot.length - lines.length);
  return [...lines, ...Array<string>(fill).fill(''), ...foot]
    .slice(0, rows)
    .map((line) => cutToWidth(line, columns));
}

function headLines({ at, queue }: Tick, record: AutoscalerRecord, paint: Paint, width: number): string[] {
  const bounds = `${record.min}..${record.max} workers, target wait ${formatDuration(record.targetWaitMs)}`;
  const about = `${record.policy}, ${bounds}${record.dryRun ? ', dry run' : ''}, ${clock(at)}`;
  const oldest = queue?.oldestMs == null ? '' : `, the oldest for ${formatDuration(queue.oldestMs)}`;
  const figures =
    queue === null ? [] : [`${count(queue.waiting)} waiting${oldest}; ${count(queue.active)} active`];
  const reason = wrapWords(printable(record.reason), width).slice(0, 3);
  return [
    `${heading(`Autoscaler of ${record.pool}`, paint)} ${paint('dim', about)}`,
    ...figures,
    ...(record.hold === null ? reason : reason.map((line) => paint('yellow', line))),
  ];
}

function tableLines({ at }: Tick, record: AutoscalerRecord, layout: Layout): string[] {
  const rows = [
    ...record.workers.map((worker) => workerRow(worker, layout, at)),
    ...record.troubles.map((trouble) => troubleRow(trouble, layout)),
  ];
  return rows.length === 0 ? [layout.paint('dim', 'no worker yet')] : renderTable(COLUMNS, rows, layout);
}

function workerRow(
  { name, pid, slot, state, since, adopted }: AutoscaledWorker,
  layout: Layout,
  now: number,
): Cell[] {
  return [
    slotText(slot, layout),
    adopted ? `${name} (adopted)` : name,
    pid === null ? '-' : String(pid),
    { text: state, format: STATES[state] },
    now - since < 1000 ? 'now' : formatDuration(Math.floor((now - since) / 1000) * 1000),
  ];
}

function troubleRow({ slot, state, reason }: AutoscalerRecord['troubles'][number], layout: Layout): Cell[] {
  return [slotText(slot, layout), '-', '-', { text: `${state}: ${reason}`, format: 'red' }, '-'];
}

/** One line of `--json`: everything in a decision except texts meant only for people. */
export function tickJson(tick: Tick, record: AutoscalerRecord): Record<string, unknown> {
  const { decision, queue, failures, started, drained, others, error } = tick;
  return {
    at: new Date(tick.at).toISOString(),
    pool: record.pool,
    workers: record.workers,
    desired: decision.desired,
    actions: decision.actions,
    started,
    drained,
    hold: decision.hold,
    reason: decision.reason,
    queue,
    otherWorkers: others,
    failures,
    troubles: record.troubles,
    dryRun: record.dryRun,
    error: error ?? null,
  };
}
