import type { ComponentChildren } from 'preact';
import { plural } from '../format/units.js';
import { Name } from '../parts/name.js';
import { Empty, ProblemNotice } from '../parts/notice.js';
import { Status } from '../parts/status.js';
import { DataTable } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { type PageName, routeHref } from '../route.js';
import type { DeploymentEvent, EventPage } from '../state/history-shapes.js';
import { useAnswer, useDashboard, useRoute, useSetParams } from '../state/hooks.js';

const REFRESH_MS = 3000;
const LIMIT = '200';

/** Groups of kinds of events, and what they are called. */
const GROUPS: Readonly<Record<string, readonly [title: string, kinds: readonly string[]]>> = {
  workers: ['Workers', ['worker-started', 'worker-stopped', 'worker-lost', 'worker-returned']],
  scaling: ['Scaling', ['autoscaler-started', 'autoscaler-stopped', 'scaled']],
  failures: ['Failures', ['failures-began', 'failures-ended']],
  data: ['Lost data', ['data-lost']],
  changes: ['Changes', ['change']],
};

/** What happened in the deployment, the newest first. */
export function EventsPage() {
  const { api } = useDashboard();
  const { params } = useRoute();
  const setParams = useSetParams();
  const { data, problem, reload } = useAnswer<EventPage>(
    'events',
    (signal) => api.get('api/events', { limit: LIMIT }, signal),
    REFRESH_MS,
  );
  const kinds = GROUPS[params.kind ?? '']?.[1];
  const rows = [...(data?.events ?? [])]
    .reverse()
    .filter(({ kind }) => kinds === undefined || kinds.includes(kind));
  return (
    <>
      <div class="page-head">
        <h1>Events</h1>
        <p class="row">
          <label for="kind">Show</label>
          <select
            id="kind"
            value={params.kind ?? ''}
            onChange={(event) => setParams({ kind: event.currentTarget.value })}
          >
            <option value="">all events</option>
            {Object.entries(GROUPS).map(([name, [title]]) => (
              <option key={name} value={name}>
                {title.toLowerCase()}
              </option>
            ))}
          </select>
        </p>
      </div>
      <div class="stack">
        {problem && <ProblemNotice problem={problem} retry={reload} />}
        {data && rows.length === 0 && data.events.length > 0 && (
          <Empty>None of the latest {plural(data.events.length, 'event')} is of this kind.</Empty>
        )}
        {data && data.events.length === 0 && (
          <Empty command="infer events --follow">
            Nothing has happened yet: no worker came or left, nothing was changed. In a terminal:
          </Empty>
        )}
        {rows.length > 0 && <EventTable rows={rows} />}
        {data === undefined && problem === undefined && <p class="quiet">Reading the events …</p>}
      </div>
    </>
  );
}

function EventTable({ rows }: { rows: readonly DeploymentEvent[] }) {
  return (
    <DataTable
      caption="Events"
      rows={rows}
      rowKey={({ id }) => id}
      columns={[
        { id: 'at', title: 'Time', class: 'nowrap', cell: ({ at }) => <Time at={at} /> },
        {
          id: 'kind',
          title: 'Event',
          class: 'nowrap',
          cell: ({ kind, alarm }) =>
            alarm ? <Status tone="bad" text={kind.replace('-', ' ')} /> : kind.replace('-', ' '),
        },
        { id: 'subject', title: 'About', cell: ({ subject }) => linkTo(subject) },
        { id: 'text', title: 'What happened', class: 'wide', cell: ({ text }) => text },
      ]}
    />
  );
}

const SUBJECT_PAGES: Readonly<Record<string, PageName>> = {
  worker: 'workers',
  queue: 'queues',
  model: 'models',
};

function linkTo({ kind, name }: DeploymentEvent['subject']): ComponentChildren {
  const page = SUBJECT_PAGES[kind];
  const shown = <Name text={name} />;
  if (kind === 'autoscaler') return <a href={routeHref('autoscaler')}>{shown}</a>;
  return page === undefined ? shown : <a href={routeHref(page, name)}>{shown}</a>;
}
