import { SERIES_KINDS, type SeriesKind } from './types.js';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** Entries kept of a series: a day of minutes and two weeks of hours. */
export const MINUTES_KEPT = 1440;
export const HOURS_KEPT = 336;
/**
 * Seconds after which they expire if nothing more is recorded: an hour longer, so that a reader never misses
 * an edge.
 */
export const MINUTES_TTL = 25 * 3600;
export const HOURS_TTL = 14 * 86_400 + 3600;

/** Series kept of each kind: they bound the history to 250 MB if all are always busy (docs/history.md). */
export const SERIES_MAX: Readonly<Record<SeriesKind, number>> = {
  all: 1,
  queue: 100,
  model: 100,
  worker: 200,
};

/** The name of the whole deployment's series. */
export const WHOLE = 'all:';

/** A series as a member of the list of series and in keys: `queue:realtime`, `all:`. */
export function seriesOf(kind: SeriesKind, name: string | undefined): string {
  return kind === 'all' ? WHOLE : `${kind}:${name ?? ''}`;
}

/** Undefined for a word that is no series. */
export function seriesParts(series: string): { kind: SeriesKind; name: string | null } | undefined {
  const cut = series.indexOf(':');
  const kind = SERIES_KINDS.find((one) => one === series.slice(0, cut));
  if (kind === undefined) return undefined;
  return { kind, name: kind === 'all' ? null : series.slice(cut + 1) };
}

/** Beginning of the minute or hour of a moment, ms. */
export function startOf(now: number, unit: number): number {
  return now - (now % unit);
}
