import { isDeepStrictEqual } from 'node:util';
import { InferError } from '../core/errors.js';
import { StartFailure } from './kept-part.js';
import { spawnInfer, untilTold } from './spawn-infer.js';
import type { UpReady } from './types.js';
import { UpFiles } from './up-files.js';

/** An `infer up` in the background. */
export interface DetachedUp {
  ready: UpReady;
  /** It ran before, with the same command line. */
  already: boolean;
  log: string;
}

/** For one that is to end before it is ready: it stops what it has started. */
const END_MS = 15_000;

/**
 * Starts `infer up` in the background and waits until it is ready.
 * @param argv its command line, after `up`
 * @param signal ends it again; this then throws the signal's reason
 * @throws InferError UP_RUNNING (69) when one with another command line runs, UP_FAILED (69), and what it
 *   reports.
 */
export async function detachUp(
  stateDir: string,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<DetachedUp> {
  const files = new UpFiles(stateDir);
  const { log } = files;
  const running = files.running();
  if (running !== undefined) {
    const { ready } = running;
    if (ready === undefined || !isDeepStrictEqual(running.argv, argv)) {
      throw files.runningError(running.process.pid);
    }
    return { ready, already: true, log };
  }
  const started = await spawnInfer(['up', '--background', ...argv], log, {});
  try {
    const ready = await untilTold<UpReady>(started, signal);
    return { ready, already: false, log };
  } catch (error) {
    if (signal.aborted) await endNow(started);
    if (!(error instanceof StartFailure)) throw error;
    const { reason, lines } = error.ending;
    throw new InferError(
      'UP_FAILED',
      `infer up ended before it was ready: ${[reason, ...lines].join(' / ')}`,
      {
        hint: `see ${log}`,
      },
    );
  } finally {
    // It runs on without this process.
    if (started.child.connected) started.child.disconnect();
    started.child.unref();
  }
}

async function endNow({ child, ended }: Awaited<ReturnType<typeof spawnInfer>>): Promise<void> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
  await ended;
  clearTimeout(timer);
}
