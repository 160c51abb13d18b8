/**
 * Every kind of key that infer leaves in Redis, and its bound: a TTL, the work it belongs to, or a number of elements.
 * A key of no kind here is a leak until its bound is stated.
 */
export interface KeyKind {
  name: string;
  /** Matches the key after its hash tag, or below BullMQ's part of a queue. */
  pattern: RegExp;
  /**
   * When it may have no TTL: never, while its job or group has not ended, or always, since the number of such keys and
   * of their elements is bounded.
   */
  permanent: 'never' | 'open' | 'always';
  /** Maximum elements of a hash, list, set or stream; absent where the TTL or the work bounds them. */
  most?: (bounds: Bounds) => number;
}

/** The values that element counts are compared with. */
export interface Bounds {
  /** Numbers of queues, models and worker starts. */
  queues: number;
  models: number;
  workers: number;
  /** Of this queue: jobs that have not ended, and records of jobs that have. */
  open: number;
  ended: number;
}

/** Streams are trimmed by whole nodes, so slightly more than requested stays. */
const STREAM_SLACK = 1.2;
/**
 * Entries of ended jobs whose record has expired, until a sweep removes them: one sweep window and a share of the
 * index.
 */
const UNSWEPT = 1000;
const UNSWEPT_SHARE = 0.5;
const FIELDS = 32;

const swept = ({ ended }: Bounds): number => ended * (1 + UNSWEPT_SHARE) + UNSWEPT;
const openJobs = ({ open }: Bounds): number => open;
const few = (): number => FIELDS;

const kinds = (
  rows: readonly (readonly [string, RegExp, KeyKind['permanent'], KeyKind['most']?])[],
): readonly KeyKind[] =>
  rows.map(([name, pattern, permanent, most]) => ({
    name,
    pattern,
    permanent,
    ...(most === undefined ? {} : { most }),
  }));

const INSTALLATION = kinds([
  ['queue names', /^queues$/, 'always', ({ queues }) => queues],
  ['model signatures', /^models$/, 'always', ({ models }) => models],
  // The highest versions of each, a few at most.
  ['model versions', /^versions$/, 'always', ({ models }) => 16 * models],
  ['workers that start', /^starting$/, 'always', ({ workers }) => workers],
  ['worker index', /^workers$/, 'always', ({ workers }) => workers],
  ['autoscaler index', /^autoscalers$/, 'always', few],
  ['data mark', /^data$/, 'always', few],
  ['secret of cursors', /^cursorkey$/, 'always', few],
  ['audit log', /^audit(:jobs)?$/, 'always', () => 10_000 * STREAM_SLACK],
  ['events', /^events$/, 'never', () => 5000 * STREAM_SLACK],
  ['states of workers and queues', /^states$/, 'never', ({ queues, workers }) => queues + workers],
  ['right to write the history', /^history:writer$/, 'never'],
  // Minutes that may change, three at most, and those that no worker has closed.
  [
    'open minutes',
    /^history:open$/,
    'never',
    ({ queues, models, workers }) => 6 * (queues + models + workers + FIELDS),
  ],
  ['series of the history', /^history:series$/, 'never', () => 401],
  ['minutes of a series', /^minutes:/, 'never', () => 1440 * STREAM_SLACK],
  // A node of a stream has up to 100 entries.
  ['hours of a series', /^hours:/, 'never', () => 336 + 100],
  ['heartbeat', /^worker:/, 'never'],
  ['worker totals', /^totals:/, 'never'],
  ['autoscaler', /^autoscaler:/, 'never'],
  ['GPU lease', /^lease:/, 'never'],
  ['order to a worker', /^ctl(req|re)?:/, 'never'],
  ['request', /^req:/, 'never'],
  ['quota of a token', /^quota:/, 'never'],
]);

const QUEUE = kinds([
  ['input', /^in:/, 'open'],
  ['result', /^res:/, 'never'],
  ['group', /^grp:/, 'open'],
  ['reply list', /^reply:/, 'never'],
  ['statistics', /^stats:/, 'never', few],
  ['work of workers', /^work:/, 'never', ({ workers }) => workers],
  ['sweep mark', /^sweep(:\w+)?$/, 'never'],
  ['pace of a chore', /^pace:\w+$/, 'never'],
  ['takes of a worker', /^takes:/, 'never', few],
  ['request', /^req:/, 'never'],
  ['data mark', /^data$/, 'always', few],
  ['routes with filed jobs', /^filed$/, 'always', ({ models }) => 2 * models + FIELDS],
  ['jobs filed by model', /^bymodel:/, 'always', ({ open }) => open + UNSWEPT],
  ['call to a worker', /^wake:@/, 'never'],
  ['marker of a route', /^wake:/, 'always', few],
  ['damaged jobs', /^damaged(:why)?$/, 'never', () => 1000 * STREAM_SLACK],
  ['moved job', /^gone:/, 'never'],
  ['key taken out of use', /^away:/, 'never'],
  ['jobs that arrive', /^arriving$/, 'always', openJobs],
  ['deadlines', /^deadlines$/, 'always', openJobs],
  ['expired jobs', /^expired$/, 'always', swept],
  ['cancelled jobs', /^cancelled$/, 'always', swept],
]);

/** BullMQ's part of a queue: keys that begin with its name. What is not part of the layout is a job. */
const BULL = kinds([
  ['queue settings', /^meta$/, 'always', few],
  ['events', /^events$/, 'always', () => 1000 * STREAM_SLACK],
  ['counter', /^(id|pc|stalled-check)$/, 'always', few],
  ['marker', /^marker$/, 'always', few],
  ['jobs that wait or run', /^(wait|paused|active|prioritized|delayed)$/, 'always', openJobs],
  ['completed jobs', /^completed$/, 'always', swept],
  ['failed jobs', /^failed$/, 'always', swept],
  ['lock', /:lock$/, 'never'],
  ['job', /^[^:]+$/, 'open'],
]);

/** The kind of a key, and the job or group it belongs to; undefined for an unknown kind. */
export function kindOf(key: string, prefix: string): Placed | undefined {
  const [, tag, rest = ''] = /^\{([^}]*)\}:(.*)$/s.exec(key) ?? [];
  if (tag === prefix) return placed(INSTALLATION, rest, undefined);
  if (!tag?.startsWith(`${prefix}:`)) return undefined;
  const queue = tag.slice(prefix.length + 1);
  const below = `${queue}:`;
  if (rest.startsWith(below)) return placed(BULL, rest.slice(below.length), queue);
  return placed(QUEUE, rest, queue);
}

export interface Placed {
  kind: KeyKind;
  queue: string | undefined;
  /** Of the job or group it belongs to, for the kinds that belong to one. */
  id: string;
}

function placed(from: readonly KeyKind[], part: string, queue: string | undefined): Placed | undefined {
  const kind = from.find(({ pattern }) => pattern.test(part));
  return kind && { kind, queue, id: part.slice(part.indexOf(':') + 1) };
}
