import { useState } from 'preact/hooks';
import type { DeviceWait, Part, WorkerRow } from '../../lib/serve/dashboard/shapes.js';
import { bytes, count, duration, percent, perSecond, plural, shortCount } from '../format/units.js';
import { ActionButton, NoControlNote } from '../parts/action-button.js';
import { Chart } from '../parts/chart.js';
import { ThroughputChart } from '../parts/common-charts.js';
import { batchingOf, dashed, isKnown, line } from '../parts/figures.js';
import { RangeChoice, useHistory, useRange } from '../parts/history.js';
import { Name } from '../parts/name.js';
import { Empty, Notice, PartNotice, ProblemNotice } from '../parts/notice.js';
import { DataTable } from '../parts/table.js';
import { Facts, Reading } from '../parts/tiles.js';
import { Ago } from '../parts/time.js';
import { beatAge, WorkerButtons, WorkerState } from '../parts/worker-state.js';
import { routeHref } from '../route.js';
import { useControl, useDashboard } from '../state/hooks.js';

/** One worker: what it serves, how well its batches fill, and its history. */
export function WorkerDetail({ name, part }: { name: string; part: Part<WorkerRow[]> | undefined }) {
  const row = part?.data?.find((one) => one.name === name || one.id === name);
  return (
    <>
      <div class="page-head">
        <h1>
          <a href={routeHref('workers')}>Workers</a> / {name}
        </h1>
        <RangeChoice first="1h" />
      </div>
      <div class="stack">
        <PartNotice part={part} what="The workers" />
        {part?.data && row === undefined && (
          <Empty command={`infer worker --name ${name}`}>No worker {name} runs now. Start it:</Empty>
        )}
        {row && <WorkerFacts row={row} />}
        {row && <ModelTable row={row} />}
        <WorkerCharts name={row?.name ?? name} />
        {row && <Settings row={row} />}
        <NoControlNote />
      </div>
    </>
  );
}

function WorkerFacts({ row }: { row: WorkerRow }) {
  const { lastMinute, gpuMemory, autoscale } = row;
  return (
    <div class="stack">
      <div class="row">
        <WorkerState row={row} />
        <WorkerButtons row={row} />
      </div>
      {row.modelProblems.map(({ model, code, message, hint }) => (
        <Notice key={model + code} tone="bad" fix={hint}>
          Model {model}: {message}
        </Notice>
      ))}
      <Facts
        facts={[
          ['Heartbeat', `${beatAge(row.beatAgeMs)} ago`],
          ['Started', <Ago key="started" at={row.startedAt} />],
          ['Host', `${row.host}, pid ${row.pid}`],
          ['Version', row.version],
          ['Device', row.gpu ?? row.device],
          [
            'GPU memory',
            gpuMemory === null
              ? undefined
              : `${bytes(gpuMemory.usedBytes)} of ${bytes(gpuMemory.totalBytes)}, used by all programs`,
          ],
          ['GPU use', gpuMemory === null ? undefined : percent(gpuMemory.utilisation)],
          ['Queues, in order', row.queues.join(', ')],
          ['Busy', percent(row.busy)],
          ['Device busy while work waits', deviceBusy(row)],
          ['In a run', plural(row.active, 'job')],
          ['Held for the next run', plural(row.notStarted, 'job')],
          [
            'Current runs',
            row.runs.map(({ model, sinceMs }) => `${model}, ${duration(sinceMs)}`).join('; ') || 'none',
          ],
          [
            'Concurrency',
            autoscale === null
              ? plural(row.concurrency, 'run')
              : `${row.concurrency} of ${autoscale.min} to ${autoscale.max} runs`,
          ],
          [
            'Throughput',
            `${perSecond(lastMinute.jobsPerSecond)} jobs/s, ${perSecond(lastMinute.rowsPerSecond)} rows/s`,
          ],
          [
            'Since start',
            `${plural(row.jobsDone, 'job')} done, ${count(row.jobsFailed)} failed, ${plural(row.rowsDone, 'row')}`,
          ],
          ['Memory', bytes(row.rssBytes)],
          ['Event loop lag', duration(row.loopLagMs)],
        ]}
      />
    </div>
  );
}

const WAITS: Readonly<Record<DeviceWait, string>> = {
  take: 'jobs from Redis',
  look: 'checks for urgent work',
  stage: 'inputs',
  settle: 'outcomes',
  restart: 'a new runner',
};

