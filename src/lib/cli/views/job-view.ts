import { count, plural } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatBytes, formatDuration } from '../../core/units.js';
import type { TensorPreview } from '../../deployment/payload-preview.js';
import type { PlacedJob } from '../../deployment/read-job.js';
import { upgradeFix } from '../../queue/layout.js';
import type { Kept } from '../../queue/read/job-detail.js';
import type { TimelineEvent } from '../../queue/read/timeline.js';
import { routeOf } from '../../queue/routes.js';
import { hintLines, sentence, widthIn } from '../output/sentence.js';
import { facts, heading, type Layout, type Paint } from '../output/text.js';
import { isoTime, stateFormat } from './job-lists.js';
import { placeFacts } from './place-view.js';

/** One job for display: its properties, its state, and everything that happened to it. */
export function jobView(
  job: PlacedJob,
  payload: readonly TensorPreview[] | null | undefined,
  layout: Layout,
  now: number,
): string[] {
  const { paint } = layout;
  const error = job.state === 'completed' ? undefined : job.failure;
  const last = job.finishedAt === undefined ? ' (last attempt)' : '';
  return [
    `job ${paint('bold', printable(job.id))} ${paint(stateFormat(job.state), job.state)}`,
    ...(error === undefined
      ? []
      : [
          ...sentence(`${paint('red', printable(error.code))} `, `${error.message}${last}`, widthIn(layout)),
          ...(error.hint === undefined ? [] : hintLines(error.hint, layout)),
        ]),
    '',
    ...facts(aboutJob(job, now), paint),
    '',
    heading('Timeline', paint),
    ...timelineLines(job, paint),
    ...(payload === undefined ? [] : ['', heading('Input', paint), ...payloadLines(payload, paint)]),
  ];
}

function aboutJob(job: PlacedJob, now: number): [string, string][] {
  const rows: [string, string | undefined][] = [
    ['queue', printable(job.queue)],
    ['model', modelText(job)],
    [
      'layout',
      job.newer && `infer ${job.newer.since} or newer reads the rest of it; ${upgradeFix(job.newer)}`,
    ],
    ['rows', count(job.rows)],
    ['priority', String(job.priority)],
    ['group', job.group && `${printable(job.group.id)}, chunk ${count(job.group.index)}`],
    ...placeFacts(job),
    ['next try', job.runAt === undefined ? undefined : nextTryText(job.runAt - now)],
    ['worker', job.worker && printable(job.worker)],
    ['device', job.meta && printable(job.meta.device)],
    ['lock', lockText(job)],
    ['attempts', attemptsText(job)],
    ['deadline', deadlineText(job, now)],
    ['time limit', job.timeLimitMs === undefined ? undefined : formatDuration(job.timeLimitMs)],
    [
      'cancel',
      job.cancelAsked && job.finishedAt === undefined ? 'requested; its worker will stop it' : undefined,
    ],
    ['queued', job.meta && formatDuration(job.meta.queueMs)],
    ['ran', ranText(job)],
    ['total', job.meta && formatDuration(job.meta.totalMs)],
    ['input', inputText(job)],
    ['result', resultText(job)],
    [
      'record',
      job.recordExpiresInMs === null ? undefined : `kept ${formatDuration(job.recordExpiresInMs)} more`,
    ],
  ];
  return rows.filter((row): row is [string, string] => row[1] !== undefined);
}

function modelText({ model, version }: PlacedJob): string {
  return model === undefined ? '-' : printable(routeOf({ model, version }));
}

function inputText({ input, newer }: PlacedJob): string | undefined {
  if (input !== undefined) return keptText(input);
  return newer === undefined ? 'no longer kept' : undefined;
}

function nextTryText(leftMs: number): string {
  return leftMs > 0 ? `in ${formatDuration(leftMs)}` : 'now, as soon as a worker is free';
}

function lockText({ lockMs }: PlacedJob): string | undefined {
  if (lockMs === undefined) return undefined;
  return lockMs === null
    ? 'expired: its worker is lost, another will take it over'
    : `${formatDuration(lockMs)} left unless renewed`;
}

