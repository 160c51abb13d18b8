/** One line with a value in Prometheus' text format. */
export interface ExposedSample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface ExposedMetric {
  name: string;
  help: string;
  type: string;
  samples: ExposedSample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;

/**
 * Parses Prometheus' text format strictly: HELP, then TYPE, then samples of that metric and no other, no series twice,
 * counters named `_total` and not negative, buckets that only grow and end with the count.
 * @throws Error naming the line.
 */
export function parseExposition(text: string): Map<string, ExposedMetric> {
  const metrics = new Map<string, ExposedMetric>();
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  let current: ExposedMetric | undefined;
  const series = new Set<string>();
  for (const line of text.split('\n')) {
    const fail = (why: string) => new Error(`${why}: ${line}`);
    if (line === '') continue;
    const [, keyword, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (keyword === 'HELP') {
      if (!NAME.test(name as string) || metrics.has(name as string)) throw fail('bad or repeated name');
      current = { name: name as string, help: rest as string, type: '', samples: [] };
      metrics.set(current.name, current);
    } else if (keyword === 'TYPE') {
      if (current?.name !== name || current?.type !== '') throw fail('a TYPE out of place');
      if (!/^(counter|gauge|histogram)$/.test(rest as string)) throw fail('no such type');
      (current as ExposedMetric).type = rest as string;
    } else {
      const sample = parseSample(line);
      if (current === undefined || current.type === '') throw fail('a value before its TYPE');
      const suffixes = current.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      if (!suffixes.some((suffix) => sample.name === (current as ExposedMetric).name + suffix)) {
        throw fail('a value of another metric');
      }
      const id = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`;
      if (series.has(id)) throw fail('the same series twice');
      series.add(id);
      current.samples.push(sample);
    }
  }
  for (const metric of metrics.values()) check(metric);
  return metrics;
}

function parseSample(line: string): ExposedSample {
  const [, name, labelText = '', number] = LINE.exec(line) ?? [];
  if (name === undefined) throw new Error(`not a sample: ${line}`);
  const labels: Record<string, string> = {};
  let rest = labelText;
  while (rest !== '') {
    const [whole, label, value] = LABEL.exec(rest) ?? [];
    if (whole === undefined || label === undefined) throw new Error(`bad labels: ${line}`);
    if (label in labels) throw new Error(`a label twice: ${line}`);
    labels[label] = (value as string).replace(/\\(.)/g, (_, char) => (char === 'n' ? '\n' : char));
    rest = rest.slice(whole.length);
  }
  const value = Number(number === '+Inf' ? Number.POSITIVE_INFINITY : number);
  if (Number.isNaN(value)) throw new Error(`not a number: ${line}`);
  return { name, labels, value };
}

function check({ name, help, type, samples }: ExposedMetric): void {
  if (help.trim() === '' || samples.length === 0) throw new Error(`${name} says nothing`);
  if ((type === 'counter') !== name.endsWith('_total')) throw new Error(`${name} is a ${type}`);
  if (/_(?:ms|millis|minutes|kb|mb|kilobytes|percent)(?:_|$)/.test(name))
    throw new Error(`${name}: not a base unit`);
  if (type === 'counter' && samples.some(({ value }) => !(value >= 0)))
    throw new Error(`${name} is negative`);
  if (type === 'histogram') checkHistogram(name, samples);
}

function checkHistogram(name: string, samples: readonly ExposedSample[]): void {
  for (const [of, all] of groupBySeries(samples)) {
    const buckets = all.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => (labels.le === '+Inf' ? Infinity : Number(labels.le)));
    const counts = buckets.map(({ value }) => value);
    const count = all.find((sample) => sample.name === `${name}_count`)?.value;
    const grows = (list: readonly number[], strictly: boolean) =>
      list.every(
        (n, i) => i === 0 || (strictly ? n > (list[i - 1] as number) : n >= (list[i - 1] as number)),
      );
    if (!grows(bounds, true) || !grows(counts, false))
      throw new Error(`buckets of ${name} ${of} do not grow`);
    if (bounds.at(-1) !== Infinity || counts.at(-1) !== count) throw new Error(`${name} ${of} has no +Inf`);
    if (!all.some((sample) => sample.name === `${name}_sum`)) throw new Error(`${name} ${of} has no sum`);
  }
}

function seriesOf({ labels }: ExposedSample): string {
  return JSON.stringify(Object.entries(labels).filter(([label]) => label !== 'le'));
}

function groupBySeries(samples: readonly ExposedSample[]): Map<string, ExposedSample[]> {
  const groups = new Map<string, ExposedSample[]>();
  for (const sample of samples) {
    const id = seriesOf(sample);
    groups.set(id, [...(groups.get(id) ?? []), sample]);
  }
  return groups;
}

/** The value of the series with these labels, whatever others it has; undefined when there is none. */
export function exposedValue(
  metrics: ReadonlyMap<string, ExposedMetric>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const metric = metrics.get(name) ?? metrics.get(name.replace(/_(bucket|sum|count)$/, ''));
  return metric?.samples.find(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )?.value;
}
