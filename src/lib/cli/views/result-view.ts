import type { JobResult } from '../../client/types.js';
import { count, plural } from '../../core/counts.js';
import type { FailureRecord } from '../../core/errors.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import type { JobPlace } from '../../deployment/place/job-place.js';
import { serverTime } from '../../redis/server-clock.js';
import { jsonText } from '../output/json.js';
import { hintLines, sentence, widthIn } from '../output/sentence.js';
import { type Column, renderTable } from '../output/table.js';
import { facts, type Layout } from '../output/text.js';
import { isShortened, shortened } from './long-lists.js';
import { placeFacts } from './place-view.js';

/** The fields of a result that the view needs. */
export type JobResultJson = Omit<JobResult, 'queue' | 'model'> & Partial<JobPlace>;

interface ClassRow {
  class: number;
  confidence?: number;
  label?: string;
  /** The best classes, this one first, where they were asked for. */
  top_class?: number[];
  top_confidence?: number[];
  top_label?: string[];
}

/** A row without a result, in a job that has some. */
interface ErrorRow {
  error: FailureRecord;
}

const CLASS_COLUMNS: Column[] = [
  { title: 'ROW', align: 'right' },
  { title: 'CLASS', align: 'right' },
  { title: 'LABEL' },
  { title: 'CONFIDENCE', align: 'right' },
];
const ROWS_SHOWN = 20;

/** One job for display. In a pipe: the bare result as JSON, so that `infer result ID | jq` works. */
export function resultView(job: JobResultJson, layout: Layout, now = serverTime()): string[] {
  const partly = job.state === 'failed' && job.rowsDone !== undefined;
  if (!layout.tty && (job.state === 'completed' || partly)) return [jsonText(job.result ?? null)];
  if (job.state === 'delayed') return delayedView(job, layout, now);
  if (job.error !== undefined) return failureView(job, job.error, layout);
  if (job.state !== 'completed') return [stateLine(job, layout), ...placeLines(job, layout)];
  return [...payloadView(job, layout), '', ...timingView(job, layout)];
}

function stateLine(job: JobResultJson, { paint }: Layout): string {
  const format = job.state === 'completed' ? 'green' : job.state === 'failed' ? 'red' : 'yellow';
  return `${printable(job.id)} ${paint(format, job.state)}`;
}

/** Where it stands; in a pipe its state alone is what counts, and --json has the rest. */
function placeLines(job: JobResultJson, layout: Layout): string[] {
  const rows = layout.tty ? placeFacts(job) : [];
  return rows.length === 0 ? [] : ['', ...facts(rows, layout.paint)];
}

/** Waiting for its next attempt: when that is, and why the last one failed. */
function delayedView(job: JobResultJson, layout: Layout, now: number): string[] {
  const { paint } = layout;
  const wait =
    job.nextRunAt === undefined ? '' : ` for ${formatDuration(Math.max(0, job.nextRunAt - now))} more`;
  const tries = job.attempts > 0 ? `, ${plural(job.attempts, 'attempt')} so far` : '';
  const last =
    job.error === undefined
      ? []
      : [
          `${paint('red', printable(job.error.code))} ${printable(job.error.message)} ${paint('dim', '(last attempt)')}`,
        ];
  return [`${stateLine(job, layout)}${wait}${tries}`, ...last, ...placeLines(job, layout)];
}

function payloadView({ result, task }: JobResultJson, layout: Layout): string[] {
  // Determined by the task: a model or a handler may call a value of its own `class`.
  if (task === 'classification') {
    if (isClassRow(result)) return [classLine(result, layout), ...nextClasses(result, layout)];
    if (
      Array.isArray(result) &&
      result.some(isClassRow) &&
      result.every((row) => isClassRow(row) || isErrorRow(row))
    )
      return classTable(result, layout);
  }
  if (result === undefined) return [layout.paint('dim', 'no result was kept')];
  return isShortened(result)
    ? shortened(result, widthIn(layout))
    : jsonText(result).split('\n').map(printable);
}

function classLine(row: ClassRow, { paint }: Layout): string {
  const label =
    row.label === undefined || row.label === String(row.class) ? '' : ` (${printable(row.label)})`;
  const sure =
    row.confidence === undefined ? '' : `  ${paint('dim', 'confidence')} ${percent(row.confidence)}`;
  return `${paint('dim', 'class')} ${paint(['bold', 'green'], String(row.class))}${label}${sure}`;
}

/** The classes after the best one. */
function nextClasses(row: ClassRow, layout: Layout): string[] {
  const { top_class: classes = [], top_confidence: confidences, top_label: labels } = row;
  return classes.slice(1).map((found, at) => {
    const [confidence, label] = [confidences?.[at + 1], labels?.[at + 1]];
    const more = { ...(confidence === undefined ? {} : { confidence }), ...(label && { label }) };
    return classLine({ class: found, ...more }, layout);
  });
}

function classTable(rows: readonly (ClassRow | ErrorRow)[], layout: Layout): string[] {
  const lines = renderTable(
    CLASS_COLUMNS,
    rows
      .slice(0, ROWS_SHOWN)
      .map((row, at) =>
        isErrorRow(row)
          ? [String(at), '-', printable(row.error.code), '-']
          : [
              String(at),
              String(row.class),
              row.label ?? '-',
              row.confidence === undefined ? '-' : percent(row.confidence),
            ],
      ),
    layout,
  );
  const more = rows.length - ROWS_SHOWN;
  return more > 0
    ? [...lines, layout.paint('dim', `and ${plural(more, 'more row', 'more rows')}: see --json`)]
    : lines;
}

function failureView(job: JobResultJson, error: FailureRecord, layout: Layout): string[] {
  const { paint } = layout;
  const attempts = job.attempts > 1 ? ` after ${count(job.attempts)} attempts` : '';
  return [
    `${stateLine(job, layout)}${attempts}`,
    ...sentence(`${paint('red', printable(error.code))} `, error.message, widthIn(layout)),
    ...(error.hint === undefined ? [] : hintLines(error.hint, layout)),
    ...(job.rowsDone === undefined ? [] : ['', ...payloadView(job, layout)]),
    ...(job.timing === null ? [] : ['', ...timingView(job, layout)]),
  ];
}

/** Where the time went, and which worker ran it. */
function timingView(job: JobResultJson, { paint }: Layout): string[] {
  const rows: [string, string][] = [];
  if (job.timing !== null) {
    const { queueMs, runMs, totalMs } = job.timing;
    rows.push(['queue', formatDuration(queueMs)]);
    if (runMs !== null) rows.push(['run', formatDuration(runMs)]);
    rows.push(['total', formatDuration(totalMs)]);
  }
  if (job.worker !== null) rows.push(['worker', printable(job.worker)]);
  if (job.device !== null) rows.push(['device', printable(job.device)]);
  if (job.attempts > 1) rows.push(['attempts', String(job.attempts)]);
  return facts(rows, paint);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

function isClassRow(value: unknown): value is ClassRow {
  return typeof value === 'object' && value !== null && 'class' in value && typeof value.class === 'number';
}

function isErrorRow(value: unknown): value is ErrorRow {
  const { error } = (value ?? {}) as { error?: Partial<FailureRecord> };
  return typeof error === 'object' && error !== null && typeof error.code === 'string';
}
