import { printable } from '../core/job.js';
import type { Advice } from './advice.js';
import type { Figures } from './figures.js';
import type { ModelTime } from './model-times.js';
import type { TraceFigures } from './trace-one.js';

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
  /** Of a sweep: the highest rate that was kept up within the threshold. */
  bestRate?: number | null;
  /** Of `--trace-one`, which measures nothing else. */
  trace?: TraceFigures;
}

/** The documented JSON of `bench model`. */
export interface BenchModelJson {
  model: string;
  version: number;
  device: string;
  /** Why it is not the requested device. */
  fallback: string | null;
  batchable: boolean;
  latencyTargetMs: number;
  /** Measured row shapes, by name, of inputs whose shape may vary. */
  openShapes: Record<string, number[]>;
  times: ModelTime[];
  advice: (Advice & { threads: number })[];
  /** The advice with the highest rows per second. */
  best: Advice & { threads: number };
}

/** ` of image[3,224,224]`; empty if all shapes are fixed. */
export function shapesText(openShapes: Record<string, number[]>): string {
  const shapes = Object.entries(openShapes).map(([name, shape]) => `${printable(name)}[${shape.join(',')}]`);
  return shapes.length === 0 ? '' : ` of ${shapes.join(', ')}`;
}
