import type { LoadedSettings } from '../config/load.js';
import { bounded } from '../core/bounded.js';
import { ClientTarget } from './client-target.js';
import { rowPool } from './input-rows.js';
import { openSetup } from './open-setup.js';
import type { BenchJson } from './reports.js';
import { type Plan, runScenarios } from './scenarios.js';
import { traceOne } from './trace-one.js';

/** Opens a setup, runs the planned load and leaves nothing behind, however it ends. */
export async function runBench(
  loaded: LoadedSettings,
  plan: Plan,
  options: { alone: boolean; file: string | undefined; signal: AbortSignal; step(text: string): void },
): Promise<BenchJson> {
  const { signal, step } = options;
  const setup = await openSetup(loaded, options);
  let target: ClientTarget | undefined;
  let done = false;
  try {
    const pool = await rowPool(setup.signature, { file: options.file, seed: plan.seed });
    const { signature, label, isPrivate, workers, queues } = setup;
    const device = [...new Set(workers.map((worker) => worker.device))].join(', ');
    step(
      `Model ${signature.name} on ${device}, ${isPrivate ? 'private Redis' : label}, rows: ${pool.source}`,
    );
    target = new ClientTarget(setup, pool);
    const { traceJobs } = plan;
    const work =
      traceJobs === undefined
        ? runScenarios(target, plan, { signal, step })
        : traceOne(setup, pool, { jobs: traceJobs, signal }).then((trace) => ({ results: [], trace }));
    // The loser of the race fails when the setup is closed, when nothing listens any more.
    work.catch(() => undefined);
    const report = await bounded(
      () => Promise.race([work, setup.failed]),
      { signal },
      () => signal.reason,
    );
    done = true;
    return {
      model: signature.name,
      device,
      redis: { label, private: isPrivate },
      workers: workers.length,
      queues: [...new Set([queues.single, queues.group])],
      rows: pool.source,
      seed: plan.seed,
      durationMs: plan.durationMs,
      thresholdMs: plan.thresholdMs ?? null,
      ...report,
    };
  } finally {
    if (!done) await target?.abandon().catch(() => undefined);
    await setup.close();
  }
}
