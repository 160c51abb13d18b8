import { messageOf } from '../../core/errors.js';
import type { RedisClient } from '../../redis/types.js';
import { isWrongValue, parsedObject } from '../../redis/wrong-type.js';
import { auditEntryOf } from '../audit.js';
import { auditKey, eventsKey, jobAuditKey } from '../keys.js';
import {
  type DeploymentEvent,
  EVENT_KINDS,
  type EventKind,
  type EventPage,
  type EventQuery,
  type EventSubjectKind,
} from './types.js';

const DEFAULT_LIMIT = 100;
const NOTHING_READ = '0-0';

type Entry = [id: string, fields: string[]];

/** The streams that events come from; a letter tells their ids apart. All of them are in one slot. */
const SOURCES: readonly {
  letter: string;
  key(prefix: string): string;
  event(id: string, fields: string[]): DeploymentEvent;
}[] = [
  { letter: 'e', key: eventsKey, event: ownEvent },
  { letter: 'a', key: auditKey, event: changeEvent },
  { letter: 'j', key: jobAuditKey, event: changeEvent },
];

/**
 * Reads events and changes from the audit logs, in order of time; read-only. A user who may not read the
 * audit logs gets the events alone.
 */
export async function readEvents(
  client: RedisClient,
  prefix: string,
  query: EventQuery = {},
): Promise<EventPage> {
  const { limit = DEFAULT_LIMIT, after, since, kinds } = query;
  const cursors = cursorsFrom(after);
  const found = await Promise.all(
    SOURCES.map(async ({ letter, key, event }, source) => {
      const read = cursors?.[source];
      const asked = askedOf(letter, kinds);
      if (asked === 'none') return { newest: read ?? NOTHING_READ, events: [] };
      const from = read === undefined ? String(since ?? '-') : `(${read}`;
      // What is filtered out is not known before it is read; each stream is bounded.
      const count = after === undefined && asked === 'all' ? Math.max(1, limit) : undefined;
      const entries = await readStream(client, key(prefix), from, count, letter !== 'e');
      const events = entries.map(([id, fields]) => ({
        source,
        id,
        event: { ...event(id, fields), id: letter + id },
      }));
      // None since that time: what follows comes after the newest there is.
      const [last] =
        entries.length > 0 || read !== undefined
          ? []
          : await readStream(client, key(prefix), '-', 1, letter !== 'e');
      return { newest: (entries[0] ?? last)?.[0] ?? read ?? NOTHING_READ, events: events.reverse() };
    }),
  );
  const wanted = found
    .flatMap(({ events }) => events)
    .filter(({ event }) => (kinds === undefined || kinds.includes(event.kind)) && event.at >= (since ?? 0))
    .sort((a, b) => a.event.at - b.event.at);
  const taken =
    after === undefined ? wanted.slice(Math.max(0, wanted.length - limit)) : wanted.slice(0, limit);
  const whole = taken.length === wanted.length || after === undefined;
  const reached = found.map(({ newest }, source) => {
    if (whole) return newest;
    return taken.findLast((one) => one.source === source)?.id ?? cursors?.[source] ?? NOTHING_READ;
  });
  return { events: taken.map(({ event }) => event), cursor: reached.join(':') };
}

/** Whether a text is a cursor that `readEvents` has returned. */
export function isEventCursor(text: string): boolean {
  return cursorsFrom(text) !== undefined;
}

/** Whether an event comes after a cursor, so that a read with it did not return it yet. */
export function isAfter({ id }: Pick<DeploymentEvent, 'id'>, cursor: string): boolean {
  const source = SOURCES.findIndex(({ letter }) => id.startsWith(letter));
  const [at = 0, seq = 0] = id.slice(1).split('-').map(Number);
  const [readAt = 0, readSeq = 0] = (cursorsFrom(cursor)?.[source] ?? NOTHING_READ).split('-').map(Number);
  return at > readAt || (at === readAt && seq > readSeq);
}

function cursorsFrom(text: string | undefined): string[] | undefined {
  const ids = text?.split(':') ?? [];
  return ids.length === SOURCES.length && ids.every((id) => /^\d{1,16}-\d{1,16}$/.test(id)) ? ids : undefined;
}

/** Which events of a source are asked for. */
function askedOf(letter: string, kinds: readonly EventKind[] | undefined): 'all' | 'some' | 'none' {
  if (kinds === undefined) return 'all';
  if (letter !== 'e') return kinds.includes('change') ? 'all' : 'none';
  const own = Object.keys(EVENT_KINDS).filter((kind) => kind !== 'change');
  const asked = own.filter((kind) => kinds.includes(kind as EventKind));
  return asked.length === own.length ? 'all' : asked.length === 0 ? 'none' : 'some';
}

/**
 * Newest first. A key of another type counts as empty, and so does one that this user may not read, if that
 * `may` be.
 */
async function readStream(
  client: RedisClient,
  key: string,
  from: string,
  count: number | undefined,
  may: boolean,
): Promise<Entry[]> {
  try {
    return count === undefined
      ? await client.xrevrange(key, '+', from)
      : await client.xrevrange(key, '+', from, 'COUNT', count);
  } catch (error) {
    if (isWrongValue(error) || (may && messageOf(error).includes('NOPERM'))) return [];
    throw error;
  }
}

function ownEvent(id: string, flat: readonly string[]): DeploymentEvent {
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i] as string, flat[i + 1] as string);
  const text = (name: string) => fields.get(name) ?? '';
  const data = Object.entries(parsedObject<Record<string, unknown>>(fields.get('data')) ?? {});
  return {
    id,
    at: Number(id.split('-')[0]),
    // Of a later release it may be another; readers show its text.
    kind: text('kind') as EventKind,
    subject: { kind: text('subject') as EventSubjectKind, name: text('name') },
    text: text('text'),
    alarm: text('alarm') === '1',
    data: Object.fromEntries(data.map(([key, value]) => [key, String(value)])),
  };
}

/** Actions whose target is a queue. */
const ON_QUEUES = ['pause', 'resume', 'purge', 'repair'];

function changeEvent(id: string, flat: readonly string[]): DeploymentEvent {
  const { at, who, host, channel, action, target, detail, outcome, code, result } = auditEntryOf(id, flat);
  const what = [action, target, detail].filter((word) => word !== '').join(' ');
  return {
    id,
    at,
    kind: 'change',
    subject: { kind: ON_QUEUES.includes(action) ? 'queue' : 'deployment', name: target },
    text: `${who}: ${what}: ${result}`,
    alarm: outcome === 'failed',
    data: { who, host, channel, action, outcome, ...(code === null ? {} : { code }) },
  };
}

/** Whether a word is a kind of event. */
export function isEventKind(word: string): word is EventKind {
  return Object.hasOwn(EVENT_KINDS, word);
}
