import type { TerminalState } from '../../core/job.js';
import type { JobRecord } from '../types.js';
import { HOLD_END } from '../wire.js';

/** One event in a job's life. */
export interface TimelineEvent {
  /** Milliseconds since the epoch. */
  at: number;
  /**
   * `retried`: its run failed and it was put back for another; `lost`: its worker died or fell silent,
   * noticed at this time; `returned`: its worker gave it back without running it; `requeued`: `infer retry`.
   */
  event: 'submitted' | 'started' | 'retried' | 'lost' | 'returned' | 'requeued' | TerminalState;
  worker?: string;
  /** For a start: 1 for the first. */
  attempt?: number;
  /** Why: the error's code and, cut to 120 characters, its message. */
  code?: string;
  message?: string;
  /** For `retried`: milliseconds until the next attempt may start. */
  delayMs?: number;
}

export interface Timeline {
  events: TimelineEvent[];
  /** Number of holds before the listed ones; their details are not kept. */
  forgotten: number;
}

/** How lua/timeline.ts records the end of a hold. */
const TIMELINE_WORDS = Object.values(HOLD_END);

interface Note {
  n: number;
  what: (typeof TIMELINE_WORDS)[number];
  startedAt: number;
  worker: string;
  attempt: number;
  at: number;
  code: string;
  message: string;
  delayMs: number;
}

/** A job's whole life, oldest first: from its record, and its field `tl` if present. */
export function timelineOf(job: JobRecord, notes: string | undefined): Timeline {
  const events: TimelineEvent[] = [{ at: job.submittedAt, event: 'submitted' }];
  const told = (notes ?? '').split('\n').flatMap(parseNote);
  let lastStart = 0;
  const start = (at: number, attempt: number, worker: string | undefined): void => {
    if (at === 0 || at === lastStart) return;
    lastStart = at;
    events.push({ at, event: 'started', attempt, ...(worker ? { worker } : {}) });
  };
  for (const note of told) {
    start(note.startedAt, note.attempt, note.worker);
    events.push(...eventsOf(note));
  }
  start(job.startedAt ?? 0, job.attempts, job.worker);
  if (job.finishedAt !== undefined && isEnded(job.state)) {
    const worker = job.meta?.worker;
    const why = job.state === 'completed' ? undefined : job.failure;
    events.push({
      at: job.finishedAt,
      event: job.state,
      ...(worker === undefined ? {} : { worker }),
      ...(why === undefined ? {} : { code: why.code, message: why.message }),
    });
  }
  return { events, forgotten: (told[0]?.n ?? 1) - 1 };
}

function isEnded(state: JobRecord['state']): state is TerminalState {
  return state !== 'waiting' && state !== 'delayed' && state !== 'active';
}

function eventsOf({ what, at, worker, code, message, delayMs }: Note): TimelineEvent[] {
  const by = worker === '' ? {} : { worker };
  const why = { ...(code === '' ? {} : { code }), ...(message === '' ? {} : { message }) };
  switch (what) {
    case 'retry':
      return [{ at, event: 'retried', ...by, ...why, delayMs }];
    case 'lost':
      return [{ at, event: 'lost', ...by }];
    case 'back':
      return [{ at, event: 'returned', ...by }];
    default:
      return [
        { at: at - delayMs, event: 'failed', ...by, ...why },
        { at, event: 'requeued' },
      ];
  }
}

function parseNote(line: string): Note[] {
  if (line === '') return [];
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return [];
  }
  if (!Array.isArray(fields)) return [];
  const [n, what, startedAt, worker, attempt, at, code, message, delayMs] = fields as unknown[];
  const known = TIMELINE_WORDS.find((word) => word === what);
  // Skip what a later release writes rather than misread it.
  if (known === undefined || typeof at !== 'number') return [];
  return [
    {
      n: Number(n),
      what: known,
      startedAt: Number(startedAt),
      worker: String(worker),
      attempt: Number(attempt),
      at,
      code: String(code),
      message: String(message),
      delayMs: Number(delayMs),
    },
  ];
}
