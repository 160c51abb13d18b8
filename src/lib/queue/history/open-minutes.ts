import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { historyOpenKey } from '../keys.js';
import { HistoryFigures } from './figures.js';
import { addLook, lookFrom } from './looks.js';
import { WHOLE } from './series.js';

const FIGURES = /^(\d+):(.+)$/s;
const LOOK = /^(\d+)@\d+$/;

/** Field of the open minutes with the figures of a series. */
export const figuresField = (minute: number, series: string): string => `${minute}:${series}`;
/** Field with what was seen in the n-th ten seconds of a minute. */
export const lookField = (minute: number, n: number): string => `${minute}@${n}`;

/** A minute that may still change. */
export interface OpenMinute {
  minute: number;
  /** Figures with what was seen. */
  series: Map<string, HistoryFigures>;
  /** Its fields in Redis: of figures, by series, and of looks. */
  figureFields: Map<string, string>;
  lookFields: string[];
}

/** All open minutes, the oldest first: three at most while a worker runs; read-only. */
export async function readOpenMinutes(client: RedisClient, prefix: string): Promise<OpenMinute[]> {
  const fields = Object.entries(await ifReadable(client.hgetall(historyOpenKey(prefix)), {}));
  const minutes = new Map<number, OpenMinute>();
  const of = (digits: string | undefined): OpenMinute => {
    const minute = Number(digits);
    const known = minutes.get(minute);
    if (known !== undefined) return known;
    const made = { minute, series: new Map(), figureFields: new Map(), lookFields: [] };
    minutes.set(minute, made);
    return made;
  };
  for (const [field, text] of fields) {
    const [, minute, series] = FIGURES.exec(field) ?? [];
    if (series === undefined) continue;
    const one = of(minute);
    one.figureFields.set(series, field);
    const figures = HistoryFigures.unpack(text);
    if (figures !== undefined) one.series.set(series, figures);
  }
  for (const [field, text] of fields) {
    const [, minute] = LOOK.exec(field) ?? [];
    if (minute === undefined) continue;
    const one = of(minute);
    one.lookFields.push(field);
    const look = lookFrom(text);
    if (look !== undefined && one.series.has(WHOLE)) addLook(one.series, look);
  }
  return [...minutes.values()].sort((a, b) => a.minute - b.minute);
}
