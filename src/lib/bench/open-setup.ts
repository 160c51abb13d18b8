import { InferClient } from '../client/client.js';
import type { LoadedSettings } from '../config/load.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { parseModel } from '../core/names.js';
import { listWorkers } from '../queue/registry.js';
import { isServing, servingWorkers } from '../queue/serving.js';
import type { WorkerRecord } from '../queue/types.js';
import { connectionSettings, resultSettings } from '../redis/from-settings.js';
import type { RedisClient } from '../redis/types.js';
import { openPrivate } from './private-setup.js';
import { BENCH_RESULT_TTL_S, type BenchQueues, type Setup, severalModels } from './setup.js';

const NEVER = new Promise<never>(() => undefined);

export interface OpenOptions {
  /** Start a private setup in any case. */
  alone: boolean;
  signal: AbortSignal;
  /** Tells the user at the terminal what is happening. */
  step(text: string): void;
}

/**
 * The configured Redis with its workers; or, when none of them serves the model or `alone` is given, a
 * private setup. A configured Redis that does not answer is an error.
 */
export async function openSetup(loaded: LoadedSettings, options: OpenOptions): Promise<Setup> {
  const { queue } = loaded.values;
  const queues = { single: queue ?? 'realtime', group: queue ?? 'batch' };
  if (!options.alone) {
    const running = await openRunning(loaded, queues);
    if (typeof running !== 'string') return running;
    options.step(`${running}: starting a private Redis and worker`);
  }
  options.signal.throwIfAborted();
  return openPrivate(loaded, queues, options.signal);
}

/** The running setup, or a text saying why it cannot be used. */
async function openRunning(loaded: LoadedSettings, queues: BenchQueues): Promise<Setup | string> {
  const { prefix, modelsDir } = loaded.values;
  let client: InferClient;
  try {
    client = await InferClient.open({
      prefix,
      modelsDir,
      resultTtl: BENCH_RESULT_TTL_S,
      redis: connectionSettings(loaded, false),
      resultRedis: resultSettings(loaded),
    });
  } catch (error) {
    const nothingNamed = loaded.sources.redisUrl.kind === 'default';
    if (nothingNamed && error instanceof InferError && error.code === 'REDIS_UNREACHABLE')
      return 'No Redis runs';
    throw error;
  }
  try {
    const found = await findServing(client.redis, prefix, queues, wantedModel(loaded.values.model));
    if (typeof found !== 'string') {
      const signature = await client.signatures.find(found.model);
      const { label } = client.target;
      const { workers } = found;
      const close = () => client.close();
      return { client, prefix, queues, signature, isPrivate: false, label, workers, failed: NEVER, close };
    }
    await client.close();
    return found;
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** Figures apply to what workers currently serve, whatever its version. */
function wantedModel(named: string | undefined): string | undefined {
  return named === undefined ? undefined : parseModel(named).model;
}

/** The model that live workers serve in both queues, with these workers; or a text saying why there is none. */
export async function findServing(
  redis: RedisClient,
  prefix: string,
  queues: BenchQueues,
  wanted: string | undefined,
): Promise<{ model: string; workers: WorkerRecord[] } | string> {
  const all = (await listWorkers(redis, prefix)).filter(isServing);
  const models = (queue: string) =>
    servingWorkers(all, queue).flatMap(({ models }) => models.map(({ name }) => name));
  const both = new Set(models(queues.single).filter((name) => models(queues.group).includes(name)));
  const names = [...new Set([queues.single, queues.group])].join(' and ');
  if (both.size === 0) return `No worker serves ${names}`;
  if (wanted !== undefined && !both.has(wanted)) return `No worker has ${printable(wanted)} for ${names}`;
  if (wanted === undefined && both.size > 1) throw severalModels([...both]);
  const model = wanted ?? ([...both][0] as string);
  return { model, workers: all.filter((worker) => worker.models.some(({ name }) => name === model)) };
}
