import { useMemo } from 'preact/hooks';
import { type History, RANGES, type Range } from '../state/history-shapes.js';
import { useAnswer, useDashboard, useObservable, useRoute, useSetParams } from '../state/hooks.js';
import { liveTimeline, recordedTimeline, refreshMs, type Timeline, withRecorded } from '../state/series.js';
import type { RequestProblem } from '../stream/problem.js';
import { Choice } from './choice.js';

/** The range in the address. */
export function useRange(ranges: readonly Range[] = RANGE_NAMES, first: Range = '5m'): Range {
  const { params } = useRoute();
  return ranges.find((one) => one === params.range) ?? first;
}

const MINUTE_MS = 60_000;
const RANGE_NAMES = Object.keys(RANGES) as Range[];

/** Chooses the range of the charts; it is kept in the address. */
export function RangeChoice({
  ranges = RANGE_NAMES,
  first = '5m',
}: {
  ranges?: readonly Range[];
  first?: Range;
}) {
  const setParams = useSetParams();
  return (
    <Choice
      label="Time that the charts show"
      options={ranges.map((one) => [one, RANGES[one]] as const)}
      value={useRange(ranges, first)}
      onChange={(range) => setParams({ range })}
    />
  );
}

export interface Shown {
  timeline: Timeline | undefined;
  problem: RequestProblem | undefined;
}

/** A series as recorded in Redis. @param range undefined: it is not read */
export function useHistory(
  kind: 'all' | 'queue' | 'model' | 'worker',
  name: string | undefined,
  range: Range | undefined,
  { once = false } = {},
): Shown {
  const { api } = useDashboard();
  const { data, problem } = useAnswer<History>(
    range === undefined ? undefined : JSON.stringify([kind, name, range]),
    (signal) => api.get('api/history', { kind, name, range }, signal),
    range === undefined || once ? undefined : refreshMs(range),
  );
  const timeline = useMemo(() => (data === undefined ? undefined : recordedTimeline(data)), [data]);
  return { timeline, problem };
}

/** The whole deployment: from the live stream over five minutes, else as recorded. */
export function useDeploymentTimeline(range: Range): Shown {
  const dashboard = useDashboard();
  const points = useObservable(dashboard.points);
  const live = useMemo(
    () => (range === '5m' ? liveTimeline(points, points.at(-1)?.at ?? dashboard.now()) : undefined),
    [points, range, dashboard],
  );
  const { api } = dashboard;
  // The server keeps live points only while someone looks: those before are read once, by the minute.
  const covered = live !== undefined && (live.at[0] ?? live.to) < live.from + MINUTE_MS;
  const { data, problem } = useAnswer<History>(
    covered ? undefined : range,
    (signal) => api.get('api/history', { kind: 'all', range }, signal),
    live === undefined ? refreshMs(range) : undefined,
  );
  const recorded = useMemo(() => (data === undefined ? undefined : recordedTimeline(data)), [data]);
  if (live === undefined) return { timeline: recorded, problem };
  return { timeline: recorded === undefined ? live : withRecorded(live, recorded), problem: undefined };
}
