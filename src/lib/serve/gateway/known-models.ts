import { InferError } from '../../core/errors.js';
import type { ModelSignature } from '../../model/signature.js';
import { listModels, type ModelListing } from '../../model/survey.js';
import { listWorkers, publishedModels } from '../../queue/registry.js';
import { isServing } from '../../queue/serving.js';
import { listStarting, type StartingWorker } from '../../queue/starting.js';
import type { ServedModelRecord, WorkerRecord } from '../../queue/types.js';
import { serverNow } from '../../redis/server-clock.js';
import { worded } from '../../redis/worded.js';
import type { Gateway } from './gateway.js';
import { patiently } from './jobs/patience.js';

/** A model that a worker has published, serves or loads, or that is in the models directory. */
export interface KnownModel {
  name: string;
  /** As a worker published it; undefined while none ever loaded it. */
  signature: ModelSignature | undefined;
  /** What live workers serve of it, and those workers. */
  served: { worker: WorkerRecord; model: ServedModelRecord }[];
  /** Versions that are served or, of one that is not, known; the highest last. */
  versions: number[];
  /** A worker that starts now loads it. */
  loading: boolean;
  /** Why a worker that should serve it does not. */
  problem: string | undefined;
}

/** What is read of a deployment to know its models. Pure input of `modelsOf`. */
interface ModelSources {
  workers: readonly WorkerRecord[];
  starting: readonly StartingWorker[];
  published: readonly ModelSignature[];
  local: readonly ModelListing[];
}

/** All models by name. @throws InferError REDIS_… (503) within 5 s. */
export async function knownModels(gateway: Gateway, signal: AbortSignal): Promise<KnownModel[]> {
  const { client, prefix } = gateway;
  const { redis } = client;
  const read = async (): Promise<ModelSources> => {
    const now = await serverNow(redis);
    const [workers, starting, published] = await Promise.all([
      listWorkers(redis, prefix),
      listStarting(redis, prefix, now),
      publishedModels(redis, prefix),
    ]);
    return { workers, starting, published, local: localModels(gateway) };
  };
  return modelsOf(await patiently(gateway, signal, worded(redis, read())));
}

/** The models directory may be on the workers' hosts alone. */
function localModels({ loaded }: Gateway): ModelListing[] {
  try {
    return listModels(loaded.values.modelsDir);
  } catch (error) {
    if (error instanceof InferError) return [];
    throw error;
  }
}

/** Pure. */
export function modelsOf({ workers, starting, published, local }: ModelSources): KnownModel[] {
  const live = workers.filter(isServing);
  const names = new Set([
    ...published.map(({ name }) => name),
    ...local.map(({ name }) => name),
    ...live.flatMap(({ models }) => models.map(({ name }) => name)),
    ...starting.flatMap(({ models }) => models),
  ]);
  return [...names].sort().map((name): KnownModel => {
    const signature = published.find((one) => one.name === name);
    const problems = live.flatMap(({ modelProblems = [] }) =>
      modelProblems.filter((problem) => problem.model === name && !problem.served),
    );
    const served = live.flatMap((worker) =>
      worker.models
        .filter((model) => model.name === name && !refuses(worker, name))
        .map((model) => ({ worker, model })),
    );
    const running = served.map(({ model }) => model.version);
    const here = local.find((one) => one.name === name)?.versions ?? [];
    const known =
      running.length > 0 ? running : [...here, ...(signature === undefined ? [] : [signature.version])];
    return {
      name,
      signature,
      served,
      versions: [...new Set(known)].sort((a, b) => a - b),
      loading: starting.some(({ models }) => models.includes(name)),
      problem: problems[0]?.message,
    };
  });
}

function refuses({ modelProblems = [] }: WorkerRecord, name: string): boolean {
  return modelProblems.some((problem) => problem.model === name && !problem.served);
}
