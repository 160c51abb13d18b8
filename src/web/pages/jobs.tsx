import { useEffect, useState } from 'preact/hooks';
import type { JobRow, JobState, JobsFilter, JobsPage as Page } from '../../lib/serve/dashboard/shapes.js';
import { count, duration, plural } from '../format/units.js';
import { ActionButton, NoControlNote } from '../parts/action-button.js';
import { Name } from '../parts/name.js';
import { Empty, ProblemNotice } from '../parts/notice.js';
import { JobStatus } from '../parts/status.js';
import { DataTable } from '../parts/table.js';
import { Ago } from '../parts/time.js';
import { routeHref } from '../route.js';
import {
  openPage,
  useAnswer,
  useDashboard,
  useNow,
  usePart,
  useRoute,
  useSetParams,
} from '../state/hooks.js';
import { noJobs } from '../state/no-jobs.js';
import { JobDetailPage } from './job.js';

const STATES: readonly JobState[] = [
  'waiting',
  'delayed',
  'active',
  'completed',
  'failed',
  'expired',
  'cancelled',
];
const FILTERS = ['state', 'queue', 'model', 'worker', 'priority', 'olderThan', 'error'] as const;
const LIMIT = '50';

/** Jobs by their state and other filters, a page at a time, or one of them. */
export function JobsPage() {
  const { item } = useRoute();
  return item === undefined ? <JobList /> : <JobDetailPage id={item} />;
}

function JobList() {
  const { params } = useRoute();
  const dashboard = useDashboard();
  const { api } = dashboard;
  const filter = filterOf(params);
  const { cursor, reverse } = params;
  const { id } = params;
  const query =
    id === undefined ? { ...filter, cursor, reverse, limit: LIMIT } : { id, cursor, limit: LIMIT };
  const { data, problem, loading, reload } = useAnswer<Page & { readAt: number }>(
    JSON.stringify(query),
    async (signal) => ({ ...(await api.get<Page>('api/jobs', query, signal)), readAt: dashboard.now() }),
  );
  const later = cursor !== undefined;
  const isEmpty = data !== undefined && data.items.length === 0 && data.next === null;
  const nothing = isEmpty ? noJobs(filter, id, later) : undefined;
  const only = data?.items.length === 1 ? data.items[0]?.id : undefined;
  useEffect(() => {
    // The id of a job, not of a group: its own page says more.
    if (id !== undefined && only === id) window.location.replace(routeHref('jobs', id));
  }, [id, only]);
  return (
    <>
      <div class="page-head">
        <h1>{id === undefined ? 'Jobs' : `Jobs of ${id}`}</h1>
        <FindJob />
      </div>
      <div class="stack">
        {id === undefined && <Filters />}
        {problem && <ProblemNotice problem={problem} retry={reload} />}
        {data && (
          <div class="row between">
            <p class="muted" role="status">
              {told(data, !later)}
            </p>
            <span class="row">
              <button type="button" class="small" disabled={loading} onClick={reload}>
                Reload
              </button>
              {id === undefined && (nothing === undefined || later) && <BulkButtons filter={filter} />}
            </span>
          </div>
        )}
        {nothing && <Empty command={nothing.command}>{nothing.text}</Empty>}
        {data && data.items.length > 0 && <JobTable rows={data.items} readAt={data.readAt} />}
        {data && <Pages next={data.next} />}
        {data === undefined && problem === undefined && <p class="quiet">Reading the jobs …</p>}
        <NoControlNote />
      </div>
    </>
  );
}

function told({ items, total, exact, next }: Page, first: boolean): string {
  if (first && next === null) return plural(items.length, 'job');
  if (exact) return `${count(items.length)} of ${plural(total, 'job')}`;
  return `${plural(items.length, 'job')} shown, at most ${count(total)} match`;
}

function filterOf(params: Readonly<Record<string, string>>): JobsFilter {
  const filter: JobsFilter = {};
  for (const name of FILTERS) {
    const value = params[name];
    if (value) filter[name] = value;
  }
  return filter;
}

function FindJob() {
  const [id, setId] = useState('');
  return (
    <search>
      <form
        class="row find"
        onSubmit={(event) => {
          event.preventDefault();
          if (id.trim() !== '') openPage('jobs', undefined, { id: id.trim() });
        }}
      >
        <label for="find" class="visually-hidden">
          Id of a job or a group
        </label>
        <input
          id="find"
          size={30}
          placeholder="Id of a job or a group"
          autocomplete="off"
          spellcheck={false}
          value={id}
          onInput={(event) => setId(event.currentTarget.value)}
        />
        <button type="submit">Open</button>
      </form>
    </search>
  );
}

