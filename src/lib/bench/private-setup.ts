import { join } from 'node:path';
import type { LoadedSettings } from '../config/load.js';
import { InferError } from '../core/errors.js';
import { pollUntil } from '../core/poll.js';
import { part, Services } from '../core/service.js';
import { findModel } from '../model/repository.js';
import { listModels } from '../model/survey.js';
import { listWorkers } from '../queue/registry.js';
import { type BenchQueues, type Setup, severalModels } from './setup.js';
import { Stage } from './stage.js';
import { startWorker, type WorkerProcess } from './worker-process.js';

/** The worker's start includes loading ONNX Runtime and the model from a cold disk. */
const WORKER_START_MS = 120_000;
const LOOK_MS = 25;
const PREFIX = 'infer';

/**
 * A Redis in a temporary directory and one worker, both removed by `close` and however else the process ends
 * (except by SIGKILL). The worker takes its settings from environment and files as usual.
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
  const redis = part(
    'private Redis',
    () => stage.openRedis(),
    () => stage.strike(),
  );
  const openWorker = (redisUrl: string): WorkerProcess => {
    const names = [...new Set([queues.single, queues.group])].join(',');
    const place = ['--prefix', PREFIX, '--models', modelsDir];
    const args = ['-Q', names, '--model', model, '--name', 'bench', ...place];
    return startWorker({ args, redisUrl, log: join(stage.dir, 'worker.log') });
  };
  const worker = part(
    'worker',
    () => openWorker(redis.value.target.url),
    (process) => process.stop(),
  );
  const atExit = () => worker.value.kill();
  const exit = part(
    'end of the process',
    () => process.once('exit', atExit),
    () => process.off('exit', atExit),
  );
  const record = part('ready worker', (unwanted) =>
    pollUntil(
      async () => (await listWorkers(redis.value.redis, PREFIX)).at(0),
      { everyMs: LOOK_MS, timeoutMs: WORKER_START_MS, signal: unwanted, failed: worker.value.failed },
      () => {
        throw notReady();
      },
    ),
  );
  const signature = part('signature', () => redis.value.signatures.find(model));
  const all = new Services('private set-up', [redis, worker, exit, record, signature]);
  await all.start(signal);
  return {
    client: redis.value,
    prefix: PREFIX,
    queues,
    signature: signature.value,
    isPrivate: true,
    label: redis.value.target.label,
    workers: [record.value],
    failed: worker.value.failed,
    close: () => all.stop(),
  };
}

function notReady(): InferError {
  return new InferError('BENCH_WORKER', 'the worker was not ready within two minutes', {
    hint: 'infer worker, to see what it waits for',
  });
}

/** @throws InferError MODELS_DIR, NO_MODELS (66), MODEL_NEEDED (2). */
function onlyModel(modelsDir: string): string {
  const names = listModels(modelsDir).map(({ name }) => name);
  if (names.length > 1) throw severalModels(names);
  if (names[0] !== undefined) return names[0];
  throw new InferError('NO_MODELS', `there is no model in ${modelsDir}`, {
    hint: 'put one at models/<name>/1/model.onnx, or name another directory with --models',
  });
}

/** The stage has its own Redis if none was configured. */
function withoutRedis(loaded: LoadedSettings): LoadedSettings {
  const { redisUrl: _named, ...values } = loaded.values;
  return {
    ...loaded,
    values: { ...values, redisUrl: undefined },
    sources: { ...loaded.sources, redisUrl: { kind: 'default', label: 'default' } },
  };
}
