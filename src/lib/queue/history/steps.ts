import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { HistoryFigures } from './figures.js';

/** One recorded minute or hour of a series. */
export interface Step {
  /** ms since the epoch. */
  at: number;
  figures: HistoryFigures;
}

/** The entries of a stream of minutes or hours between two times, oldest first; read-only. */
export async function readSteps(client: RedisClient, key: string, from: number, to: number): Promise<Step[]> {
  const entries = await ifReadable(client.xrevrange(key, String(to), String(from)), []);
  return entries.reverse().flatMap(([id, fields]): Step[] => {
    const figures = HistoryFigures.unpack(fields[1] ?? '');
    return figures === undefined ? [] : [{ at: Number(id.split('-')[0]), figures }];
  });
}

/** When the newest entry of a stream of minutes or hours begins; undefined when it has none. */
export async function lastEntry(client: RedisClient, key: string): Promise<number | undefined> {
  const [newest] = await ifReadable(client.xrevrange(key, '+', '-', 'COUNT', 1), []);
  return newest === undefined ? undefined : Number(newest[0].split('-')[0]);
}
