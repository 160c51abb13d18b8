import type { StartingRow, WorkerRow } from '../../lib/serve/dashboard/shapes.js';
import { bytes, count, duration, percent, perSecond } from '../format/units.js';
import { NoControlNote } from '../parts/action-button.js';
import { Name, Names } from '../parts/name.js';
import { Empty, Notice, PartNotice } from '../parts/notice.js';
import { Status } from '../parts/status.js';
import { type Column, DataTable } from '../parts/table.js';
import { ShareBar } from '../parts/tiles.js';
import { beatAge, WorkerButtons, WorkerState } from '../parts/worker-state.js';
import { routeHref } from '../route.js';
import { useControl, usePart, useRoute, useSetParams } from '../state/hooks.js';
import { DeviceLanes } from './device-lanes.js';
import { WorkerDetail } from './worker.js';

/** All workers and their devices, or one of them. */
export function WorkersPage() {
  const { item, params } = useRoute();
  const setParams = useSetParams();
  const part = usePart('workers');
  const starting = usePart('starting');
  if (item !== undefined) return <WorkerDetail name={item} part={part} />;
  const rows = (part?.data ?? []).filter(({ queues }) => !params.queue || queues.includes(params.queue));
  return (
    <>
      <div class="page-head">
        <h1>Workers and devices</h1>
        {params.queue && (
          <span class="row">
            of queue <Name text={params.queue} />
            <button type="button" class="small" onClick={() => setParams({ queue: undefined })}>
              Show all
            </button>
          </span>
        )}
      </div>
      <div class="stack">
        <PartNotice part={part} what="The workers" />
        {part?.data && rows.length === 0 && (starting?.data ?? []).length === 0 && (
          <Empty command={params.queue ? `infer worker -Q ${params.queue}` : 'infer worker'}>
            {params.queue
              ? `No worker serves queue ${params.queue}. Start one:`
              : 'No worker runs. Start one:'}
          </Empty>
        )}
        <Starting rows={starting?.data ?? []} />
        {rows.length > 0 && (
          <>
            <WorkerTable rows={rows} />
            <DeviceLanes rows={rows} />
          </>
        )}
        <NoControlNote />
      </div>
    </>
  );
}

function Starting({ rows }: { rows: readonly StartingRow[] }) {
  if (rows.length === 0) return null;
  return (
    <ul class="notices">
      {rows.map(({ id, name, models, beatAgeMs }) => (
        <li key={id}>
          <Notice tone="quiet">
            <Status tone="busy" text="starting" /> <Name text={name} /> loads{' '}
            {models.join(', ') || 'its models'}
            {beatAgeMs > 5000 && ` (last heard of ${duration(beatAgeMs)} ago)`}
          </Notice>
        </li>
      ))}
    </ul>
  );
}

