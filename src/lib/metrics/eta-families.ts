import type { Histogram } from '../core/histogram.js';
import { ETA_ERROR_BOUNDS, type EtaErrorFigures } from '../deployment/place/eta-errors.js';
import type { Family, Labels, Sample } from './family.js';

const MOMENTS = ['start', 'end'] as const;
const SIDES = ['late', 'early'] as const;
const WITHIN = ['p50', 'p90', 'later'] as const;

/** The accuracy of the ETAs that a gateway reported. Only gateways have these. */
export const ETA_FAMILIES: readonly Family[] = [
  {
    name: 'infer_eta_error_seconds',
    help: 'By how much jobs started or ended later (late) or earlier (early) than the p50 of their first reported ETA',
    type: 'histogram',
    labels: ['queue', 'moment', 'side'],
    bounds: ETA_ERROR_BOUNDS,
    series: ({ exporter }) => exporter.etaErrors.flatMap(errorsOf),
  },
  {
    name: 'infer_eta_jobs_total',
    help: 'Jobs by when they started compared with their first reported ETA: within its p50, within its p90, or later',
    type: 'counter',
    labels: ['queue', 'within'],
    samples: ({ exporter }) =>
      exporter.etaErrors.flatMap(({ queue, within }) =>
        WITHIN.map((one): Sample => [{ queue, within: one }, within[one]]),
      ),
  },
];

function errorsOf({ queue, seconds }: EtaErrorFigures): (readonly [Labels, Histogram])[] {
  return MOMENTS.flatMap((moment) =>
    SIDES.map((side) => [{ queue, moment, side }, seconds[moment][side]] as const),
  );
}
