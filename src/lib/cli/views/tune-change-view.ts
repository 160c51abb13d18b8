import { printable } from '../../core/job.js';
import { formatBytes } from '../../core/units.js';
import type { ChangeJson } from '../../operations/change-settings.js';
import type { NodePlan } from '../../tune/plan.js';
import { type Cell, type Column, renderTable } from '../output/table.js';
import type { Layout } from '../output/text.js';

const DIFF_COLUMNS: Column[] = [{ title: 'SETTING' }, { title: 'NOW' }, { title: 'NEW' }];
const DONE_COLUMNS: Column[] = [{ title: 'SETTING' }, { title: 'WAS' }, { title: 'IS NOW' }];

type Row = { name: string; from: string; to: string; now?: string };
type Nodes = readonly { label: string; changes: readonly Row[] }[];

/** Planned settings: shown by `apply` and `rollback` before the change. */
export function diffView(nodes: Nodes | readonly NodePlan[], layout: Layout): string[] {
  return table(nodes, DIFF_COLUMNS, layout, ({ name, from, to }) => [
    name,
    { text: shownValue(name, from), format: 'red' },
    { text: shownValue(name, to), format: 'green' },
  ]);
}

/** Settings read back after the change; a value other than the one set is highlighted. */
export function doneView({ nodes }: ChangeJson, layout: Layout): string[] {
  return table(nodes, DONE_COLUMNS, layout, ({ name, from, to, now = '?' }) => [
    name,
    shownValue(name, from),
    { text: shownValue(name, now), format: now === to ? 'green' : 'yellow' },
  ]);
}

function table(nodes: Nodes, columns: Column[], layout: Layout, row: (change: Row) => Cell[]): string[] {
  const several = nodes.length > 1;
  const rows = nodes.flatMap(({ label, changes }) =>
    changes.map((change) => (several ? [label, ...row(change)] : row(change))),
  );
  return rows.length === 0
    ? []
    : renderTable(several ? [{ title: 'SERVER' }, ...columns] : columns, rows, layout);
}

/** Where it was saved for the next start, or what to write there instead. */
export function persistedLines(change: ChangeJson): { ok: boolean; lines: string[] }[] {
  return (change.persisted ?? []).map(({ ok, text, instead }) => ({
    ok,
    lines: [printable(text), ...instead.map((line) => `  ${printable(line)}`)],
  }));
}

function shownValue(name: string, value: string): string {
  if (value === '') return '""';
  if (name !== 'maxmemory') return value;
  return value === '0' ? '0 (no limit)' : `${value} (${formatBytes(Number(value))})`;
}
