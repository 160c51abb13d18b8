import type { Histogram } from '../core/histogram.js';
import type { MetricsSnapshot } from '../deployment/metrics-snapshot.js';
import type { EtaErrorFigures } from '../deployment/place/eta-errors.js';
import type { ModelWork, QueueWork } from './work-sums.js';

/** The process's own counters. */
export interface ExporterFigures {
  version: string;
  nodeVersion: string;
  startedAt: number;
  residentBytes: number;
  /** Seconds that the last reading of Redis took, failed or not. */
  lastSeconds: number;
  scrapes: number;
  /** Failed readings of Redis, by error code. */
  errors: ReadonlyMap<string, number>;
  /** Workers wanted, by queue, as recently answered by `/autoscale/<queue>`. */
  desired: ReadonlyMap<string, number>;
  /** What became of the ETAs that this process told; a gateway tells some. */
  etaErrors: readonly EtaErrorFigures[];
  /** Requests, where this process is a gateway. */
  http?: HttpFigures | undefined;
}

/** What a gateway counts of its requests. */
export interface HttpFigures {
  readonly routes: readonly {
    method: string;
    /** Its pattern, `/v1/jobs/:id`. */
    route: string;
    byStatus: ReadonlyMap<number, number>;
    /** Seconds. */
    duration: Histogram;
    /** Bytes. */
    received: number;
    sent: number;
  }[];
  /** Answers that were errors, by code. */
  readonly errors: ReadonlyMap<string, number>;
  readonly openRequests: number;
  readonly openStreams: number;
}

/** What was read from Redis, for the metrics of queues, workers and Redis. */
export interface Reading {
  snapshot: MetricsSnapshot;
  work: ReadonlyMap<string, QueueWork>;
  /** By queue and model; the first ones by name. */
  models: readonly ModelWork[];
  /** Pairs of queue and model left out because there are too many. */
  hiddenModels: number;
}

export interface MetricsView {
  exporter: ExporterFigures;
  /** Undefined while Redis is unreachable: then nothing is reported, rather than old values. */
  reading: Reading | undefined;
}

export type Labels = Readonly<Record<string, string>>;
export type Sample = readonly [labels: Labels, value: number];

interface FamilyOf<Type extends string> {
  /** Base units; `_total` for counters, as required by Prometheus. */
  name: `infer_${string}` | `process_${string}`;
  help: string;
  type: Type;
  labels: readonly string[];
}

export interface ValueFamily extends FamilyOf<'gauge' | 'counter'> {
  samples(view: MetricsView): readonly Sample[];
}

export interface HistogramFamily extends FamilyOf<'histogram'> {
  bounds: readonly number[];
  series(view: MetricsView): readonly (readonly [labels: Labels, histogram: Histogram])[];
}

/** One metric: its name, its meaning, and how its values are computed from what was read. */
export type Family = ValueFamily | HistogramFamily;
