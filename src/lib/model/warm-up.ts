import { messageOf } from '../core/errors.js';
import type { HostTensor } from './layout.js';
import type { ModelManifest } from './manifest.js';
import type { ModelFiles } from './model-files.js';
import type { OnnxSession } from './onnx-session.js';
import { type Probed, zeroFeeds } from './probe.js';
import type { WarmUp } from './runner.js';

/** Numbers of rows that are timed at load, each twice the one before. */
const TIMED_ROWS = [1, 2, 4] as const;
/** Inputs of a timed run have at most this many bytes. */
const TIMED_BYTES = 16 * 1024 * 1024;
/** No timed run starts that would bring the time spent on them above this: 500 ms a row is timed up to 2 rows. */
const TIMING_BUDGET_MS = 1500;
/** Expected ms of a run above which one is enough: what the first adds is little. */
const LONG_MS = 100;

/**
 * The first run of a size allocates and chooses kernels: done here, so that no request pays for it. A single
 * row ran in the probe.
 */
export async function warmUp(session: OnnxSession, probed: Probed, files: ModelFiles): Promise<string[]> {
  if (!probed.batchable) return [];
  for (const rows of files.manifest.warmup?.rows ?? []) {
    if (rows === 1) continue;
    const feeds = feedsOf(session, probed, rows);
    if (feeds === undefined) break;
    try {
      await session.run(feeds);
    } catch (error) {
      return [`the warm-up with ${rows} rows of zeros failed: ${messageOf(error)}`];
    }
  }
  return [];
}

/** Rows of zeros, or of the inputs' defaults; undefined when no row is known to run. */
function feedsOf(session: OnnxSession, { rowShapes, inputs }: Probed, rows: number) {
  if (rowShapes === undefined) return undefined;
  const axes = new Map(inputs.map((input) => [input.name, input.batchAxis]));
  const defaults = new Map(
    inputs.flatMap((input) => (input.default === undefined ? [] : [[input.name, input.default] as const])),
  );
  return zeroFeeds(session.inputs, rowShapes, axes, rows, defaults);
}

/**
 * Times runs of 1, 2 and 4 rows, from which the worker chooses how many rows run together at first. The
 * shorter of two runs counts, unless they are long: the first run of a size allocates and chooses kernels. Stops where the next
 * size would exceed the budget or the rows that the model takes.
 */
export async function timeRuns(
  session: OnnxSession,
  probed: Probed,
  { maxBatch = Number.POSITIVE_INFINITY }: ModelManifest,
): Promise<WarmUp | undefined> {
  if (!probed.batchable) return undefined;
  const times: WarmUp['times'] = [];
  const begun = performance.now();
  let rowBytes = 0;
  for (const rows of TIMED_ROWS) {
    const spent = performance.now() - begun;
    const likely = 2 * (times.at(-1)?.[1] ?? 0);
    const twice = likely <= LONG_MS;
    const most = TIMING_BUDGET_MS - (twice ? 2 : 1) * likely;
    if (rows > maxBatch || rows * rowBytes > TIMED_BYTES || spent > most) break;
    const feeds = feedsOf(session, probed, rows);
    if (feeds === undefined) break;
    if (rows === 1) rowBytes = bytesOf(feeds);
    try {
      const ms = await timed(session, feeds);
      times.push([rows, twice && ms <= LONG_MS ? Math.min(ms, await timed(session, feeds)) : ms]);
    } catch {
      // It rejects zeros: nothing can be told.
      break;
    }
  }
  return times.length === 0 ? undefined : { rowBytes, times };
}

async function timed(session: OnnxSession, feeds: Record<string, HostTensor>): Promise<number> {
  const begun = performance.now();
  await session.run(feeds, true);
  return performance.now() - begun;
}

/** Bytes of feeds; texts, whose length varies, count as nothing. */
function bytesOf(feeds: Record<string, HostTensor>): number {
  return Object.values(feeds).reduce(
    (sum, { data }) => sum + (ArrayBuffer.isView(data) ? data.byteLength : 0),
    0,
  );
}
