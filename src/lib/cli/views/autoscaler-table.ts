import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import type { AutoscalerRecord } from '../../queue/autoscalers.js';
import { wrapWords } from '../output/sentence.js';
import { type Cell, type Column, renderFolded } from '../output/table.js';
import type { Layout } from '../output/text.js';

const COLUMNS: Column[] = [
  { title: 'POOL' },
  { title: 'HOST' },
  { title: 'POLICY' },
  { title: 'BOUNDS' },
  { title: 'SLOTS' },
  { title: 'WANTED', align: 'right' },
  { title: 'DECIDED', align: 'right' },
];

/** Each autoscaler and, under the table (in a pipe: as a column), its last decision. */
export function autoscalerTable(records: readonly AutoscalerRecord[], layout: Layout, now: number): string[] {
  const { tty, paint, width } = layout;
  const rows = records.map((record): Cell[] => [
    record.pool,
    record.host,
    record.policy,
    `${record.min}..${record.max}`,
    slots(record),
    record.desired,
    formatDuration(Math.max(0, now - record.decidedAt)),
    ...(tty ? [] : [record.reason]),
  ]);
  const table = renderFolded(tty ? COLUMNS : [...COLUMNS, { title: 'DECISION' }], rows, layout);
  if (!tty) return table;
  const said = records.flatMap(({ hold, reason }) =>
    wrapWords(printable(reason), width).map((line) => paint(hold === null ? 'dim' : 'yellow', line)),
  );
  return [...table, ...said];
}

/** `2 busy, 1 starting, 1 failed`: workers by state, and slots without one. */
function slots({ workers, troubles }: AutoscalerRecord): string {
  const counts = new Map<string, number>();
  for (const { state } of [...workers, ...troubles]) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => `${count} ${state}`).join(', ') || '-';
}