function Filters() {
  const { params } = useRoute();
  const setParams = useSetParams();
  const queues = usePart('queues')?.data ?? [];
  const models = usePart('models')?.data ?? [];
  const workers = usePart('workers')?.data ?? [];
  const change = (name: string, value: string) => setParams({ [name]: value, cursor: undefined });
  const select = (name: string, label: string, first: string, options: readonly string[]) => {
    const value = params[name] ?? '';
    // A value of a shared address may be of a queue or worker that is gone.
    const all = value === '' || options.includes(value) ? options : [value, ...options];
    return (
      <p class="field">
        <label for={`filter-${name}`}>{label}</label>
        <select
          id={`filter-${name}`}
          value={value}
          onChange={(event) => change(name, event.currentTarget.value)}
        >
          <option value="">{first}</option>
          {all.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      </p>
    );
  };
  const text = (name: string, label: string, example: string) => (
    <p class="field">
      <label for={`filter-${name}`}>{label}</label>
      <input
        id={`filter-${name}`}
        placeholder={example}
        autocomplete="off"
        spellcheck={false}
        value={params[name] ?? ''}
        onChange={(event) => change(name, event.currentTarget.value.trim())}
      />
    </p>
  );
  const used = FILTERS.some((name) => params[name]);
  return (
    <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
      {select('state', 'State', 'not ended', STATES)}
      {select(
        'queue',
        'Queue',
        'all',
        queues.map(({ name }) => name),
      )}
      {select(
        'model',
        'Model',
        'all',
        models.map(({ name }) => name),
      )}
      {select(
        'worker',
        'Worker',
        'all',
        workers.map(({ name }) => name),
      )}
      {text('priority', 'Priority', '9 or 5..9')}
      {text('olderThan', 'Older than', '30s, 5m or 2h')}
      {text('error', 'Error', 'code or words')}
      <p class="field">
        <label for="filter-reverse">Order</label>
        <select
          id="filter-reverse"
          value={params.reverse ?? ''}
          onChange={(event) => change('reverse', event.currentTarget.value)}
        >
          <option value="">as run or ended</option>
          <option value="true">reversed</option>
        </select>
      </p>
      {used && (
        <button
          type="button"
          onClick={() =>
            setParams(Object.fromEntries([...FILTERS, 'reverse', 'cursor'].map((name) => [name, undefined])))
          }
        >
          Clear filters
        </button>
      )}
    </form>
  );
}

/** Actions on all jobs that match, not only on those shown; the server says how many before anything is done. */
function BulkButtons({ filter }: { filter: JobsFilter }) {
  const { state } = filter;
  const open = state === undefined || state === 'waiting' || state === 'delayed' || state === 'active';
  return (
    <>
      {state === 'failed' && (
        <ActionButton action={{ action: 'retry', filter }} label="Run all again: failed jobs that match">
          Run all again
        </ActionButton>
      )}
      {open && (
        <ActionButton danger action={{ action: 'cancel', filter }} label="Cancel all: jobs that match">
          Cancel all
        </ActionButton>
      )}
    </>
  );
}

/** @param readAt when the rows were read, ms since the epoch: they age on the page */
function JobTable({ rows, readAt }: { rows: readonly JobRow[]; readAt: number }) {
  const older = Math.max(0, useNow() - readAt);
  return (
    <DataTable
      caption="Jobs"
      rows={rows}
      rowKey={({ id }) => id}
      columns={[
        {
          id: 'id',
          title: 'Job',
          class: 'id-cell',
          cell: ({ id }) => (
            <a class="id" href={routeHref('jobs', id)}>
              <Name text={id} />
            </a>
          ),
        },
        { id: 'state', title: 'State', cell: ({ state }) => <JobStatus state={state} /> },
        { id: 'queue', title: 'Queue', cell: ({ queue }) => <Name text={queue} /> },
        { id: 'model', title: 'Model', cell: ({ model }) => <Name text={model} /> },
        { id: 'priority', title: 'Priority', number: true, cell: ({ priority }) => priority },
        { id: 'rows', title: 'Rows', number: true, cell: ({ rows: n }) => count(n) },
        {
          id: 'submitted',
          title: 'Submitted',
          number: true,
          cell: ({ submittedAt }) => <Ago at={submittedAt} />,
        },
        {
          id: 'age',
          title: 'In this state',
          number: true,
          cell: ({ ageMs }) => duration(Math.round((ageMs + older) / 1000) * 1000),
        },
        { id: 'run', title: 'Run', number: true, cell: ({ runMs }) => duration(runMs) },
        { id: 'attempts', title: 'Attempts', number: true, cell: ({ attempts }) => count(attempts) },
        { id: 'worker', title: 'Worker', cell: ({ worker }) => worker !== null && <Name text={worker} /> },
        {
          id: 'error',
          title: 'Error',
          class: 'wide',
          cell: ({ error }) =>
            error && (
              <>
                <span class="mono">{error.code}</span> {error.message}
              </>
            ),
        },
      ]}
    />
  );
}

function Pages({ next }: { next: string | null }) {
  const { params } = useRoute();
  const setParams = useSetParams();
  if (next === null && !params.cursor) return null;
  return (
    <nav class="row" aria-label="Pages of jobs">
      {params.cursor && (
        <button type="button" onClick={() => setParams({ cursor: undefined })}>
          First page
        </button>
      )}
      {next !== null && (
        <button type="button" onClick={() => setParams({ cursor: next })}>
          Next page
        </button>
      )}
    </nav>
  );
}
