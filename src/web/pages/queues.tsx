import type { JobState, QueueRow } from '../../lib/serve/dashboard/shapes.js';
import { count, duration, rate } from '../format/units.js';
import { NoControlNote } from '../parts/action-button.js';
import { Name } from '../parts/name.js';
import { Empty, PartNotice } from '../parts/notice.js';
import {
  drainOf,
  JobsLink,
  prioritiesOf,
  QueueActions,
  QueueState,
  stateOf,
  WorkersLink,
} from '../parts/queue-state.js';
import { type Column, DataTable } from '../parts/table.js';
import { routeHref } from '../route.js';
import { useControl, usePart, useRoute } from '../state/hooks.js';
import { QueueDetail } from './queue.js';

/** All queues, or one with its history. */
export function QueuesPage() {
  const { item } = useRoute();
  const part = usePart('queues');
  const rows = part?.data;
  if (item !== undefined) return <QueueDetail name={item} row={rows?.find(({ name }) => name === item)} />;
  return (
    <>
      <div class="page-head">
        <h1>Queues</h1>
      </div>
      <div class="stack">
        <PartNotice part={part} what="The queues" />
        {rows?.length === 0 && (
          <Empty command="infer submit examples/one-digit.json">
            There are no queues yet. The first job that is submitted makes one:
          </Empty>
        )}
        {rows && rows.length > 0 && <QueueTable rows={rows} />}
        <NoControlNote />
      </div>
    </>
  );
}

function QueueTable({ rows }: { rows: readonly QueueRow[] }) {
  const control = useControl();
  const sum = (pick: (row: QueueRow) => number | null) =>
    rows.reduce((total, row) => total + (pick(row) ?? 0), 0);
  const counted = (id: JobState): Column<QueueRow> => ({
    id,
    title: id.charAt(0).toUpperCase() + id.slice(1),
    number: true,
    cell: (row) => <JobsLink state={id} row={row} />,
    sort: (row) => row[id],
    total: count(sum((row) => row[id])),
  });
  const columns: Column<QueueRow>[] = [
    {
      id: 'name',
      title: 'Queue',
      cell: ({ name }) => (
        <a href={routeHref('queues', name)}>
          <Name text={name} />
        </a>
      ),
      sort: ({ name }) => name,
    },
    { id: 'state', title: 'State', cell: (row) => <QueueState row={row} />, sort: (row) => stateOf(row) },
    counted('waiting'),
    {
      id: 'priority',
      title: 'By priority',
      hint: 'Waiting jobs by priority; 9 is the most urgent',
      class: 'nowrap',
      cell: ({ byPriority }) => prioritiesOf(byPriority),
    },
    {
      id: 'oldest',
      title: 'Oldest',
      hint: 'Age of the job that has waited longest',
      number: true,
      cell: ({ oldestMs }) => duration(oldestMs),
      sort: ({ oldestMs }) => oldestMs,
    },
    counted('active'),
    counted('failed'),
    {
      id: 'in',
      title: 'In',
      hint: 'Jobs added per second over the last minute',
      number: true,
      cell: ({ arrivalsPerSecond }) => rate(arrivalsPerSecond),
      sort: ({ arrivalsPerSecond }) => arrivalsPerSecond,
      total: rate(sum(({ arrivalsPerSecond }) => arrivalsPerSecond)),
    },
    {
      id: 'out',
      title: 'Out',
      hint: 'Jobs ended per second over the last minute',
      number: true,
      cell: ({ ratePerSecond }) => rate(ratePerSecond),
      sort: ({ ratePerSecond }) => ratePerSecond,
      total: rate(sum(({ ratePerSecond }) => ratePerSecond)),
    },
    {
      id: 'drain',
      title: 'Time to drain',
      hint: 'Until no job waits, at the present rate less what arrives',
      number: true,
      cell: (row) => drainOf(row),
      sort: ({ etaMs }) => etaMs,
    },
    {
      id: 'more',
      title: '+1 worker',
      hint: 'Time to drain with one more worker like those that serve it',
      number: true,
      cell: ({ etaOneMoreMs, waiting }) => (waiting === 0 ? duration(null) : duration(etaOneMoreMs)),
      sort: ({ etaOneMoreMs }) => etaOneMoreMs,
    },
    spread('wait', 'Wait p95', ({ lastMinute }) => lastMinute.waitMs?.p95),
    spread('run', 'Run p95', ({ lastMinute }) => lastMinute.runMs?.p95),
    spread('total', 'Total p95', ({ lastMinute }) => lastMinute.totalMs?.p95),
    {
      id: 'workers',
      title: 'Workers',
      number: true,
      cell: (row) => <WorkersLink row={row} />,
      sort: ({ workers }) => workers,
    },
    // What is looked at least comes last: on most screens it takes scrolling.
    counted('delayed'),
    counted('completed'),
    counted('expired'),
    counted('cancelled'),
  ];
  if (control)
    columns.push({
      id: 'actions',
      title: 'Actions',
      class: 'buttons',
      cell: (row) => <QueueActions row={row} />,
    });
  return (
    <DataTable
      caption="Queues"
      columns={columns}
      rows={rows}
      rowKey={({ name }) => name}
      sortParam="sort"
      totals
    />
  );
}

function spread(id: string, title: string, pick: (row: QueueRow) => number | undefined): Column<QueueRow> {
  return { id, title, number: true, cell: (row) => duration(pick(row)), sort: pick };
}
