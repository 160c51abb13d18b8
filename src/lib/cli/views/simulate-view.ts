import { count } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import type { Figures } from '../../scale/report.js';
import type { SimulationJson } from '../../scale/simulate-run.js';
import type { TimelineJson } from '../../scale/timeline.js';
import { type Cell, type Column, renderTable } from '../output/table.js';
import { heading, type Layout } from '../output/text.js';

const COLUMNS: Column[] = [
  { title: 'TRACE' },
  { title: 'POLICY' },
  ...['IN TIME', 'GPU-H/H', 'MEAN WAIT', 'P99 WAIT', 'STARTS/H', 'FLIPS/H', 'MAKESPAN'].map((title) => ({
    title,
    align: 'right' as const,
  })),
];

/** One table; on a terminal and for one trace, also the course over time. */
export function simulateView(simulation: SimulationJson, layout: Layout): string[] {
  const { traces, mean } = simulation;
  const rows = traces.flatMap(({ trace, policies }) =>
    policies.map((one, at) => rowOf(at === 0 || !layout.tty ? trace : '', one.policy, one.figures)),
  );
  if (traces.length > 1) {
    rows.push(
      ...mean.map((one, at) =>
        rowOf(at === 0 || !layout.tty ? 'mean' : '', one.policy, one.figures, layout.tty),
      ),
    );
  }
  const table = renderTable(COLUMNS, rows, layout);
  return layout.tty ? [...table, ...chartLines(simulation, layout)] : table;
}

/** The assumptions behind the figures; "in time" means waiting no longer than the target. */
export function assumptionsText(simulation: SimulationJson): string {
  const { coldStartMs, serviceMs, serviceFromTrace, targetWaitMs, min, max, spare, seeds } = simulation;
  const bounds = `${min} to ${max} workers${spare > 0 ? `, ${spare} spare` : ''}`;
  return (
    `In time: a wait of ${formatDuration(targetWaitMs)} at most. Cold start ${formatDuration(coldStartMs)}, ` +
    `${formatDuration(serviceMs)} a job${serviceFromTrace ? ' (mean of the file)' : ''}, ${bounds}, mean of ${seeds} seed${seeds === 1 ? '' : 's'}.`
  );
}

function rowOf(trace: string, policy: string, figures: Figures, bold = false): Cell[] {
  const share = `${(figures.slo * 100).toFixed(1)} %`;
  const hours = figures.gpuHoursPerHour.toFixed(2);
  const strong = (text: string): Cell => (bold ? { text, format: 'bold' } : text);
  return [
    trace,
    policy,
    strong(share),
    strong(hours),
    formatDuration(figures.meanWaitMs),
    formatDuration(figures.p99WaitMs),
    figures.startsPerHour.toFixed(1),
    figures.flipsPerHour.toFixed(1),
    formatDuration(figures.makespanMs),
  ];
}

const BARS = ' ▁▂▃▄▅▆▇█';
const LABEL = 22;
const LEAST_CHART = 20;

function chartLines({ traces }: SimulationJson, { width, paint }: Layout): string[] {
  const room = Math.min(100, width) - LABEL;
  const [only] = traces;
  if (traces.length !== 1 || only === undefined || room < LEAST_CHART) return [];
  const lines = ['', heading(`${printable(only.trace)}, the first seed`, paint)];
  for (const [at, { policy, timeline }] of only.policies.entries()) {
    if (timeline === undefined) continue;
    if (at === 0) lines.push(barLine('jobs/s in', timeline.arrivals, room));
    lines.push(paint('bold', policy));
    lines.push(barLine('  waiting', timeline.backlog, room));
    lines.push(barLine('  workers', timeline.ready, room));
  }
  const first = only.policies[0]?.timeline;
  if (first !== undefined) lines.push(axisLine(first, room));
  return lines;
}

/** A row of bars after its highest value: `waiting      max 420 ▁▃█▂`. */
function barLine(label: string, values: readonly number[], room: number): string {
  const columns = squeezed(values, room);
  const most = Math.max(...columns, 0);
  const bars = columns.map((value) => {
    // Anything above zero is visible.
    const step = most === 0 ? 0 : Math.ceil((value / most) * (BARS.length - 1));
    return BARS[step] as string;
  });
  const head = `${label.padEnd(11)}max ${count(most)}`.padEnd(LABEL - 1);
  return `${head} ${bars.join('')}`.trimEnd();
}

/** The highest of each column's values: a short peak must remain visible. */
function squeezed(values: readonly number[], room: number): number[] {
  const columns = Math.min(room, values.length);
  return Array.from({ length: columns }, (_, at) => {
    const from = Math.floor((at * values.length) / columns);
    const to = Math.max(from + 1, Math.floor(((at + 1) * values.length) / columns));
    return Math.max(...values.slice(from, to));
  });
}

function axisLine({ pieceMs, arrivals }: TimelineJson, room: number): string {
  const columns = Math.min(room, arrivals.length);
  const end = formatDuration(pieceMs * arrivals.length);
  return `${' '.repeat(LABEL)}0${end.padStart(Math.max(end.length + 1, columns - 1))}`;
}

/** The policies' decisions as they put them: for `--verbose`. */
export function decisionLines({ traces }: SimulationJson): string[] {
  return traces.flatMap(({ policies }) =>
    policies.flatMap(({ policy, timeline }) =>
      (timeline?.decisions ?? []).map(
        ({ atMs, reason }) => `${policy} at ${formatDuration(atMs)}: ${printable(reason)}`,
      ),
    ),
  );
}
