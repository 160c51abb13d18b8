import { formatDuration } from '../../core/units.js';
import type { FiguresJson, Spread } from '../../deployment/figures.js';
import type { Cell } from '../output/table.js';
import { perSecond } from '../output/text.js';

/** `p50 1.2 ms`, `p90 …`, `p99 …`, stacked; a dash where no job ran. */
export function latencyCell(spread: Spread | null): Cell {
  if (spread === null) return '-';
  return {
    values: (['p50', 'p90', 'p99'] as const).map((name) => `${name} ${formatDuration(spread[name])}`),
  };
}

/** Rows of the micro-batches: `p50 32`, `mean 30.5`, `max 64`. */
export function batchCell({ batches: { rows } }: FiguresJson): Cell {
  if (rows === null) return '-';
  const value = (rows: number) => String(Number(rows.toFixed(rows < 10 ? 1 : 0)));
  return { values: [`p50 ${value(rows.p50)}`, `mean ${value(rows.mean)}`, `max ${value(rows.max)}`] };
}

/** Why micro-batches were closed, the most frequent reason first: `idle 75 %`, `full 25 %`. */
export function closedCell({ batches: { count: all, closed } }: FiguresJson): Cell {
  const reasons = Object.entries(closed).filter(([, times]) => times > 0);
  if (reasons.length === 0) return '-';
  return {
    values: reasons
      .sort((a, b) => b[1] - a[1])
      .map(([reason, times]) => `${reason} ${Math.round((times / all) * 100)} %`),
  };
}

/** Failed jobs by error code, the most frequent first: `RUN_FAILED 3`, `TIME_LIMIT 1`. */
export function failuresCell({ failures }: FiguresJson): Cell {
  const codes = Object.entries(failures).sort((a, b) => b[1] - a[1]);
  return codes.length === 0 ? '-' : { values: codes.map(([code, jobs]) => `${code} ${jobs}`) };
}

export function rateCell(rate: number): Cell {
  return rate === 0 ? 0 : perSecond(rate);
}
