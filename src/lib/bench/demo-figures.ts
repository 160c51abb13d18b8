import type { GroupChunk, JobResult } from '../client/types.js';
import type { Kept } from './stage.js';

/** Milliseconds that half, nine tenths and 99 of 100 samples did not exceed. */
export interface Percentiles {
  p50: number;
  p90: number;
  p99: number;
}

/** One kind of request: how many were measured, and where their time went. */
export interface Latency {
  samples: number;
  /** As seen by the caller, from before the submit until the answer has arrived. */
  totalMs: Percentiles;
  queueMs: Percentiles;
  runMs: Percentiles;
}

export interface Sample {
  totalMs: number;
  queueMs: number;
  runMs: number;
}

export interface Accuracy {
  right: number;
  of: number;
  share: number;
  /** Rows of later rounds with another answer than in the first; 0 unless something is broken. */
  differing: number;
}

/** The documented JSON of `demo`. */
export interface DemoJson {
  model: string;
  device: string;
  redis: { label: string; private: boolean };
  batch: { group: string; rows: number; jobs: number; seconds: number; rowsPerSecond: number };
  accuracy: Accuracy;
  /** Priority 9, one row at a time. */
  latency: { alone: Latency; besideBatch: Latency };
  kept: Kept | null;
}

/** Nearest rank: always a measured value. */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => {
    const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
    return Math.round(value * 1000) / 1000;
  };
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}

export function latencyOf(samples: readonly Sample[]): Latency {
  return {
    samples: samples.length,
    totalMs: percentiles(samples.map((sample) => sample.totalMs)),
    queueMs: percentiles(samples.map((sample) => sample.queueMs)),
    runMs: percentiles(samples.map((sample) => sample.runMs)),
  };
}

export function sampleOf(result: JobResult, totalMs: number): Sample {
  return { totalMs, queueMs: result.timing?.queueMs ?? 0, runMs: result.timing?.runMs ?? 0 };
}

/** Compares the group's results, the labelled rows repeated, with their labels. */
export async function accuracyOf(
  chunks: AsyncIterable<GroupChunk>,
  labels: readonly number[],
): Promise<Accuracy> {
  const first: (number | undefined)[] = [];
  let row = 0;
  let differing = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.rows; at++, row++) {
      const answer = (chunk.values?.[at] as { class?: number } | undefined)?.class;
      if (row < labels.length) first.push(answer);
      else if (answer !== first[row % labels.length]) differing += 1;
    }
  }
  const right = labels.filter((label, at) => first[at] === label).length;
  return { right, of: labels.length, share: right / labels.length, differing };
}
