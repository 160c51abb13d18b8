import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LoadedSettings } from '../config/load.js';
import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { findModel } from '../model/repository.js';
import { listModels } from '../model/survey.js';
import { listWorkers } from '../queue/registry.js';
import type { WorkerRecord } from '../queue/types.js';
import { type BenchQueues, type Setup, severalModels } from './setup.js';
import { Stage } from './stage.js';
import { startWorker, type WorkerProcess } from './worker-process.js';

/** The worker's start includes loading ONNX Runtime from a cold disk and the model. */
const WORKER_START_MS = 120_000;
const LOOK_MS = 25;
const PREFIX = 'infer';

/**
 * A Redis in a throw-away directory and one worker, both gone after `close` and however else the
 * process ends (short of SIGKILL). The worker takes its settings from environment and files as any.
 */
export async function openPrivate(
  loaded: LoadedSettings,
  queues: BenchQueues,
  signal: AbortSignal,
): Promise<Setup> {
  const { modelsDir, model: wanted } = loaded.values;
  const model = wanted ?? onlyModel(modelsDir);
  findModel(modelsDir, model);
  const stage = new Stage(withoutRedis(loaded));
  let worker: WorkerProcess | undefined;
  const atExit = () => worker?.kill();
  process.once('exit', atExit);
  const close = async () => {
    await worker?.stop();
    await stage.strike();
    process.off('exit', atExit);
  };
  try {
    const client = await stage.openRedis();
    signal.throwIfAborted();
    const names = [...new Set([queues.single, queues.group])].join(',');
    const place = ['--prefix', PREFIX, '--models', modelsDir];
    worker = startWorker({
      args: ['-Q', names, '--model', model, '--name', 'bench', ...place],
      redisUrl: client.target.url,
      log: join(stage.dir, 'worker.log'),
    });
    const ready = async () => (await listWorkers(client.redis, PREFIX)).at(0);
    const record = await whenReady(ready, worker.failed, signal);
    const signature = await client.signatures.find(model);
    const { label } = client.target;
    const { failed } = worker;
    const workers = [record];
    return { client, prefix: PREFIX, queues, signature, isPrivate: true, label, workers, failed, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function whenReady(
  look: () => Promise<WorkerRecord | undefined>,
  failed: Promise<never>,
  signal: AbortSignal,
): Promise<WorkerRecord> {
  const deadline = Date.now() + WORKER_START_MS;
  while (Date.now() < deadline) {
    const record = await look();
    if (record !== undefined) return record;
    await Promise.race([delay(LOOK_MS, undefined, { signal }), failed]);
  }
  throw new InferError('BENCH_WORKER', 'the worker did not get ready within two minutes', {
    hint: 'infer worker, to see what it waits for',
    exitCode: ExitCode.Unavailable,
  });
}

/** @throws InferError MODELS_DIR, NO_MODELS (66), MODEL_NEEDED (2). */
function onlyModel(modelsDir: string): string {
  const names = listModels(modelsDir).map(({ name }) => name);
  if (names.length > 1) throw severalModels(names);
  if (names[0] !== undefined) return names[0];
  throw new InferError('NO_MODELS', `there is no model in ${modelsDir}`, {
    hint: 'put one at models/<name>/1/model.onnx, or name another directory with --models',
    exitCode: ExitCode.NoInput,
  });
}

/** The stage has a Redis of its own when none was named. */
function withoutRedis(loaded: LoadedSettings): LoadedSettings {
  const { redisUrl: _named, ...values } = loaded.values;
  return {
    ...loaded,
    values: { ...values, redisUrl: undefined },
    sources: { ...loaded.sources, redisUrl: { kind: 'default', label: 'default' } },
  };
}
