import { useMemo } from 'preact/hooks';
import type { AutoscalerRow } from '../../lib/serve/dashboard/shapes.js';
import { duration, plural, shortCount } from '../format/units.js';
import { Chart } from '../parts/chart.js';
import { dashed, line } from '../parts/figures.js';
import { Name } from '../parts/name.js';
import { Empty, Notice, PartNotice } from '../parts/notice.js';
import { Status } from '../parts/status.js';
import { DataTable } from '../parts/table.js';
import { Facts } from '../parts/tiles.js';
import { Time } from '../parts/time.js';
import { useNow, usePart } from '../state/hooks.js';

/** What autoscalers decided, and why. */
export function AutoscalerPage() {
  const part = usePart('autoscalers');
  return (
    <>
      <div class="page-head">
        <h1>Autoscaler</h1>
      </div>
      <div class="stack-wide">
        <PartNotice part={part} what="The autoscalers" />
        {part?.data?.length === 0 && (
          <Empty command="infer autoscale -Q realtime --min 1 --max 4">
            No autoscaler runs. It starts and stops workers so that jobs wait no longer than a target:
          </Empty>
        )}
        {part?.data?.map((row) => (
          <Autoscaler key={row.id} row={row} />
        ))}
      </div>
    </>
  );
}

function Autoscaler({ row }: { row: AutoscalerRow }) {
  const now = useNow();
  const chart = useMemo(() => decisionsChart(row, now), [row, now]);
  return (
    <section class="stack" aria-label={`Autoscaler ${row.id}`}>
      <div class="row">
        <h2>
          <Name text={row.pool} />
        </h2>
        <span class="muted">
          on <Name text={row.host} />
        </span>
        {row.hold !== null ? <Status tone="warn" text="on hold" /> : <Status tone="good" text="active" />}
        {row.dryRun && <Status tone="off" text="dry run: it starts and stops nothing" />}
      </div>
      {row.hold !== null && <Notice>It starts and stops nothing: {row.hold}.</Notice>}
      {row.troubles.map(({ slot, state, reason }) => (
        <Notice key={slot} tone={state === 'failed' ? 'bad' : 'warn'}>
          Slot {slot} is {state}: {reason}
        </Notice>
      ))}
      <p>
        <strong>Last decision:</strong> {row.reason}
      </p>
      <Facts
        facts={[
          ['Wanted', plural(row.desired, 'worker')],
          ['Running', `${row.running}, of which ${row.ready} ready`],
          ['Bounds', `${row.min} to ${row.max}`],
          ['Target wait', duration(row.targetWaitMs)],
          ['Policy', row.policy],
          ['Queues', row.queues.join(', ')],
          ['Decided', <Time key="decided" at={row.decidedAt} />],
        ]}
      />
      <Chart
        {...chart}
        title="Workers"
        unit="number"
        format={shortCount}
        least={row.max}
        nothing="No decision seen in the last five minutes"
      />
      <DataTable
        caption={`Decisions of ${row.pool}`}
        rows={row.decisions}
        rowKey={({ at }) => String(at)}
        columns={[
          { id: 'at', title: 'Time', cell: ({ at }) => <Time at={at} /> },
          { id: 'wanted', title: 'Wanted', number: true, cell: ({ desired }) => desired },
          { id: 'running', title: 'Running', number: true, cell: ({ running }) => running },
          { id: 'ready', title: 'Ready', number: true, cell: ({ ready }) => ready },
          { id: 'reason', title: 'Why', class: 'wide', cell: ({ reason }) => reason },
        ]}
      />
    </section>
  );
}

/** Steps: each decision holds until the next. */
function decisionsChart(row: AutoscalerRow, now: number) {
  const past = [...row.decisions].reverse();
  const first = past[0];
  const to = Math.max(now, row.decidedAt);
  const from = Math.min(first?.at ?? to - 60_000, to - 60_000);
  const at: number[] = [];
  const desired: (number | null)[] = [];
  const ready: (number | null)[] = [];
  past.forEach((decision, index) => {
    const previous = past[index - 1];
    if (previous !== undefined) {
      at.push(decision.at - 1);
      desired.push(previous.desired);
      ready.push(previous.ready);
    }
    at.push(decision.at);
    desired.push(decision.desired);
    ready.push(decision.ready);
  });
  at.push(to);
  desired.push(row.desired);
  ready.push(row.ready);
  return { at, from, to, series: [line('wanted', desired), dashed('ready', ready)] };
}
