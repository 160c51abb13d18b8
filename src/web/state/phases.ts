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
}

const ENDS = new Set<JobEvent['event']>(['completed', 'failed', 'expired', 'cancelled']);

/** The phases between a job's events. @param now of the deployment's clock */
export function phasesOf(timeline: readonly JobEvent[], now: number): Phase[] {
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
  return phases;
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
