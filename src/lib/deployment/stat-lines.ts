import type { FiguresJson } from './figures.js';
import type { StatRow } from './rows.js';

/** A row of the table: the figures of one queue, or of one worker or model in it, over one period. */
export interface StatLine extends Pick<StatRow, 'queue' | 'worker' | 'model'> {
  over: 'minute' | 'start';
  figures: FiguresJson;
}

/** What the lines below a queue's line show. */
export type StatShare = 'worker' | 'model';

/** The lines of the table: for every row, the last minute and, if known, the time since start. */
export function statLines(rows: readonly StatRow[]): StatLine[] {
  return rows.flatMap(({ queue, worker, model, lastMinute, sinceStart }) => {
    const line = { queue, worker, model };
    return [
      { ...line, over: 'minute' as const, figures: lastMinute },
      ...(sinceStart === null ? [] : [{ ...line, over: 'start' as const, figures: sinceStart }]),
    ];
  });
}

/** A line as JSON shows it. */
export function statJson({ queue, worker, model, over, figures }: StatLine) {
  return { queue, worker, model, over, ...figures };
}
