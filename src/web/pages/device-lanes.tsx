import { useState } from 'preact/hooks';
import type { WorkerRow } from '../../lib/serve/dashboard/shapes.js';
import { count, percent } from '../format/units.js';
import { RangeChoice, useHistory, useRange } from '../parts/history.js';
import { LaneStrip } from '../parts/lane.js';
import { slotMeans } from '../parts/lane-slots.js';
import { Name } from '../parts/name.js';
import { DataTable } from '../parts/table.js';
import { RANGES, type Range } from '../state/history-shapes.js';
import { useDashboard, useObservable } from '../state/hooks.js';
import { RECENT_MS } from '../state/recent.js';

const MINUTE_MS = 60_000;
/** Lanes that are drawn each second, and those that are read from the history: one request each. */
const LIVE_MAX = 32;
const RECORDED_MAX = 12;

/** What each device did over time. The busiest come first when there are too many to show. */
export function DeviceLanes({ rows }: { rows: readonly WorkerRow[] }) {
  const range = useRange();
  const most = range === '5m' ? LIVE_MAX : RECORDED_MAX;
  const shown =
    rows.length <= most ? rows : [...rows].sort((a, b) => (b.busy ?? 0) - (a.busy ?? 0)).slice(0, most);
  const withGpu = shown.some(({ gpuMemory }) => gpuMemory !== null);
  const lane = (row: WorkerRow, kind: LaneKind) =>
    range === '5m' ? (
      <LiveLane row={row} kind={kind} withPast={shown.length <= RECORDED_MAX} />
    ) : (
      <RecordedLane row={row} kind={kind} range={range} />
    );
  return (
    <section class="stack" aria-labelledby="lanes">
      <div class="row between">
        <h2 id="lanes">Devices over time</h2>
        <RangeChoice />
      </div>
      {shown.length < rows.length && (
        <p class="muted">
          The {count(most)} busiest of {count(rows.length)} workers
        </p>
      )}
      <DataTable
        caption={`Devices over the last ${RANGES[range]}`}
        class="lanes"
        rows={shown}
        rowKey={({ id }) => id}
        columns={[
          { id: 'worker', title: 'Worker', cell: ({ name }) => <Name text={name} /> },
          { id: 'device', title: 'Device', cell: ({ device, gpu }) => <Name text={gpu ?? device} /> },
          {
            id: 'busy',
            title: 'Busy',
            unit: `share of its time, the last ${RANGES[range]}`,
            cell: (row) => lane(row, 'busy'),
          },
          { id: 'now', title: 'Now', number: true, cell: ({ busy }) => percent(busy) },
          ...(withGpu
            ? [
                {
                  id: 'use',
                  title: 'GPU use',
                  unit: 'share of its time',
                  cell: (row: WorkerRow) => lane(row, 'gpuUse'),
                },
                {
                  id: 'memory',
                  title: 'GPU memory',
                  unit: 'share in use',
                  cell: (row: WorkerRow) => lane(row, 'gpuMemory'),
                },
              ]
            : []),
        ]}
      />
    </section>
  );
}

type LaneKind = 'busy' | 'gpuUse' | 'gpuMemory';

const NAMES: Readonly<Record<LaneKind, string>> = {
  busy: 'busy',
  gpuUse: 'GPU use',
  gpuMemory: 'GPU memory',
};

/** As seen since this page was opened; what was recorded before is read once, unless there are many. */
function LiveLane({ row, kind, withPast }: { row: WorkerRow; kind: LaneKind; withPast: boolean }) {
  const { at, byWorker } = useObservable(useDashboard().lanes);
  const to = at.at(-1) ?? 0;
  const from = to - RECENT_MS;
  const [covered] = useState((at[0] ?? to) < from + MINUTE_MS);
  const { timeline } = useHistory('worker', row.name, withPast && !covered ? '5m' : undefined, {
    once: true,
  });
  const past = timeline && slotMeans(timeline.at, timeline[kind], from, to, { holdMs: MINUTE_MS });
  const live = slotMeans(at, byWorker.get(row.id)?.[kind] ?? [], from, to);
  return (
    <LaneStrip
      label={`${row.name}, ${NAMES[kind]}`}
      means={live.map((mean, slot) => mean ?? past?.[slot] ?? null)}
    />
  );
}

function RecordedLane({ row, kind, range }: { row: WorkerRow; kind: LaneKind; range: Range }) {
  const { timeline, problem } = useHistory('worker', row.name, range);
  if (problem !== undefined) return <span class="muted">{problem.message}</span>;
  if (timeline === undefined) return <span class="muted">reading …</span>;
  const { at, from, to } = timeline;
  const holdMs = (at[1] ?? to) - (at[0] ?? from);
  return (
    <LaneStrip
      label={`${row.name}, ${NAMES[kind]}`}
      means={slotMeans(at, timeline[kind], from, to, { holdMs })}
    />
  );
}
