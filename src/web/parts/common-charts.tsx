import { duration, rate, shortCount } from '../format/units.js';
import { Chart, type ChartProps } from './chart.js';

/** What a page adds to a chart that several pages show. */
type OverTime = Pick<ChartProps, 'at' | 'from' | 'to' | 'series' | 'nothing'>;

export const ThroughputChart = (props: OverTime) => (
  <Chart {...props} title="Throughput" unit="jobs per second" format={rate} />
);

export const LatencyChart = (props: OverTime) => (
  <Chart {...props} title="Latency" unit="95th percentile" format={duration} />
);

export const BacklogChart = (props: OverTime) => (
  <Chart {...props} title="Backlog" unit="jobs waiting" format={shortCount} least={4} />
);
