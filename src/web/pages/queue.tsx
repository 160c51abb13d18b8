import { useState } from 'preact/hooks';
import type { JobState, QueueRow } from '../../lib/serve/dashboard/shapes.js';
import { count, duration, percent, plural, rate } from '../format/units.js';
import { NoControlNote } from '../parts/action-button.js';
import { Chart } from '../parts/chart.js';
import { BacklogChart, LatencyChart, ThroughputChart } from '../parts/common-charts.js';
import { dashed, line } from '../parts/figures.js';
import { RangeChoice, useHistory, useRange } from '../parts/history.js';
import { Empty, PartNotice, ProblemNotice } from '../parts/notice.js';
import {
  drainOf,
  JobsLink,
  prioritiesOf,
  QueueActions,
  QueueState,
  WorkersLink,
} from '../parts/queue-state.js';
import { Facts, Reading } from '../parts/tiles.js';
import { routeHref } from '../route.js';
import { useControl, useDashboard, usePart } from '../state/hooks.js';

/** One queue: what is in it, its history, and what can be purged. */
export function QueueDetail({ name, row }: { name: string; row: QueueRow | undefined }) {
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
        {timeline === undefined && problem === undefined && <Reading what="the history" />}
        {timeline && (
          <section class="charts" aria-label="Charts">
            <ThroughputChart
              {...timeline}
              series={[line('ended', timeline.jobs), dashed('added', timeline.added)]}
            />
            <LatencyChart
              {...timeline}
              series={[line('total', timeline.total), dashed('wait', timeline.wait)]}
            />
            <BacklogChart {...timeline} series={[line('waiting', timeline.waiting)]} />
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
          ['Waiting', <JobsLink key="waiting" state="waiting" row={row} />],
          ['By priority', prioritiesOf(row.byPriority)],
          ['Oldest waiting', duration(row.oldestMs)],
          ['Time to drain', drainOf(row)],
          ['With one more worker', duration(row.etaOneMoreMs)],
          ['Active', <JobsLink key="active" state="active" row={row} />],
          ['Delayed', <JobsLink key="delayed" state="delayed" row={row} />],
          ['Completed', <JobsLink key="completed" state="completed" row={row} />],
          ['Failed', <JobsLink key="failed" state="failed" row={row} />],
          ['Expired', <JobsLink key="expired" state="expired" row={row} />],
          ['Cancelled', <JobsLink key="cancelled" state="cancelled" row={row} />],
          ['Workers', <WorkersLink key="workers" row={row} />],
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
