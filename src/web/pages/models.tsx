import type { ModelPage, ModelRow, TensorRow } from '../../lib/serve/dashboard/shapes.js';
import { bytes, count, duration, percent, plural, rate, shortCount } from '../format/units.js';
import { LatencyChart, ThroughputChart } from '../parts/common-charts.js';
import { batchingOf, dashed, line } from '../parts/figures.js';
import { RangeChoice, useHistory, useRange } from '../parts/history.js';
import { Name } from '../parts/name.js';
import { Empty, Notice, PartNotice, ProblemNotice } from '../parts/notice.js';
import { DataTable } from '../parts/table.js';
import { Facts, Reading, ShareBar } from '../parts/tiles.js';
import { routeHref } from '../route.js';
import { useAnswer, useDashboard, usePart, useRoute } from '../state/hooks.js';

/** Models that workers serve, or one of them. */
export function ModelsPage() {
  const { item } = useRoute();
  const part = usePart('models');
  if (item !== undefined) return <ModelDetail name={item} />;
  const rows = part?.data;
  return (
    <>
      <div class="page-head">
        <h1>Models</h1>
      </div>
      <div class="stack">
        <PartNotice part={part} what="The models" />
        {rows?.length === 0 && (
          <Empty command="infer worker --models ./models">
            No worker serves a model. Start one with a directory of models:
          </Empty>
        )}
        {rows && rows.length > 0 && <ModelTable rows={rows} />}
      </div>
    </>
  );
}

function ModelTable({ rows }: { rows: readonly ModelRow[] }) {
  return (
    <DataTable
      caption="Models"
      rows={rows}
      rowKey={({ name }) => name}
      sortParam="sort"
      columns={[
        {
          id: 'name',
          title: 'Model',
          cell: ({ name }) => (
            <a href={routeHref('models', name)}>
              <Name text={name} />
            </a>
          ),
          sort: ({ name }) => name,
        },
        { id: 'versions', title: 'Versions', cell: ({ versions }) => versions.join(', ') },
        {
          id: 'workers',
          title: 'Workers',
          number: true,
          cell: ({ workers }) => count(workers),
          sort: ({ workers }) => workers,
        },
        {
          id: 'jobs',
          title: 'Jobs',
          number: true,
          cell: ({ lastMinute }) => rate(lastMinute.jobsPerSecond),
          sort: ({ lastMinute }) => lastMinute.jobsPerSecond,
        },
        {
          id: 'rows',
          title: 'Rows',
          number: true,
          cell: ({ lastMinute }) => rate(lastMinute.rowsPerSecond),
          sort: ({ lastMinute }) => lastMinute.rowsPerSecond,
        },
        {
          id: 'share',
          title: 'Jobs by queue',
          hint: 'Share of its jobs that came from each queue, within the last minute',
          cell: ({ queues }) => <QueueShares queues={queues} />,
        },
        {
          id: 'run',
          title: 'Run p95',
          number: true,
          cell: ({ lastMinute }) => duration(lastMinute.runMs?.p95),
          sort: ({ lastMinute }) => lastMinute.runMs?.p95,
        },
        {
          id: 'batch',
          title: 'Rows per run',
          number: true,
          cell: ({ lastMinute }) => shortCount(lastMinute.rowsPerRun?.mean),
          sort: ({ lastMinute }) => lastMinute.rowsPerRun?.mean,
        },
        {
          id: 'failed',
          title: 'Failed',
          hint: 'Jobs that failed within the last minute',
          number: true,
          cell: ({ lastMinute, name }) =>
            lastMinute.failed === 0 ? (
              '0'
            ) : (
              <a href={routeHref('failures', undefined, { model: name })}>{count(lastMinute.failed)}</a>
            ),
          sort: ({ lastMinute }) => lastMinute.failed,
        },
      ]}
    />
  );
}

/** Which queues its jobs came from. */
function QueueShares({ queues }: { queues: ModelRow['queues'] }) {
  if (queues.length === 0) return <>{percent(null)}</>;
  return (
    <>
      {[...queues]
        .sort((a, b) => b.share - a.share)
        .map(({ queue, share }) => (
          <div key={queue} class="nowrap">
            <ShareBar share={share} />
            {percent(share)}{' '}
            <a href={routeHref('queues', queue)}>
              <Name text={queue} />
            </a>
          </div>
        ))}
    </>
  );
}

function ModelDetail({ name }: { name: string }) {
  const { api } = useDashboard();
  const range = useRange(undefined, '1h');
  const { data, problem, reload } = useAnswer<ModelPage>(
    name,
    (signal) => api.get('api/model', { name }, signal),
    10_000,
  );
  const history = useHistory('model', name, range);
  const { timeline } = history;
  return (
    <>
      <div class="page-head">
        <h1>
          <a href={routeHref('models')}>Models</a> / {name}
        </h1>
        <RangeChoice first="1h" />
      </div>
      <div class="stack">
        {problem && <ProblemNotice problem={problem} retry={reload} />}
        {data === undefined && problem === undefined && <Reading what="the model" />}
        {data && <ModelFacts model={data} />}
        {history.problem && <ProblemNotice problem={history.problem} />}
        {timeline && (
          <section class="charts" aria-label="Charts">
            <ThroughputChart {...timeline} series={[line('ended', timeline.jobs)]} />
            <LatencyChart
              {...timeline}
              series={[line('total', timeline.total), dashed('run', timeline.run)]}
            />
          </section>
        )}
        {data && <Tensors title="Inputs" tensors={data.inputs} />}
        {data && <Tensors title="Outputs" tensors={data.outputs} />}
        {data && <Sizes sizes={data.sizes} />}
        {data && data.workers.length > 0 && <ModelWorkers workers={data.workers} />}
      </div>
    </>
  );
}

