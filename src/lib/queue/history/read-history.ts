import { InferError } from '../../core/errors.js';
import { writtenDuration } from '../../core/units.js';
import { serverNow } from '../../redis/server-clock.js';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { historySeriesKey, hoursKey, minutesKey } from '../keys.js';
import { HistoryFigures } from './figures.js';
import { readOpenMinutes } from './open-minutes.js';
import { DAY_MS, HOUR_MS, MINUTE_MS, seriesOf, seriesParts, startOf, WHOLE } from './series.js';
import { lastEntry, readSteps, type Step } from './steps.js';
import type { History, HistoryPoint, HistoryQuery, HistoryRange, SeriesName } from './types.js';

/** Length of each range, its unit (the shortest step) and its usual step, in ms. */
const RANGE_MS: Readonly<Record<HistoryRange, { ms: number; unit: number; step: number }>> = {
  '5m': { ms: 5 * MINUTE_MS, unit: MINUTE_MS, step: MINUTE_MS },
  '1h': { ms: HOUR_MS, unit: MINUTE_MS, step: MINUTE_MS },
  '24h': { ms: DAY_MS, unit: MINUTE_MS, step: 5 * MINUTE_MS },
  '14d': { ms: 14 * DAY_MS, unit: HOUR_MS, step: HOUR_MS },
};

/**
 * Reads one series with read-only commands. A series that does not exist has only points with zeros.
 * @throws InferError FILTER for a step that does not fit the range (exit 2).
 */
export async function readHistory(
  client: RedisClient,
  prefix: string,
  query: HistoryQuery,
): Promise<History> {
  const { kind, range } = query;
  const { ms, unit } = RANGE_MS[range];
  const stepMs = stepOf(query);
  const now = await serverNow(client);
  const from = startOf(now - ms, stepMs);
  const series = seriesOf(kind, query.name);
  const names = [...new Set([WHOLE, series])];
  const found = await readSeries(client, prefix, names, from, unit);
  const points = inSteps(found.get(series) ?? [], found.get(WHOLE) ?? [], stepMs, kind === 'queue');
  const sum = new HistoryFigures();
  for (const { figures } of points) sum.merge(figures);
  return {
    kind,
    name: kind === 'all' ? null : (query.name ?? ''),
    range,
    stepMs,
    from,
    to: now,
    points: points.map(({ at, figures }): HistoryPoint => figures.toPoint(at)),
    total: sum.toPoint(from),
  };
}

/** Every series that is kept, by kind and name; read-only. */
export async function listSeries(client: RedisClient, prefix: string): Promise<SeriesName[]> {
  const [flat, open] = await Promise.all([
    ifReadable(client.zrange(historySeriesKey(prefix), '0', '-1', 'WITHSCORES'), []),
    readOpenMinutes(client, prefix),
  ]);
  const known = new Map(
    flat.flatMap((name, i) => (i % 2 === 0 ? [[name, Number(flat[i + 1])] as const] : [])),
  );
  for (const { minute, series } of open) for (const name of series.keys()) known.set(name, minute);
  return [...known]
    .flatMap(([series, at]): SeriesName[] => {
      const parts = seriesParts(series);
      return parts === undefined ? [] : [{ ...parts, at }];
    })
    .sort((a, b) => a.kind.localeCompare(b.kind) || (a.name ?? '').localeCompare(b.name ?? ''));
}

function stepOf({ range, stepMs }: HistoryQuery): number {
  const { ms, unit, step } = RANGE_MS[range];
  if (stepMs === undefined) return step;
  const fits = stepMs >= unit && stepMs <= ms && stepMs % unit === 0 && DAY_MS % stepMs === 0;
  if (fits) return stepMs;
  throw new InferError('FILTER', `a step of ${writtenDuration(stepMs)} does not fit a range of ${range}`, {
    hint: `the step is a multiple of ${writtenDuration(unit)} that divides a day, such as ${writtenDuration(step)}`,
  });
}

/** Steps of a minute or an hour; the newest come from minutes that are not summed up or closed yet. */
async function readSeries(
  client: RedisClient,
  prefix: string,
  names: readonly string[],
  from: number,
  unit: number,
): Promise<Map<string, Step[]>> {
  const hour = unit === HOUR_MS ? await lastEntry(client, hoursKey(prefix, WHOLE)) : undefined;
  const minutesFrom = unit === HOUR_MS ? Math.max(from, hour === undefined ? from : hour + HOUR_MS) : from;
  const end = Number.MAX_SAFE_INTEGER;
  const [hours, minutes, open] = await Promise.all([
    Promise.all(
      names.map((name) => (hour === undefined ? [] : readSteps(client, hoursKey(prefix, name), from, hour))),
    ),
    Promise.all(names.map((name) => readSteps(client, minutesKey(prefix, name), minutesFrom, end))),
    readOpenMinutes(client, prefix),
  ]);
  return new Map(
    names.map((name, i) => {
      const closed = [...(hours[i] as Step[]), ...(minutes[i] as Step[])];
      // One that was closed between two of these reads is in both.
      const last = closed.at(-1)?.at ?? 0;
      const still = open.flatMap(({ minute, series }): Step[] => {
        const figures = series.get(name);
        return figures === undefined || minute <= last || minute < from ? [] : [{ at: minute, figures }];
      });
      return [name, [...closed, ...still]] as const;
    }),
  );
}

/**
 * Sums of a series by steps. Steps in which it did nothing, but the deployment was recorded, are zero.
 */
function inSteps(own: readonly Step[], whole: readonly Step[], stepMs: number, counted: boolean): Step[] {
  const steps = new Map<number, HistoryFigures>();
  const recorded = new Set(own.map(({ at }) => at));
  const of = (at: number): HistoryFigures => {
    const start = startOf(at, stepMs);
    const known = steps.get(start);
    if (known !== undefined) return known;
    const made = new HistoryFigures();
    steps.set(start, made);
    return made;
  };
  for (const { at, figures } of own) of(at).merge(figures);
  for (const { at, figures } of whole) {
    if (recorded.has(at)) continue;
    const step = of(at);
    step.ms += figures.ms;
    if (!counted) continue;
    step.added ??= 0;
    // An idle queue is not written down: it was seen without jobs as often as the deployment was seen.
    step.lookIdle(figures);
  }
  return [...steps].sort((a, b) => a[0] - b[0]).map(([at, figures]) => ({ at, figures }));
}
