import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { timeLabels } from '../format/axis.js';
import { localTime, utcTime } from '../format/time.js';
import { useDashboard, useObservable } from '../state/hooks.js';
import { themeChanges } from '../state/theme.js';

/** Colours of lines, as tokens of `tokens.css`. */
type Ink = 'accent' | 'second' | 'bad' | 'good' | 'warn';

export interface Series {
  label: string;
  ink: Ink;
  dash?: [number, number];
  /** By the chart's times; null where it is not known. */
  values: readonly (number | null)[];
}

export interface ChartProps {
  title: string;
  /** Of all its values, such as `jobs per second`. */
  unit: string;
  /** Milliseconds since the epoch, ascending. */
  at: readonly number[];
  series: readonly Series[];
  /** What the time axis shows. */
  from: number;
  to: number;
  format(value: number | null): string;
  /** At least this much of the vertical axis is shown. */
  least?: number;
  /** The vertical axis ends here. */
  most?: number;
  /** Shown instead of an empty chart. */
  nothing?: string;
}

const HEIGHT = 152;
/** Space at the right of a plot, in pixels. */
const RIGHT = 8;
/** Rows of the table that stands for a chart. */
const TABLE_ROWS = 60;

/** Charts that are shown together have one cursor. */
const cursors = uPlot.sync('time');

/**
 * Lines over time, drawn by uPlot. The legend has the current values, or those under the cursor; a table has all of
 * them, for screen readers and for copying.
 */
export function Chart(props: ChartProps) {
  const { title, unit, at, series, format, nothing = 'Nothing recorded in this time' } = props;
  const [under, setUnder] = useState<number | null>(null);
  const plot = usePlot(props, setUnder);
  const now = useDashboard().now();
  const index = under !== null && under < at.length ? under : at.length - 1;
  const empty = !series.some(({ values }) => values.some((value) => value !== null));
  const current = series.map(({ label, values }) => `${label} ${format(values[values.length - 1] ?? null)}`);
  return (
    <figure class="chart">
      <div class="chart-head">
        <h2>
          {title} <span class="unit">{unit}</span>
        </h2>
        <dl class="legend">
          {series.map(({ label, ink, dash, values }) => (
            <div key={label}>
              <dt>
                <Sample ink={ink} dash={dash} />
                {label}
              </dt>
              <dd>{format(values[index] ?? null)}</dd>
            </div>
          ))}
          {under !== null && at[index] !== undefined && (
            <div>
              <dt>at</dt>
              <dd>{localTime(at[index], now)}</dd>
            </div>
          )}
        </dl>
      </div>
      <div class="plot" role="img" aria-label={`${title}, ${unit}. Now: ${current.join(', ')}`} ref={plot}>
        {empty && <span class="no-data">{nothing}</span>}
      </div>
      <ChartTable {...props} />
    </figure>
  );
}

function Sample({ ink, dash }: { ink: Ink; dash: [number, number] | undefined }) {
  return (
    <svg viewBox="0 0 18 8" aria-hidden="true">
      <path d="M0 4h18" stroke={`var(--${ink})`} stroke-width="2" stroke-dasharray={dash?.join(' ')} />
    </svg>
  );
}