function ModelFacts({ model }: { model: ModelPage }) {
  const row = usePart('models')?.data?.find(({ name }) => name === model.name);
  return (
    <div class="stack">
      {model.problems.map(({ worker, code, message, hint }) => (
        <Notice key={worker + code} tone="bad" fix={hint}>
          Worker {worker}: {message}
        </Notice>
      ))}
      {model.warnings.map((warning) => (
        <Notice key={warning}>{warning}</Notice>
      ))}
      <Facts
        facts={[
          [
            'Version',
            `${model.version}${model.versions.length > 1 ? ` (of ${model.versions.join(', ')})` : ''}`,
          ],
          ['Task', model.task],
          [
            'Rows run together',
            model.batchable
              ? model.maxBatch === null
                ? 'yes'
                : `yes, ${plural(model.maxBatch, 'row')} at most`
              : 'no',
          ],
          ['Jobs by queue', row && <QueueShares key="queues" queues={row.queues} />],
          ['Size', bytes(model.sizeBytes)],
          ['Labels', model.labels === null ? undefined : labelsOf(model.labels)],
          [
            'Digest',
            <span key="digest" class="id">
              {model.digest.slice(0, 24)}
            </span>,
          ],
        ]}
      />
    </div>
  );
}

function labelsOf(labels: readonly string[]): string {
  const more = labels.length - 10;
  return labels.slice(0, 10).join(', ') + (more > 0 ? ` and ${count(more)} more` : '');
}

function Tensors({ title, tensors }: { title: string; tensors: readonly TensorRow[] }) {
  const id = title.toLowerCase();
  return (
    <section class="stack" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <DataTable
        caption={title}
        rows={tensors}
        rowKey={({ name }) => name}
        columns={[
          {
            id: 'name',
            title: 'Name',
            cell: ({ name }) => (
              <span class="mono">
                <Name text={name} />
              </span>
            ),
          },
          { id: 'type', title: 'Type', cell: ({ type }) => type },
          {
            id: 'shape',
            title: 'Shape of one row',
            cell: ({ shape }) =>
              shape.length === 0 ? 'one value' : shape.map((size) => size ?? 'any').join(' × '),
          },
          { id: 'shared', title: 'Shared by all rows', cell: ({ shared }) => (shared ? 'yes' : 'no') },
        ]}
      />
    </section>
  );
}

function Sizes({ sizes }: { sizes: ModelPage['sizes'] }) {
  if (sizes.length === 0) return null;
  return (
    <section class="stack" aria-labelledby="sizes">
      <h2 id="sizes">Latency by batch size</h2>
      <DataTable
        caption="Latency by batch size"
        rows={[...sizes].sort((a, b) => a.worker.localeCompare(b.worker) || a.rows - b.rows)}
        rowKey={({ worker, rows }) => `${worker} ${rows}`}
        columns={[
          { id: 'worker', title: 'Worker', cell: ({ worker }) => <Name text={worker} /> },
          { id: 'rows', title: 'Rows', number: true, cell: ({ rows }) => count(rows) },
          { id: 'run', title: 'Run', number: true, cell: ({ runMs }) => duration(runMs) },
          { id: 'row', title: 'Per row', number: true, cell: ({ runMs, rows }) => duration(runMs / rows) },
          {
            id: 'rate',
            title: 'Rows',
            unit: 'per second',
            number: true,
            cell: ({ runMs, rows }) => shortCount((rows * 1000) / runMs),
          },
        ]}
      />
    </section>
  );
}

function ModelWorkers({ workers }: { workers: ModelPage['workers'] }) {
  return (
    <section class="stack" aria-labelledby="workers">
      <h2 id="workers">Workers</h2>
      <DataTable
        caption="Workers that serve it"
        rows={workers}
        rowKey={({ worker, version }) => `${worker}@${version}`}
        columns={[
          {
            id: 'worker',
            title: 'Worker',
            cell: ({ worker }) => (
              <a href={routeHref('workers', worker)}>
                <Name text={worker} />
              </a>
            ),
          },
          { id: 'version', title: 'Version', number: true, cell: ({ version }) => version },
          { id: 'batch', title: 'Rows that run together', number: true, cell: ({ batch }) => count(batch) },
          {
            id: 'batching',
            title: 'Batching',
            class: 'wide',
            cell: ({ unbatched }) => batchingOf(unbatched),
          },
        ]}
      />
    </section>
  );
}
