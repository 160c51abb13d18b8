import { printable } from '../core/job.js';
import type { Advice } from './advice.js';
import type { Figures } from './figures.js';
import type { ModelTime } from './model-times.js';

/** The documented JSON of `bench`. */
export interface BenchJson {
  model: string;
  device: string;
  redis: { label: string; private: boolean };
  workers: number;
  queues: string[];
  /** Where the input rows come from. */
  rows: string;
  seed: number;
  durationMs: number;
  thresholdMs: number | null;
  results: Figures[];
  /** Of a sweep: highest rate that was kept up within the threshold. */
  bestRate?: number | null;
}

/** The documented JSON of `bench model`. */
export interface BenchModelJson {
  model: string;
  version: number;
  device: string;
  /** Why the device is not the one asked for. */
  fallback: string | null;
  batchable: boolean;
  latencyTargetMs: number;
  /** Row shapes measured, by name, of inputs whose shape may vary. */
  openShapes: Record<string, number[]>;
  times: ModelTime[];
  advice: (Advice & { threads: number })[];
  /** The advice that carries most rows a second. */
  best: Advice & { threads: number };
}

/** ` of image[3,224,224]`; nothing where all shapes are fixed. */
export function shapesText(openShapes: Record<string, number[]>): string {
  const shapes = Object.entries(openShapes).map(([name, shape]) => `${printable(name)}[${shape.join(',')}]`);
  return shapes.length === 0 ? '' : ` of ${shapes.join(', ')}`;
}