function WorkerTable({ rows }: { rows: readonly WorkerRow[] }) {
  const control = useControl();
  const columns: Column<WorkerRow>[] = [
    {
      id: 'name',
      title: 'Worker',
      cell: ({ name }) => (
        <a href={routeHref('workers', name)}>
          <Name text={name} />
        </a>
      ),
      sort: ({ name }) => name,
    },
    { id: 'state', title: 'State', cell: (row) => <WorkerState row={row} />, sort: ({ state }) => state },
    {
      id: 'beat',
      title: 'Heartbeat',
      hint: 'Time since its last heartbeat',
      number: true,
      cell: ({ beatAgeMs }) => beatAge(beatAgeMs),
      sort: ({ beatAgeMs }) => beatAgeMs,
    },
    {
      id: 'host',
      title: 'Host',
      class: 'nowrap',
      cell: ({ host, pid }) => <Name text={host} title={`${host}, process ${pid}`} />,
      sort: ({ host }) => host,
    },
    {
      id: 'device',
      title: 'Device',
      class: 'nowrap',
      cell: ({ device, gpu }) => <Name text={gpu ?? device} />,
      sort: ({ gpu, device }) => gpu ?? device,
    },
    {
      id: 'busy',
      title: 'Busy',
      hint: 'Share of the last ten seconds in which it held jobs',
      class: 'nowrap',
      cell: ({ busy }) =>
        busy === null ? (
          percent(null)
        ) : (
          <>
            <ShareBar share={busy} />
            {percent(busy)}
          </>
        ),
      sort: ({ busy }) => busy,
    },
    {
      id: 'queues',
      title: 'Queues',
      cell: ({ queues }) => <Names texts={queues} />,
    },
    {
      id: 'models',
      title: 'Models',
      cell: ({ models }) =>
        models.map(({ name, version }, index) => (
          <>
            {index > 0 && ', '}
            <a href={routeHref('models', name)}>
              <Name text={`${name}@${version}`} />
            </a>
          </>
        )),
    },
    {
      id: 'rate',
      title: 'Jobs',
      unit: '/s',
      number: true,
      cell: ({ lastMinute }) => perSecond(lastMinute.jobsPerSecond),
      sort: ({ lastMinute }) => lastMinute.jobsPerSecond,
      total: perSecond(rows.reduce((sum, { lastMinute }) => sum + lastMinute.jobsPerSecond, 0)),
    },
    {
      id: 'rows',
      title: 'Rows per run',
      hint: 'Mean over the last minute, of the rows that would pay off',
      number: true,
      cell: ({ lastMinute, models }) => batchOf(lastMinute.rowsPerRun?.mean, models),
      sort: ({ lastMinute }) => lastMinute.rowsPerRun?.mean,
    },
    {
      id: 'closed',
      title: 'Batches closed',
      hint: 'Why batches were closed: full; idle, as no more jobs were there; window; urgent work; retry',
      cell: ({ lastMinute }) =>
        closedOf(lastMinute.closed).map((reason) => (
          <span key={reason} class="line">
            {reason}
          </span>
        )),
    },
    {
      id: 'run',
      title: 'Run p95',
      number: true,
      cell: ({ lastMinute }) => duration(lastMinute.runMs?.p95),
      sort: ({ lastMinute }) => lastMinute.runMs?.p95,
    },
    {
      id: 'memory',
      title: 'Memory',
      number: true,
      cell: ({ rssBytes }) => bytes(rssBytes),
      sort: ({ rssBytes }) => rssBytes,
      total: bytes(rows.reduce((sum, { rssBytes }) => sum + rssBytes, 0)),
    },
  ];
  if (rows.some(({ gpuMemory }) => gpuMemory !== null))
    columns.push({
      id: 'gpu',
      title: 'GPU memory',
      number: true,
      cell: ({ gpuMemory }) =>
        gpuMemory === null ? bytes(null) : `${bytes(gpuMemory.usedBytes)} of ${bytes(gpuMemory.totalBytes)}`,
      sort: ({ gpuMemory }) => gpuMemory?.usedBytes,
    });
  if (control)
    columns.push({
      id: 'actions',
      title: 'Actions',
      class: 'buttons',
      cell: (row) => <WorkerButtons row={row} />,
    });
  return (
    <DataTable
      caption="Workers"
      columns={columns}
      rows={rows}
      rowKey={({ id }) => id}
      sortParam="sort"
      totals
    />
  );
}

function batchOf(mean: number | undefined, models: WorkerRow['models']): string {
  if (mean === undefined) return count(null);
  const most = Math.max(0, ...models.map(({ batch }) => batch));
  const rows = String(Number(mean.toFixed(mean < 10 ? 1 : 0)));
  return most > 0 ? `${rows} of ${count(most)}` : rows;
}

/** `idle 97 %` and `full 3 %`, the most frequent first. */
function closedOf(closed: Readonly<Record<string, number>>): string[] {
  const entries = Object.entries(closed).filter(([, runs]) => runs > 0);
  const sum = entries.reduce((total, [, runs]) => total + runs, 0);
  if (sum === 0) return [percent(null)];
  return entries.sort(([, a], [, b]) => b - a).map(([reason, runs]) => `${reason} ${percent(runs / sum)}`);
}
