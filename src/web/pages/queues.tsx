import { useState } from 'preact/hooks';
import type { JobState, QueueRow } from '../../lib/serve/dashboard/shapes.js';
import { count, duration, percent, plural, rate, shortCount } from '../format/units.js';
import { ActionButton, NoControlNote } from '../parts/action-button.js';
import { Chart } from '../parts/chart.js';
import { dashed, line } from '../parts/figures.js';
import { RangeChoice, useHistory, useRange } from '../parts/history.js';
import { Empty, PartNotice, ProblemNotice } from '../parts/notice.js';
import { Status } from '../parts/status.js';
import { type Column, DataTable } from '../parts/table.js';
import { Facts } from '../parts/tiles.js';
import { routeHref } from '../route.js';
import { useControl, useDashboard, usePart, useRoute } from '../state/hooks.js';

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
  const jobs = (state: JobState, row: QueueRow, value: number) =>
    value === 0 ? '0' : <a href={routeHref('jobs', undefined, { state, queue: row.name })}>{count(value)}</a>;
  const counted = (id: 'waiting' | 'active' | 'delayed' | 'failed' | 'completed'): Column<QueueRow> => ({
    id,
    title: id.charAt(0).toUpperCase() + id.slice(1),
    number: true,
    cell: (row) => jobs(id, row, row[id]),
    sort: (row) => row[id],
    total: count(sum((row) => row[id])),
  });
  const columns: Column<QueueRow>[] = [
    {
      id: 'name',
      title: 'Queue',
      cell: ({ name }) => <a href={routeHref('queues', name)}>{name}</a>,
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
    counted('active'),
    counted('delayed'),
    counted('failed'),
    counted('completed'),
    {
      id: 'oldest',
      title: 'Oldest',
      hint: 'Age of the job that has waited longest',
      number: true,
      cell: ({ oldestMs }) => duration(oldestMs),
      sort: ({ oldestMs }) => oldestMs,
    },
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
      title: 'Drained in',
      hint: 'At the present rate, less what arrives',
      number: true,
      cell: (row) => drainOf(row),
      sort: ({ etaMs }) => etaMs,
    },
    {
      id: 'more',
      title: '+1 worker',
      hint: 'Time to drain with one more worker like those it has',
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
      cell: ({ workers, name }) => (
        <a href={routeHref('workers', undefined, { queue: name })}>{count(workers)}</a>
      ),
      sort: ({ workers }) => workers,
    },
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

function QueueState({ row }: { row: QueueRow }) {
  const state = stateOf(row);
  const tone = {
    paused: 'warn',
    'no worker': 'bad',
    growing: 'warn',
    working: 'busy',
    idle: 'good',
  } as const;
  return <Status tone={tone[state]} text={state} />;
}

function stateOf({ paused, workers, waiting, active, growing }: QueueRow) {
  if (paused) return 'paused';
  if (waiting > 0 && workers === 0) return 'no worker';
  if (growing) return 'growing';
  return active > 0 || waiting > 0 ? 'working' : 'idle';
}

function drainOf({ waiting, etaMs, growing }: QueueRow): string {
  if (waiting === 0) return duration(null);
  return etaMs === null ? (growing ? 'growing' : 'unknown') : duration(etaMs);
}

/** `9: 12, 4: 1,300`, the most urgent first. */
function prioritiesOf(byPriority: readonly number[]): string {
  const parts = byPriority.flatMap((jobs, priority) =>
    jobs > 0 ? [`${priority}: ${shortCount(jobs)}`] : [],
  );
  return parts.length === 0 ? duration(null) : parts.reverse().join(', ');
}

function QueueActions({ row: { name, paused } }: { row: QueueRow }) {
  return (
    <span class="row">
      {paused ? (
        <ActionButton action={{ action: 'resume', queue: name }} label={`Resume queue ${name}`}>
          Resume
        </ActionButton>
      ) : (
        <ActionButton action={{ action: 'pause', queue: name }} label={`Pause queue ${name}`}>
          Pause
        </ActionButton>
      )}
      <ActionButton
        danger
        action={{ action: 'purge', queue: name, states: ['waiting', 'delayed'] }}
        label={`Purge the waiting jobs of queue ${name}`}
      >
        Purge
      </ActionButton>
    </span>
  );
}

function QueueDetail({ name, row }: { name: string; row: QueueRow | undefined }) {
  const range = useRange(undefined, '1h');
  const { timeline, problem } = useHistory('queue', name, range);
  const part = usePart('queues');
  return (
    <>
      <div class="page-head">
        <h1>
          <a href={routeHref('queues')}>Queues</a> / {name}
        </h1>
        <RangeChoice first="1h" />
      </div>
      <div class="stack">
        <PartNotice part={part} what="The queues" />
        {part?.data && row === undefined && (
          <Empty command={`infer submit -Q ${name} examples/one-digit.json`}>
            There is no queue {name} now.
          </Empty>
        )}
        {row && <QueueFacts row={row} />}
        {problem && <ProblemNotice problem={problem} />}
        {timeline && (
          <section class="charts" aria-label="Charts">
            <Chart
              {...timeline}
              title="Throughput"
              unit="jobs per second"
              format={rate}
              series={[line('ended', timeline.jobs), dashed('added', timeline.added)]}
            />
            <Chart
              {...timeline}
              title="Latency"
              unit="95th percentile"
              format={duration}
              series={[line('total', timeline.total), dashed('wait', timeline.wait)]}
            />
            <Chart
              {...timeline}
              title="Backlog"
              unit="jobs waiting"
              format={shortCount}
              least={4}
              series={[line('waiting', timeline.waiting)]}
            />
            <Chart
              {...timeline}
              title="Failed"
              unit="jobs per second"
              format={rate}
              series={[line('failed', timeline.failed, { ink: 'bad' })]}
            />
          </section>
        )}
        {row && <PurgeForm row={row} />}
      </div>
    </>
  );
}

function QueueFacts({ row }: { row: QueueRow }) {
  const { lastMinute, unmatched } = row;
  const missing = Object.entries(unmatched).map(([model, jobs]) => `${model} (${plural(jobs, 'job')})`);
  const ended = lastMinute.completed + lastMinute.failed + lastMinute.expired + lastMinute.cancelled;
  return (
    <div class="stack">
      <div class="row">
        <QueueState row={row} />
        <QueueActions row={row} />
      </div>
      <Facts
        facts={[
          ['Waiting', count(row.waiting)],
          ['By priority', prioritiesOf(row.byPriority)],
          ['Oldest waiting', duration(row.oldestMs)],
          ['Drained in', drainOf(row)],
          ['With one more worker', duration(row.etaOneMoreMs)],
          ['Active', count(row.active)],
          ['Delayed', count(row.delayed)],
          ['Completed', count(row.completed)],
          ['Failed', count(row.failed)],
          ['Expired', count(row.expired)],
          ['Cancelled', count(row.cancelled)],
          ['Workers', count(row.workers)],
          ['Failed in the last minute', ended === 0 ? undefined : percent(lastMinute.failed / ended)],
          ['Rows per run', lastMinute.rowsPerRun === null ? undefined : count(lastMinute.rowsPerRun.mean)],
          ['Waits for a model that no worker serves', missing.length === 0 ? undefined : missing.join(', ')],
        ]}
      />
    </div>
  );
}

const PURGED: readonly Exclude<JobState, 'active'>[] = [
  'waiting',
  'delayed',
  'failed',
  'completed',
  'expired',
  'cancelled',
];

/** Removes the jobs of some states; those that run are never touched. */
function PurgeForm({ row }: { row: QueueRow }) {
  const { actions } = useDashboard();
  const [states, setStates] = useState<readonly Exclude<JobState, 'active'>[]>([]);
  if (!useControl()) return <NoControlNote />;
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void actions.begin({ action: 'purge', queue: row.name, states: [...states] });
      }}
    >
      <h2>Purge</h2>
      <p class="muted">
        Cancels waiting and delayed jobs, and deletes the records of ended ones. Running jobs stay.
      </p>
      <fieldset class="choice-field row">
        <legend class="visually-hidden">States to purge</legend>
        {PURGED.map((state) => (
          <label key={state} class="row">
            <input
              type="checkbox"
              checked={states.includes(state)}
              onChange={({ currentTarget: { checked } }) =>
                setStates(checked ? [...states, state] : states.filter((one) => one !== state))
              }
            />
            {state} ({count(row[state])})
          </label>
        ))}
      </fieldset>
      <p>
        <button type="submit" class="danger" disabled={states.length === 0}>
          Purge …
        </button>
      </p>
    </form>
  );
}
