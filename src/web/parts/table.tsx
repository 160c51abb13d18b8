import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useRoute, useSetParams } from '../state/hooks.js';

export interface Column<Row> {
  id: string;
  title: string;
  /** Small, behind the title: a unit that all cells share. */
  unit?: string;
  /** What is meant, on hover. */
  hint?: string;
  /** Aligned right. */
  number?: boolean;
  class?: string;
  cell(row: Row): ComponentChildren;
  /** What it is sorted by; absent: not sortable. Null and undefined come last. */
  sort?(row: Row): number | string | null | undefined;
  /** In the last line, over all rows. */
  total?: ComponentChildren;
}

export interface DataTableProps<Row> {
  /** Names the table for screen readers. */
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey(row: Row): string;
  /** Parameter of the address that keeps the order; absent: the rows come in order. */
  sortParam?: string;
  /** Shows the totals. */
  totals?: boolean;
  class?: string;
}

/** A table; the first column names its rows. It scrolls sideways on a narrow screen. */
export function DataTable<Row>(props: DataTableProps<Row>) {
  const { caption, columns, rows, rowKey, sortParam, totals = false } = props;
  const { params } = useRoute();
  const [wrap, scrolls] = useScrolls();
  const order = sortParam === undefined ? undefined : orderOf(params[sortParam]);
  const sorted = order === undefined ? rows : sortedRows(rows, columns, order);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for fields
    <div
      ref={wrap}
      class={scrolls ? 'table-wrap scrolls' : 'table-wrap'}
      role="group"
      aria-label={caption}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
    >
      <table class={props.class}>
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <Head key={column.id} column={column} order={order} sortParam={sortParam} />
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map((column, index) => {
                const classes = classOf(column);
                const content = column.cell(row);
                return index === 0 ? (
                  <th key={column.id} scope="row" class={classes}>
                    {content}
                  </th>
                ) : (
                  <td key={column.id} class={classes}>
                    {content}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
        {totals && rows.length > 1 && (
          <tfoot>
            <tr>
              {columns.map((column, index) =>
                index === 0 ? (
                  <th key={column.id} scope="row">
                    Total
                  </th>
                ) : (
                  <td key={column.id} class={classOf(column)}>
                    {column.total}
                  </td>
                ),
              )}
            </tr>
          </tfoot>
        )}
      </table>
    </div>
  );
}

/** Whether the table is wider than its place. */
function useScrolls() {
  const wrap = useRef<HTMLDivElement>(null);
  const [scrolls, setScrolls] = useState(false);
  useEffect(() => {
    const place = wrap.current as HTMLDivElement;
    const observer = new ResizeObserver(() => setScrolls(place.scrollWidth > place.clientWidth));
    for (const one of [place, ...place.children]) observer.observe(one);
    return () => observer.disconnect();
  }, []);
  return [wrap, scrolls] as const;
}

interface Order {
  id: string;
  down: boolean;
}

function Head<Row>(props: { column: Column<Row>; order: Order | undefined; sortParam: string | undefined }) {
  const { column, order, sortParam } = props;
  const setParams = useSetParams();
  const title = (
    <>
      {column.title}
      {column.unit !== undefined && <span class="unit"> {column.unit}</span>}
    </>
  );
  if (sortParam === undefined || column.sort === undefined) {
    return (
      <th scope="col" class={classOf(column)} title={column.hint}>
        {title}
      </th>
    );
  }
  const mine = order?.id === column.id ? order : undefined;
  const next = mine === undefined ? column.number === true : !mine.down;
  return (
    <th
      scope="col"
      class={classOf(column)}
      title={column.hint}
      aria-sort={mine === undefined ? undefined : mine.down ? 'descending' : 'ascending'}
    >
      <button
        type="button"
        class="sort"
        onClick={() => setParams({ [sortParam]: `${next ? '-' : ''}${column.id}` })}
      >
        {title}
        {mine !== undefined && <span aria-hidden="true">{mine.down ? ' ▾' : ' ▴'}</span>}
      </button>
    </th>
  );
}

function classOf<Row>({ number, class: own }: Column<Row>): string | undefined {
  const classes = [number === true ? 'num' : '', own ?? ''].filter(Boolean).join(' ');
  return classes === '' ? undefined : classes;
}

function orderOf(text: string | undefined): Order | undefined {
  if (text === undefined || text === '') return undefined;
  return text.startsWith('-') ? { id: text.slice(1), down: true } : { id: text, down: false };
}

function sortedRows<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { id, down }: Order,
): readonly Row[] {
  const key = columns.find((column) => column.id === id)?.sort;
  if (key === undefined) return rows;
  return [...rows].sort((a, b) => {
    const [x, y] = [key(a) ?? undefined, key(b) ?? undefined];
    if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
    const way =
      typeof x === 'number' && typeof y === 'number'
        ? x - y
        : String(x).localeCompare(String(y), 'en', { numeric: true });
    return down ? -way : way;
  });
}
