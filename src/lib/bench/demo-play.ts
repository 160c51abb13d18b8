import { setTimeout as delay } from 'node:timers/promises';
import type { InferClient } from '../client/client.js';
import type { JobResult, SubmittedGroup } from '../client/types.js';
import { InferError } from '../core/errors.js';
import type { ModelSignature } from '../model/signature.js';
import { type QueueSnapshot, snapshotQueues } from '../queue/read/inspector.js';
import { listWorkers } from '../queue/registry.js';
import type { GroupRecord, WorkerRecord } from '../queue/types.js';
import { serverNow } from '../redis/server-clock.js';
import { type Digits, repeated } from './demo-digits.js';
import { type Sample, sampleOf } from './demo-figures.js';

export const MODEL = 'digits';
const URGENT = 9;
const ANSWER_WITHIN_MS = 60_000;
/** Pause between two urgent requests: a user or a web page, not a second flood. */
const PAUSE_MS = 5;
/** The first answers include opening connections; they are shown, but not measured. */
const WARM_UP = 3;

/** Queues and workers at one moment. */
export interface LiveState {
  at: number;
  queues: QueueSnapshot[];
  workers: WorkerRecord[];
}

/** Requests one digit like an API server: priority 9, waiting for the answer. */
export async function ask(
  client: InferClient,
  pixels: readonly number[] | undefined,
  signal: AbortSignal,
): Promise<{ result: JobResult; sample: Sample }> {
  const started = performance.now();
  const result = await client.run(pixels, {
    model: MODEL,
    priority: URGENT,
    timeoutMs: ANSWER_WITHIN_MS,
    signal,
  });
  if (result.state !== 'completed') {
    throw new InferError(
      'DEMO_JOB',
      `a digit ended ${result.state}: ${result.error?.message ?? 'no reason'}`,
    );
  }
  return { result, sample: sampleOf(result, performance.now() - started) };
}

/** Some digits, one at a time, to an otherwise idle worker. */
export async function askAlone(
  client: InferClient,
  digits: Digits,
  count: number,
  signal: AbortSignal,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let at = 0; at < count + WARM_UP; at++) {
    const { sample } = await ask(client, digits.pixels[at % digits.pixels.length], signal);
    if (at >= WARM_UP) samples.push(sample);
    await delay(PAUSE_MS, undefined, { signal });
  }
  return samples;
}

/** Streams the digits repeatedly into the queue `batch` as one group. */
export async function submitBatch(
  client: InferClient,
  digits: Digits,
  rounds: number,
  signature: ModelSignature,
  how: { onRows(rows: number): void; signal: AbortSignal },
): Promise<SubmittedGroup> {
  const writer = await client.openGroup(signature, { model: MODEL, queue: 'batch', priority: 0 });
  try {
    for await (const chunk of repeated(digits, rounds, signature)) {
      how.signal.throwIfAborted();
      await writer.write(chunk);
      how.onRows(chunk.rows);
    }
    return await writer.close();
  } catch (error) {
    await writer.abandon().catch(() => undefined);
    throw error;
  }
}

/** Urgent digits, one at a time, as long as the batch is being processed. */
export async function askDuringBatch(
  client: InferClient,
  digits: Digits,
  group: string,
  how: { onProgress(group: GroupRecord): void; signal: AbortSignal },
): Promise<{ ended: GroupRecord; samples: Sample[] }> {
  const samples: Sample[] = [];
  let over = false;
  const batch = client.waitGroup(group, { ...how, timeoutMs: undefined }).finally(() => {
    over = true;
  });
  const urgent = async () => {
    for (let at = 0; !over; at++) {
      const { sample } = await ask(client, digits.pixels[at % digits.pixels.length], how.signal);
      // A request answered after the batch had ended ran alone.
      if (!over) samples.push(sample);
      await delay(PAUSE_MS, undefined, { signal: how.signal });
    }
  };
  const [ended] = await Promise.all([batch, urgent()]);
  if (ended.state !== 'completed') {
    throw new InferError('DEMO_JOB', `${ended.jobsFailed} jobs of the batch failed`);
  }
  return { ended, samples };
}

const NO_FLOW = { ratePerSecond: null, arrivalsPerSecond: null, etaMs: null, growing: false };

/** The figures of `infer inspect` without the rates: averages over a minute say nothing after a second. */
export async function look(client: InferClient, prefix: string): Promise<LiveState> {
  const at = await serverNow(client.redis);
  const [queues, workers] = await Promise.all([
    snapshotQueues(client.redis, prefix, at, undefined),
    listWorkers(client.redis, prefix),
  ]);
  const counts = queues.map((queue) => ({ ...queue, ...NO_FLOW }));
  return { at, queues: counts, workers };
}