/** `72 %; waited for inputs 15 %, checks for urgent work 10 %`. */
function deviceBusy({ deviceBusy: busy }: WorkerRow): string | undefined {
  if (busy === null) return undefined;
  const waits = busy.waits.map(({ what, share }) => `${WAITS[what]} ${percent(share)}`);
  return waits.length === 0 ? percent(busy.share) : `${percent(busy.share)}; waited for ${waits.join(', ')}`;
}

function ModelTable({ row }: { row: WorkerRow }) {
  return (
    <section class="stack" aria-labelledby="models">
      <h2 id="models">Models</h2>
      <DataTable
        caption={`Models of worker ${row.name}`}
        rows={row.models}
        rowKey={({ name, version }) => `${name}@${version}`}
        columns={[
          {
            id: 'model',
            title: 'Model',
            cell: ({ name, version }) => (
              <a href={routeHref('models', name)}>
                <Name text={`${name}@${version}`} />
              </a>
            ),
          },
          {
            id: 'batch',
            title: 'Rows that run together',
            hint: 'Configured, or learned from measured runs',
            number: true,
            cell: ({ batch }) => count(batch),
          },
          {
            id: 'batching',
            title: 'Batching',
            class: 'wide',
            cell: ({ unbatched }) => batchingOf(unbatched),
          },
          {
            id: 'unload',
            title: 'Actions',
            cell: ({ name }) => (
              <ActionButton
                danger
                label={`Unload model ${name}`}
                action={{ action: 'unload', worker: row.id, model: name }}
              >
                Unload
              </ActionButton>
            ),
          },
        ]}
      />
    </section>
  );
}

function WorkerCharts({ name }: { name: string }) {
  const range = useRange(undefined, '1h');
  const { timeline, problem } = useHistory('worker', name, range);
  if (problem !== undefined) return <ProblemNotice problem={problem} />;
  if (timeline === undefined) return <Reading what="the history" />;
  const gpu = isKnown(timeline.gpuMemory) || isKnown(timeline.gpuUse);
  return (
    <section class="charts" aria-label="Charts">
      <Chart
        {...timeline}
        title="Busy"
        unit="share of its time"
        format={percent}
        most={1}
        series={[line('busy', timeline.busy)]}
      />
      <ThroughputChart {...timeline} series={[line('ended', timeline.jobs)]} />
      <Chart
        {...timeline}
        title="Batches"
        unit="rows per run"
        format={shortCount}
        series={[line('mean', timeline.rowsPerRun)]}
      />
      <Chart
        {...timeline}
        title="Runs"
        unit="95th percentile"
        format={duration}
        series={[line('run', timeline.run)]}
      />
      {gpu && (
        <Chart
          {...timeline}
          title="GPU"
          unit="share"
          format={percent}
          most={1}
          series={[line('memory in use', timeline.gpuMemory), dashed('busy', timeline.gpuUse)]}
        />
      )}
    </section>
  );
}

function Settings({ row }: { row: WorkerRow }) {
  const { actions } = useDashboard();
  const [value, setValue] = useState(String(row.concurrency));
  const [model, setModel] = useState('');
  if (!useControl()) return null;
  return (
    <section class="stack" aria-labelledby="settings">
      <h2 id="settings">Settings</h2>
      <form
        class="filters settings"
        onSubmit={(event) => {
          event.preventDefault();
          void actions.begin({ action: 'concurrency', worker: row.id, value: Number(value) });
        }}
      >
        <p class="field">
          <label for="concurrency">Concurrency (runs at a time)</label>
          <input
            id="concurrency"
            type="number"
            min="1"
            required
            value={value}
            onInput={(event) => setValue(event.currentTarget.value)}
          />
        </p>
        <button type="submit">Set</button>
      </form>
      <form
        class="filters settings"
        onSubmit={(event) => {
          event.preventDefault();
          void actions.begin({ action: 'load', worker: row.id, model: model.trim() });
        }}
      >
        <p class="field">
          <label for="load">Model to load, or to load again</label>
          <input
            id="load"
            required
            autocomplete="off"
            spellcheck={false}
            placeholder="digits"
            value={model}
            onInput={(event) => setModel(event.currentTarget.value)}
          />
        </p>
        <button type="submit">Load</button>
      </form>
    </section>
  );
}
