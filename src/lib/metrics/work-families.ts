import type { HistogramFamily, Labels, Reading, Sample, ValueFamily } from './family.js';
import type { HistogramName, QueueWork } from './work-sums.js';

type WorkSamples<L extends Labels> = (work: QueueWork, labels: L) => readonly Sample[];

/**
 * Creates the metrics of workers' work, summed by queue or by queue and model.
 * @param names of the labels that distinguish the sums.
 * @param sums each with its labels.
 */
export function workFamilies<L extends Labels>(
  names: readonly (keyof L & string)[],
  sums: (reading: Reading) => readonly (readonly [labels: L, work: QueueWork])[],
) {
  return {
    counter: (
      name: ValueFamily['name'],
      help: string,
      samples: WorkSamples<L>,
      ...more: string[]
    ): ValueFamily => ({
      name,
      help,
      type: 'counter',
      labels: [...names, ...more],
      samples: ({ reading }) =>
        reading === undefined ? [] : sums(reading).flatMap(([labels, work]) => samples(work, labels)),
    }),
    histogram: (
      name: HistogramFamily['name'],
      help: string,
      figure: HistogramName,
      bounds: readonly number[],
    ): HistogramFamily => ({
      name,
      help,
      type: 'histogram',
      labels: names,
      bounds,
      series: ({ reading }) =>
        reading === undefined ? [] : sums(reading).map(([labels, work]) => [labels, work[figure]]),
    }),
  };
}
