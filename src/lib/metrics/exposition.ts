import { Counter, Gauge, Histogram, type Metric, Registry } from 'prom-client';
import { ETA_FAMILIES } from './eta-families.js';
import { EXPORTER_FAMILIES } from './exporter-families.js';
import type { Family, HistogramFamily, MetricsView } from './family.js';
import { HTTP_FAMILIES } from './http-families.js';
import { MODEL_FAMILIES } from './model-families.js';
import { QUEUE_FAMILIES } from './queue-families.js';
import { REDIS_FAMILIES } from './redis-families.js';
import { WORKER_FAMILIES } from './worker-families.js';

/** All metrics, in the order in which they are written. */
export const FAMILIES: readonly Family[] = [
  ...EXPORTER_FAMILIES,
  ...ETA_FAMILIES,
  ...QUEUE_FAMILIES,
  ...MODEL_FAMILIES,
  ...WORKER_FAMILIES,
  ...REDIS_FAMILIES,
  ...HTTP_FAMILIES,
];

/** One value of a metric, for `--json`. */
export interface MetricJson {
  name: string;
  type: string;
  labels: Record<string, string | number>;
  value: number;
}

/**
 * The metrics in Prometheus's text format. A registry is created for each call, so what no longer exists in
 * Redis is not reported, and no metric keeps a state of its own.
 */
export async function exposition(view: MetricsView): Promise<{ contentType: string; text: string }> {
  const registry = await filled(view);
  return { contentType: registry.contentType, text: await registry.metrics() };
}

/** The same values, individually. */
export async function metricValues(view: MetricsView): Promise<MetricJson[]> {
  const metrics = await (await filled(view)).getMetricsAsJSON();
  return metrics.flatMap(({ name, type, values }) =>
    values.map((sample) => ({
      name: (sample as { metricName?: string }).metricName ?? name,
      type: String(type),
      labels: sample.labels as Record<string, string | number>,
      value: sample.value,
    })),
  );
}

async function filled(view: MetricsView): Promise<Registry> {
  const registry = new Registry();
  for (const family of FAMILIES) {
    const metric = metricOf(family, view);
    if (metric !== undefined) registry.registerMetric(metric);
  }
  return registry;
}

/** Undefined when there is no value: a name without one says nothing. */
function metricOf(family: Family, view: MetricsView): Metric | undefined {
  const config = { name: family.name, help: family.help, labelNames: [...family.labels], registers: [] };
  if (family.type === 'histogram') {
    const metric = new CountedHistogram(family, view);
    return metric.size === 0 ? undefined : metric;
  }
  const samples = family.samples(view);
  if (samples.length === 0) return undefined;
  if (family.type === 'counter') {
    const metric = new Counter(config);
    for (const [labels, value] of samples) metric.inc(labels, value);
    return metric;
  }
  const metric = new Gauge(config);
  for (const [labels, value] of samples) metric.set(labels, value);
  return metric;
}

interface HistogramValue {
  labels: Record<string, string | number>;
  sharedLabels: Record<string, string>;
  value: number;
  metricName: string;
}

/** A histogram whose buckets were counted elsewhere: prom-client's own can only observe value by value. */
class CountedHistogram extends Histogram<string> {
  private readonly values: HistogramValue[];

  constructor(
    private readonly family: HistogramFamily,
    view: MetricsView,
  ) {
    const { name, help, labels, bounds } = family;
    super({ name, help, labelNames: [...labels], buckets: [...bounds], registers: [] });
    this.values = family.series(view).flatMap(([own, counted]) => {
      const line = (suffix: string, value: number, more: Record<string, string> = {}) => ({
        labels: { ...more, ...own },
        sharedLabels: {},
        value,
        metricName: `${name}_${suffix}`,
      });
      return [
        ...bounds.map((bound, at) => line('bucket', counted.upTo[at] ?? 0, { le: String(bound) })),
        line('bucket', counted.count, { le: '+Inf' }),
        line('sum', counted.sum),
        line('count', counted.count),
      ];
    });
  }

  get size(): number {
    return this.values.length;
  }

  /** The registry, and `get`, read the values from this; not in the package's types. */
  async getForPromString() {
    const { name, help } = this.family;
    return { name, help, type: 'histogram', aggregator: 'sum', values: this.values };
  }
}
