import { type JobState, MAX_PRIORITY, toBullPriority } from '../../core/job.js';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { bullBase, cancelledKey, expiredKey, queueTag } from '../keys.js';
import { PRIORITY_STEP } from '../wire.js';
import { JOB_STATES, type JobFilter } from './job-filter.js';

/**
 * One stretch of an index of jobs in a state: part of a sorted set, by score, or a whole list. Lists are read
 * from their tail, where the next or oldest job is.
 */
export interface Stretch {
  readonly queue: string;
  readonly state: JobState;
  /** Distinguishes stretches of the same queue and state. */
  readonly part: string;
  readonly key: string;
  readonly kind: 'zset' | 'list';
  /** Least score, inclusive. */
  readonly min: number;
  /** Scores are lower than this. */
  readonly below: number;
  /** Natural order: the next to run, the longest running, the most recently ended first. */
  readonly newestFirst: boolean;
}

/** A place in a stretch: after this member, or after this many entries of a list. */
export type Position = { score: number; id: string } | { offset: number };

/** The result of one read, and whether the stretch ends there. */
interface Found {
  entries: { id: string; position: Position }[];
  over: boolean;
}

/**
 * The stretches that contain the jobs a filter selects, in the order used by lists: by state, then queue.
 * They are narrowed by what the indexes know (state, queue, priority of waiting jobs, age of ended ones);
 * `matches` must check the rest.
 * @param byPriority whether waiting jobs are split into one stretch per priority.
 */
export function stretchesOf(
  prefix: string,
  filter: JobFilter,
  queues: readonly string[],
  now: number,
  byPriority = false,
): Stretch[] {
  const wanted = queues.filter((queue) => filter.queues?.includes(queue) ?? true);
  const states = JOB_STATES.filter((state) => filter.states.includes(state));
  return states.flatMap((state) =>
    wanted.flatMap((queue) => inQueue(prefix, queue, state, filter, now, byPriority)),
  );
}

function inQueue(
  prefix: string,
  queue: string,
  state: JobState,
  filter: JobFilter,
  now: number,
  byPriority: boolean,
): Stretch[] {
  const base = bullBase(prefix, queue);
  const tag = queueTag(prefix, queue);
  const whole = { queue, state, min: Number.NEGATIVE_INFINITY, below: Number.POSITIVE_INFINITY };
  const list = (part: string): Stretch => ({
    ...whole,
    part,
    key: base + part,
    kind: 'list',
    newestFirst: false,
  });
  const ended = (key: string): Stretch => {
    const { olderThanMs } = filter;
    const below = olderThanMs === undefined ? whole.below : now - olderThanMs;
    return { ...whole, below, part: state, key, kind: 'zset', newestFirst: true };
  };
  switch (state) {
    case 'active':
      return [list('active')];
    case 'delayed':
      return [{ ...whole, part: 'delayed', key: `${base}delayed`, kind: 'zset', newestFirst: false }];
    case 'waiting': {
      const key = `${base}prioritized`;
      const all: Stretch = { ...whole, part: 'prioritized', key, kind: 'zset', newestFirst: false };
      const everyPriority = Array.from({ length: MAX_PRIORITY + 1 }, (_, i) => MAX_PRIORITY - i);
      const priorities = filter.priorities ?? everyPriority;
      const split = everyPriority
        .filter((priority) => priorities.includes(priority))
        .map((priority): Stretch => {
          const min = toBullPriority(priority) * PRIORITY_STEP;
          return { ...all, part: `p${priority}`, min, below: min + PRIORITY_STEP };
        });
      // Jobs that other BullMQ code added without a priority are taken before all others.
      const foreign = priorities.includes(MAX_PRIORITY) ? [list('wait')] : [];
      return [...foreign, ...(byPriority || filter.priorities !== undefined ? split : [all])];
    }
    case 'expired':
      return [ended(expiredKey(tag))];
    case 'cancelled':
      return [ended(cancelledKey(tag))];
    default:
      return [ended(base + state)];
  }
}

/** Current number of entries in a stretch; 0 if its key has another type. */
export function sizeOf(client: RedisClient, stretch: Stretch): Promise<number> {
  return ifReadable(countOf(client, stretch), 0);
}

async function countOf(client: RedisClient, stretch: Stretch): Promise<number> {
  const { key, kind, min, below } = stretch;
  if (kind === 'list') return client.llen(key);
  if (min === Number.NEGATIVE_INFINITY && below === Number.POSITIVE_INFINITY) return client.zcard(key);
  return client.zcount(key, scoreText(min), belowText(below));
}

/**
 * The next entries of a stretch after a position, at most `n`, in its natural order or reversed. The cost
 * depends on the entries read, not on the length of the index or the position. Redis refuses it if the key
 * has another type.
 */
