import type { Totals } from '../../lib/serve/dashboard/shapes.js';
import { count, duration, percent, perSecond, plural, rate, sentence } from '../format/units.js';
import { Chart } from '../parts/chart.js';
import { BacklogChart, LatencyChart, ThroughputChart } from '../parts/common-charts.js';
import { dashed, isKnown, line } from '../parts/figures.js';
import { RangeChoice, useDeploymentTimeline, useRange } from '../parts/history.js';
import { Command, Notice, PartNotice, ProblemNotice } from '../parts/notice.js';
import { Status } from '../parts/status.js';
import { Tile, Tiles } from '../parts/tiles.js';
import { routeHref } from '../route.js';
import { usePart } from '../state/hooks.js';

/** Problems shown before the rest is folded away. */
const SHOWN_PROBLEMS = 4;

/** What the deployment does, and what is wrong with it. */
export function OverviewPage() {
  const totals = usePart('totals');
  const data = totals?.data;
  return (
    <>
      <div class="page-head">
        <h1>Overview</h1>
        <RangeChoice />
      </div>
      <div class="stack">
        <PartNotice part={totals} what="The figures" />
        <Problems />
        {data && (data.queues === 0 && data.workers === 0 ? <FirstSteps /> : <Figures totals={data} />)}
        <Charts />
      </div>
    </>
  );
}

function Problems() {
  const part = usePart('problems');
  const problems = part?.data;
  if (problems === undefined || problems === null) return <PartNotice part={part} what="The problems" />;
  if (problems.length === 0) {
    return (
      <p class="quiet">
        <Status tone="good" text="No problems" />
      </p>
    );
  }
  const [first, rest] = [problems.slice(0, SHOWN_PROBLEMS), problems.slice(SHOWN_PROBLEMS)];
  return (
    <section aria-label="Problems" class="stack">
      <ul class="notices">
        {first.map(({ code, message, fix }) => (
          <li key={code + message}>
            <Notice fix={fix}>
              <Status tone="warn" text="Problem" /> {sentence(message)}
            </Notice>
          </li>
        ))}
      </ul>
      {rest.length > 0 && (
        <details>
          <summary>{plural(rest.length, 'more problem')}</summary>
          <ul class="notices">
            {rest.map(({ code, message, fix }) => (
              <li key={code + message}>
                <Notice fix={fix}>{sentence(message)}</Notice>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function FirstSteps() {
  return (
    <div class="empty">
      <p>There are no queues and no workers yet. Start a worker, then submit a job:</p>
      <p>
        <Command text="infer worker" />
      </p>
      <p>
        <Command text="infer submit examples/one-digit.json --wait" />
      </p>
    </div>
  );
}

function Figures({ totals }: { totals: Totals }) {
  const { lastMinute, waiting, oldestMs, etaMs } = totals;
  const arriving = `${rate(totals.arrivalsPerSecond ?? 0)} arriving`;
  const p50 = (spread: { p50: number } | null) =>
    spread === null ? 'no job ended in the last minute' : `median ${duration(spread.p50)}`;
  return (
    <Tiles label="Now">
      <Tile title="Throughput" value={perSecond(totals.jobsPerSecond ?? 0)} unit="jobs/s" note={arriving} />
      <Tile
        title="Wait p95"
        hint="95 of 100 jobs of the last minute started within this time"
        value={duration(lastMinute.waitMs?.p95)}
        note={p50(lastMinute.waitMs)}
      />
      <Tile
        title="Total p95"
        hint="95 of 100 jobs of the last minute ended within this time of their submit"
        value={duration(lastMinute.totalMs?.p95)}
        note={p50(lastMinute.totalMs)}
      />
      <Tile
        title="Oldest waiting"
        value={duration(oldestMs)}
        note={
          <a href={routeHref('jobs', undefined, { state: 'waiting' })}>{plural(waiting, 'job')} waiting</a>
        }
      />
      <Tile
        title="Time to drain"
        value={waiting === 0 ? duration(0) : duration(etaMs)}
        note={drainNote(totals)}
        tone={waiting > 0 && etaMs === null ? 'warn' : undefined}
      />
      <Tile
        title="Failed"
        value={percent(totals.failedShare)}
        note={<a href={routeHref('failures')}>{count(lastMinute.failed)} in the last minute</a>}
        tone={lastMinute.failed > 0 ? 'bad' : undefined}
      />
      <Tile title="Devices busy" value={percent(totals.busy)} note={workersNote(totals)} />
    </Tiles>
  );
}

function drainNote({ waiting, etaMs, pausedQueues }: Totals): string {
  if (waiting === 0) return 'nothing waits';
  if (pausedQueues > 0) return `${plural(pausedQueues, 'queue')} paused`;
  return etaMs === null ? 'not draining' : 'at the present rate';
}

function workersNote({ devices, workers, silentWorkers }: Totals) {
  const silent = silentWorkers === 0 ? '' : `, ${count(silentWorkers)} silent`;
  return (
    <a href={routeHref('workers')}>
      {plural(devices, 'device')}, {plural(workers, 'worker')}
      {silent}
    </a>
  );
}

function Charts() {
  const range = useRange();
  const { timeline, problem } = useDeploymentTimeline(range);
  if (problem !== undefined) return <ProblemNotice problem={problem} />;
  if (timeline === undefined) return <p class="quiet">Reading the history …</p>;
  const { at, from, to } = timeline;
  const time = { at, from, to };
  const failed = isKnown(timeline.failed)
    ? [line('failed', timeline.failed, { ink: 'bad', dash: [2, 2] })]
    : [];
  return (
    <section class="charts" aria-label="Charts">
      <ThroughputChart
        {...time}
        series={[line('ended', timeline.jobs), dashed('added', timeline.added), ...failed]}
      />
      <LatencyChart {...time} series={[line('total', timeline.total), dashed('wait', timeline.wait)]} />
      <BacklogChart {...time} series={[line('waiting', timeline.waiting)]} />
      <Chart
        {...time}
        title="Devices busy"
        unit="share of their time"
        format={percent}
        most={1}
        series={[line('busy', timeline.busy)]}
      />
    </section>
  );
}