/** The same values as a table, which is made only when it is opened. */
function ChartTable({ title, unit, at, series, format }: ChartProps) {
  const [open, setOpen] = useState(false);
  const now = useDashboard().now();
  const step = Math.max(1, Math.ceil(at.length / TABLE_ROWS));
  const rows = open ? at.map((time, index) => ({ time, index })).filter((_, i) => i % step === 0) : [];
  const name = `${title}, ${unit}`;
  return (
    <details class="as-table" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        As a table<span class="visually-hidden">: {name}</span>
      </summary>
      {open && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        // biome-ignore lint/a11y/useSemanticElements: a fieldset is for fields
        <div class="table-wrap" role="group" aria-label={`Table of ${name}`} tabIndex={0}>
          <table>
            <caption class="visually-hidden">{name}</caption>
            <thead>
              <tr>
                <th scope="col">Time</th>
                {series.map(({ label }) => (
                  <th scope="col" class="num" key={label}>
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.reverse().map(({ time, index }) => (
                <tr key={time}>
                  <th scope="row" title={utcTime(time)}>
                    {localTime(time, now)}
                  </th>
                  {series.map(({ label, values }) => (
                    <td class="num" key={label}>
                      {format(values[index] ?? null)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

/** Creates the plot once, and gives it new data and its width. Returns the ref of its element. */
function usePlot(props: ChartProps, onCursor: (index: number | null) => void) {
  const element = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const inks = useObservable(themeChanges);
  const shape = props.series.map(({ label, ink }) => label + ink).join();
  useEffect(() => {
    const target = element.current as HTMLDivElement;
    const made = new uPlot(options(latest, target, onCursor), dataOf(latest.current), target);
    plot.current = made;
    cursors.sub(made);
    const observer = new ResizeObserver(() => made.setSize({ width: target.clientWidth, height: HEIGHT }));
    observer.observe(target);
    return () => {
      observer.disconnect();
      cursors.unsub(made);
      made.destroy();
      plot.current = undefined;
    };
  }, [shape]);
  useEffect(
    () => plot.current?.setData(dataOf(latest.current)),
    [props.at, props.series, props.from, props.to],
  );
  useEffect(() => plot.current?.redraw(false), [inks]);
  return element;
}

function dataOf({ at, series }: ChartProps): uPlot.AlignedData {
  return [at.map((ms) => ms / 1000), ...series.map(({ values }) => values as (number | null)[])];
}

function options(
  latest: { current: ChartProps },
  target: HTMLElement,
  onCursor: (index: number | null) => void,
): uPlot.Options {
  const ink = (name: string) => () => getComputedStyle(target).getPropertyValue(`--${name}`).trim();
  const font = `12px ${getComputedStyle(target).fontFamily}`;
  const axis: Partial<uPlot.Axis> = {
    stroke: ink('muted'),
    font,
    grid: { stroke: ink('line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: target.clientWidth,
    height: HEIGHT,
    padding: [8, RIGHT, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: 'time' },
      y: false,
      drag: { x: false, y: false },
      points: { size: 6 },
    },
    scales: {
      x: { time: true, range: () => [latest.current.from / 1000, latest.current.to / 1000] },
      y: {
        range: (_plot, _min, max) => {
          const { least = 0, most } = latest.current;
          if (most !== undefined) return [0, most];
          const top = Math.max(least, Number.isFinite(max) ? max * 1.08 : 0);
          return [0, top > 0 ? top : 1];
        },
      },
    },
    axes: [
      {
        ...axis,
        size: 28,
        space: 72,
        values: (plot, ticks) => {
          const { from, to } = latest.current;
          const width = plot.bbox.width / devicePixelRatio;
          return timeLabels(
            ticks.map((tick) => tick * 1000),
            { from, to, width, space: RIGHT },
          );
        },
      },
      {
        ...axis,
        size: 60,
        space: 32,
        values: (_plot, ticks) => ticks.map((tick) => latest.current.format(tick)),
      },
    ],
    series: [
      {},
      ...latest.current.series.map(({ label, ink: name, dash }) => ({
        label,
        stroke: ink(name),
        width: 1.5,
        // A line needs two neighbours; a single known value is a point.
        points: {
          show: true,
          size: 4,
          fill: ink(name),
          filter: (plot: uPlot, at: number) => lonelyPoints(plot.data[at] as Values),
        },
        ...(dash === undefined ? {} : { dash }),
      })),
    ],
    hooks: { setCursor: [({ cursor }) => onCursor(cursor.idx ?? null)] },
  };
}

type Values = Series['values'];

/** Indices of the values without a known neighbour. */
function lonelyPoints(values: Values): number[] {
  const known = (index: number) => values[index] !== null && values[index] !== undefined;
  return values.flatMap((_, at) => (known(at) && !known(at - 1) && !known(at + 1) ? [at] : []));
}
