/** Kinds of events, with what each means. */
export const EVENT_KINDS = {
  'worker-started': 'a worker is ready',
  'worker-stopped': 'a worker has stopped as it was told to',
  'worker-lost': 'a worker sends no heartbeat: it crashed, was killed or is cut off from Redis',
  'worker-returned': 'a worker that was lost sends heartbeats again',
  'autoscaler-started': 'an autoscaler has begun',
  'autoscaler-stopped': 'an autoscaler has stopped as it was told to',
  scaled: 'an autoscaler wants another number of workers',
  'failures-began': 'many jobs of a queue fail',
  'failures-ended': 'they no longer do',
  'data-lost': 'Redis has lost data, or went back to an older state',
  change: 'someone changed something: an entry of the audit log',
} as const;

export type EventKind = keyof typeof EVENT_KINDS;

export type EventSubjectKind = 'worker' | 'queue' | 'model' | 'autoscaler' | 'deployment';

/** Something that happened in a deployment. */
export interface DeploymentEvent {
  /** Unique, such as `e1764367200000-0`; sorts by nothing but is stable from read to read. */
  id: string;
  /** Milliseconds since the epoch, by Redis's clock. */
  at: number;
  kind: EventKind;
  /** What it happened to; for a `change`, its target as the audit log names it. */
  subject: { kind: EventSubjectKind; name: string };
  /** One sentence without a full stop, as it was written: make it printable before showing it. */
  text: string;
  /** It needs attention: a loss, failures, a change that failed. */
  alarm: boolean;
  /** Facts by kind, such as `host`, `version`, `desired`, `code`, `who`, `action`. */
  data: Record<string, string>;
}

/** Which events to read. */
export interface EventQuery {
  /** At most this many, the newest; 100 unless given. */
  limit?: number | undefined;
  /** Only those after a cursor of an earlier read; then the oldest come first that have not been read. */
  after?: string | undefined;
  /** Only those at or after this time, ms since the epoch. */
  since?: number | undefined;
  kinds?: readonly EventKind[] | undefined;
}

/** Events, oldest first. */
export interface EventPage {
  events: DeploymentEvent[];
  /** For `after` of the next read. */
  cursor: string;
}
