import type { RedisClient } from '../../redis/types.js';
import { historyOpenKey, historySeriesKey, hoursKey, minutesKey } from '../keys.js';
import { CLOSE_MINUTE } from '../lua/history.js';
import { HistoryFigures } from './figures.js';
import { figuresField, type OpenMinute } from './open-minutes.js';
import { HOUR_MS, HOURS_TTL, MINUTES_KEPT, MINUTES_TTL, SERIES_MAX, seriesParts, WHOLE } from './series.js';
import { SERIES_KINDS } from './types.js';

/** Series that one script moves: well below a millisecond of Redis's time. */
const SERIES_AT_ONCE = 50;

/**
 * Moves a minute from the open minutes to the streams of its series, each in one step. The whole deployment
 * comes last, with what was seen: until then, the rest can be moved again.
 */
export async function closeMinute(client: RedisClient, prefix: string, open: OpenMinute): Promise<void> {
  const { minute, series } = open;
  const { admitted, refused } = await admit(client, prefix, open);
  const names = admitted.filter((name) => name !== WHOLE);
  for (let from = 0; from < names.length; from += SERIES_AT_ONCE) {
    await move(names.slice(from, from + SERIES_AT_ONCE), []);
  }
  await move(series.has(WHOLE) ? [WHOLE] : [], [...refused, ...open.lookFields]);

  async function move(some: readonly string[], fields: readonly string[]): Promise<void> {
    // A series that was only looked at has no field: an empty one is made, so that it is moved once too.
    const bare = some.filter((name) => !open.figureFields.has(name));
    const open_ = historyOpenKey(prefix);
    if (bare.length > 0) {
      await client.hset(open_, Object.fromEntries(bare.map((name) => [figuresField(minute, name), ''])));
    }
    const moved = some.flatMap((name) => [
      figuresField(minute, name),
      name,
      (series.get(name) ?? new HistoryFigures()).pack(),
    ]);
    const keys = [open_, historySeriesKey(prefix), ...some.map((name) => minutesKey(prefix, name))];
    const limits = [minute, MINUTES_KEPT, MINUTES_TTL, HOURS_TTL];
    await client.eval(CLOSE_MINUTE, keys.length, ...keys, ...limits, ...moved, ...fields);
  }
}

/**
 * The series of a minute that are kept. Where there are too many of a kind, one that was not active for an
 * hour makes room for a new one; if all were, the new one is not kept.
 */
async function admit(
  client: RedisClient,
  prefix: string,
  { minute, series, figureFields }: OpenMinute,
): Promise<{ admitted: string[]; refused: string[] }> {
  const flat = await client.zrange(historySeriesKey(prefix), '0', '-1', 'WITHSCORES');
  const known = flat.flatMap((name, i) => (i % 2 === 0 ? [{ name, at: Number(flat[i + 1]) }] : []));
  const listed = new Set(known.map(({ name }) => name));
  const refused = new Set<string>();
  const dropped: string[] = [];
  for (const kind of SERIES_KINDS) {
    const ofKind = known.filter(({ name }) => seriesParts(name)?.kind === kind);
    const idle = ofKind.filter(({ name, at }) => at < minute - HOUR_MS && !series.has(name));
    const fresh = [...series.keys()].filter((name) => seriesParts(name)?.kind === kind && !listed.has(name));
    let room = SERIES_MAX[kind] - ofKind.length;
    for (const name of fresh) {
      const oldest = room > 0 ? undefined : idle.shift();
      if (oldest !== undefined) dropped.push(oldest.name);
      else if (room > 0) room -= 1;
      else refused.add(name);
    }
  }
  for (const name of dropped) {
    await client.zrem(historySeriesKey(prefix), name);
    await client.del(minutesKey(prefix, name), hoursKey(prefix, name));
  }
  const admitted = [...series.keys()].filter((name) => !refused.has(name));
  // Fields that could not be read are dropped with those that are not kept.
  const fields = [...figureFields].flatMap(([name, field]) => (admitted.includes(name) ? [] : [field]));
  return { admitted, refused: fields };
}