function attemptsText({ attempts, attemptsAllowed, failures, losses }: PlacedJob): string {
  const of = attemptsAllowed === undefined ? '' : ` of ${attemptsAllowed}`;
  const failed = failures > 0 ? `, ${count(failures)} failed` : '';
  const lost = losses > 0 ? `, ${plural(losses, 'worker')} lost` : '';
  return `${attempts}${of}${failed}${lost}`;
}

function deadlineText({ deadline, startedAt }: PlacedJob, now: number): string | undefined {
  if (deadline === undefined) return undefined;
  const left = deadline - now;
  const when = left > 0 ? `in ${formatDuration(left)}` : `${formatDuration(-left)} ago`;
  return `${isoTime(deadline)}, ${when}${startedAt === undefined ? '' : ', met: it has started'}`;
}

function ranText({ meta }: PlacedJob): string | undefined {
  return meta === undefined || meta.runMs === null ? undefined : formatDuration(meta.runMs);
}

function keptText({ bytes, expiresInMs }: Kept): string {
  return `${formatBytes(bytes)}, kept ${expiresInMs === null ? 'until it ends' : `${formatDuration(expiresInMs)} more`}`;
}

function resultText(job: PlacedJob): string | undefined {
  if (job.result !== undefined) return keptText(job.result);
  if (job.state !== 'completed') return undefined;
  return job.resultTtl === 0 ? 'not to be kept' : 'no longer kept';
}

const WORDS: Record<TimelineEvent['event'], string> = {
  submitted: 'submitted',
  started: 'started',
  retried: 'retried',
  lost: 'lost',
  returned: 'handed back',
  requeued: 'put back by infer retry',
  completed: 'completed',
  failed: 'failed',
  expired: 'expired',
  cancelled: 'cancelled',
};

function timelineLines({ timeline }: PlacedJob, paint: Paint): string[] {
  const { events, forgotten } = timeline;
  const start = events[0]?.at ?? 0;
  const offsets = events.map(({ at }, i) => (i === 0 ? '' : `+${formatDuration(Math.max(0, at - start))}`));
  const width = Math.max(0, ...offsets.map((offset) => offset.length));
  const lines = events.map((event, i) =>
    `${paint('dim', isoTime(event.at))}  ${(offsets[i] ?? '').padStart(width)}  ${eventText(event, paint)}`.trimEnd(),
  );
  if (forgotten > 0) {
    lines.splice(1, 0, paint('dim', `${plural(forgotten, 'earlier hold')} on it, without details`));
  }
  return lines;
}

const BAD = new Set<TimelineEvent['event']>(['failed', 'lost', 'expired']);

function eventText({ event, worker, attempt, code, message, delayMs }: TimelineEvent, paint: Paint): string {
  const format = BAD.has(event) ? 'red' : event === 'completed' ? 'green' : 'bold';
  const who = worker === undefined ? '' : printable(worker);
  const why =
    code === undefined ? '' : [printable(code), ...(message ? [printable(message)] : [])].join(': ');
  const what = paint(format, WORDS[event]);
  switch (event) {
    case 'started':
      return `${what}${who && ` on ${who}`}${attempt !== undefined && attempt > 1 ? `, attempt ${attempt}` : ''}`;
    case 'lost':
      return `${what} its worker${who && ` ${who}`}`;
    case 'retried':
      return `${what} ${why}${delayMs ? `, next try after ${formatDuration(delayMs)}` : ''}`;
    default:
      return `${what}${who && ` by ${who}`}${why && ` ${why}`}`;
  }
}

function payloadLines(payload: readonly TensorPreview[] | null, paint: Paint): string[] {
  if (payload === null)
    return [paint('dim', 'no longer kept: only waiting, running and failed jobs have it')];
  return payload.map(({ name, type, shape, bytes, values, cut }) => {
    const shown = values.map((value) =>
      typeof value === 'string' ? printable(JSON.stringify(value)) : String(value),
    );
    const rest = cut ? ', …' : '';
    return `${printable(name)} ${type}[${shape.join(',')}] ${formatBytes(bytes)}: ${shown.join(', ')}${rest}`;
  });
}