export async function readStretch(
  client: RedisClient,
  stretch: Stretch,
  from: Position | undefined,
  n: number,
  reverse: boolean,
): Promise<Found> {
  if (stretch.kind === 'list') {
    return readList(
      client,
      stretch.key,
      from !== undefined && 'offset' in from ? from.offset : 0,
      n,
      reverse,
    );
  }
  const behind = from !== undefined && 'score' in from ? from : undefined;
  return stretch.newestFirst === reverse
    ? ascending(client, stretch, behind, n)
    : descending(client, stretch, behind, n);
}

async function readList(
  client: RedisClient,
  key: string,
  offset: number,
  n: number,
  reverse: boolean,
): Promise<Found> {
  const ids = reverse
    ? await client.lrange(key, offset, offset + n - 1)
    : (await client.lrange(key, -offset - n, -offset - 1)).reverse();
  return {
    entries: ids.map((id, i) => ({ id, position: { offset: offset + i + 1 } })),
    over: ids.length < n,
  };
}

type Place = { score: number; id: string };

/** More than a few attempts are needed only while jobs leave the front of the set faster than we read. */
const TRIES = 5;

/**
 * By rank, not by score: thousands of jobs may share a score, and skipping them by score would cost more with
 * every page. Ranks shift when jobs in front leave, so the entry before the first must be the known one;
 * otherwise the rank is looked up again, with more room before it.
 */
async function ascending(
  client: RedisClient,
  { key, min, below }: Stretch,
  from: Place | undefined,
  n: number,
): Promise<Found> {
  const start: Place | undefined =
    from ?? (min === Number.NEGATIVE_INFINITY ? undefined : { score: min, id: '' });
  for (let attempt = 0, room = 1; ; attempt++, room *= 16) {
    const rank = start === undefined ? 0 : await countUpTo(client, key, start, true);
    const first = start === undefined ? 0 : Math.max(0, rank - room);
    const places = await range(client, key, first, rank + n - 1);
    const known = first === 0 || (start && places[0] && compare(places[0], start) <= 0);
    if (!known && attempt < TRIES) continue;
    const ahead = places.filter((place) => start === undefined || compare(place, start) > 0).slice(0, n);
    const inside = ahead.filter((place) => place.score < below);
    const over = first + places.length < rank + n || inside.length < ahead.length;
    return { entries: inside.map(toEntry), over };
  }
}

/** Jobs that leave shift the rest towards us, never past us: no second look is needed. */
async function descending(
  client: RedisClient,
  { key, min, below }: Stretch,
  from: Place | undefined,
  n: number,
): Promise<Found> {
  const start: Place | undefined =
    from ?? (below === Number.POSITIVE_INFINITY ? undefined : { score: below, id: '' });
  const end = start === undefined ? await client.zcard(key) : await countUpTo(client, key, start, false);
  const first = Math.max(0, end - n);
  const places = end === 0 ? [] : await range(client, key, first, end - 1);
  const behind = places.filter((place) => start === undefined || compare(place, start) < 0).reverse();
  const inside = behind.filter((place) => place.score >= min);
  return { entries: inside.map(toEntry), over: first === 0 || inside.length < behind.length };
}

/** Members before a place or, with `inclusive`, up to and including it; a few commands, whatever the size. */
async function countUpTo(
  client: RedisClient,
  key: string,
  place: Place,
  inclusive: boolean,
): Promise<number> {
  const score = scoreText(place.score);
  const [rank, current, before, upTo] = await Promise.all([
    place.id === '' ? null : client.zrank(key, place.id),
    place.id === '' ? null : client.zscore(key, place.id),
    client.zcount(key, '-inf', `(${score}`),
    client.zcount(key, '-inf', score),
  ]);
  if (rank !== null && Number(current) === place.score) return inclusive ? rank + 1 : rank;
  // It has left. Members with the same score are ordered by their bytes.
  let low = before;
  let high = place.id === '' ? before : upTo;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [found] = await range(client, key, middle, middle);
    if (found !== undefined && compare(found, place) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function range(client: RedisClient, key: string, from: number, to: number): Promise<Place[]> {
  const flat = await client.zrange(key, String(from), String(to), 'WITHSCORES');
  const places: Place[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    places.push({ id: flat[i] as string, score: Number(flat[i + 1]) });
  }
  return places;
}

function compare(a: Place, b: Place): number {
  return a.score - b.score || Buffer.compare(Buffer.from(a.id), Buffer.from(b.id));
}

function toEntry({ id, score }: Place): Found['entries'][number] {
  return { id, position: { score, id } };
}

function scoreText(score: number): string {
  return score === Number.NEGATIVE_INFINITY ? '-inf' : String(score);
}

function belowText(below: number): string {
  return below === Number.POSITIVE_INFINITY ? '+inf' : `(${below}`;
}
