import type { JobEvent } from '../../lib/serve/dashboard/shapes.js';

/** A stretch of a job's life. */
export interface Phase {
  kind: 'queue' | 'run' | 'bad';
  /** `waiting`, `attempt 2`. */
  name: string;
  from: number;
  /** Now, for the last phase of a job that has not ended. */
  to: number;
  open: boolean;
  /** Who ran it. */
  worker: string | undefined;
  /** How it ended, in words. */
  end: string;
  /** It is a part of the attempt before it. */
  within?: boolean;
}

/** When the model ran for a job: `Wait` is the time until then, and `Run` its length. */
export interface ModelRun {
  from: number;
  to: number;
}

/** The run of a job that has ended; undefined if none was recorded. */
export function modelRunOf(job: {
  submittedAt: number;
  finishedAt: number | null;
  queueMs: number | null;
  runMs: number | null;
}): ModelRun | undefined {
  const { submittedAt, finishedAt, queueMs, runMs } = job;
  if (finishedAt === null || queueMs === null || runMs === null) return undefined;
  const from = submittedAt + queueMs;
  return { from, to: from + runMs };
}

const ENDS = new Set<JobEvent['event']>(['completed', 'failed', 'expired', 'cancelled']);

/**
 * The phases between a job's events, and those of its last attempt.
 * @param now of the deployment's clock
 * @param run the run of the last attempt, if it has ended
 */
export function phasesOf(timeline: readonly JobEvent[], now: number, run?: ModelRun): Phase[] {
  const phases: Phase[] = [];
  timeline.forEach((event, index) => {
    if (ENDS.has(event.event)) return;
    const next = timeline[index + 1];
    const to = next?.at ?? Math.max(now, event.at);
    const runs = event.event === 'started';
    phases.push({
      kind: !runs ? 'queue' : endedBadly(next) ? 'bad' : 'run',
      name: runs ? `attempt ${event.attempt ?? ''}`.trim() : waitName(event),
      from: event.at,
      to,
      open: next === undefined,
      worker: runs ? (event.worker ?? next?.worker) : undefined,
      end: next === undefined ? (runs ? 'still running' : 'still waiting') : endWords(next),
    });
  });
  const last = phases.at(-1);
  if (run === undefined || last === undefined || last.open || last.kind === 'queue') return phases;
  return [...phases, ...phasesWithin(last, run)];
}

/** An attempt holds a job before its model runs, for a batch or its input, and after, until its end is stored. */
function phasesWithin({ from, to, worker }: Phase, run: ModelRun): Phase[] {
  // Times of the worker, which may differ from those of Redis by a little.
  const begun = Math.min(Math.max(run.from, from), to);
  const done = Math.min(Math.max(run.to, begun), to);
  const part = { open: false, worker, within: true };
  return [
    { ...part, kind: 'queue', name: 'before the run', from, to: begun, end: '' },
    { ...part, kind: 'run', name: 'run', from: begun, to: done, end: '' },
    { ...part, kind: 'queue', name: 'after the run', from: done, to, end: '' },
  ];
}

function endedBadly(next: JobEvent | undefined): boolean {
  return next !== undefined && ['retried', 'lost', 'failed'].includes(next.event);
}

function waitName({ event }: JobEvent): string {
  if (event === 'retried') return 'waiting for a retry';
  if (event === 'requeued') return 'waiting, run again by hand';
  if (event === 'lost') return 'waiting, its worker was lost';
  return event === 'returned' ? 'waiting, given back' : 'waiting';
}

function endWords({ event, code, message, worker }: JobEvent): string {
  const why = [code, message].filter(Boolean).join(': ');
  switch (event) {
    case 'started':
      return worker === undefined ? 'taken' : `taken by ${worker}`;
    case 'retried':
      return `failed, to be tried again${why && ` (${why})`}`;
    case 'lost':
      return 'worker lost; the job was requeued';
    case 'returned':
      return 'given back without a run';
    case 'requeued':
      return 'run again by hand';
    default:
      return why ? `${event} (${why})` : event;
  }
}
