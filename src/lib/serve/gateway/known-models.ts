import { Shared } from '../../deployment/place/shared.js';
import type { ModelSignature } from '../../model/signature.js';
import { listModelsAsync, type ModelListing } from '../../model/survey.js';
import { listWorkers, publishedModels } from '../../queue/registry.js';
import { isServing } from '../../queue/serving.js';
import { listStarting, type StartingWorker } from '../../queue/starting.js';
import type { ServedModelRecord, WorkerRecord } from '../../queue/types.js';
import { serverNow } from '../../redis/server-clock.js';
import { worded } from '../../redis/worded.js';
import type { Gateway } from './gateway.js';
import { patiently } from './jobs/patience.js';

/** A model that a worker has published, serves or is loading, or that is in the models directory. */
export interface KnownModel {
  name: string;
  /** As published by a worker; undefined if none has loaded it yet. */
  signature: ModelSignature | undefined;
  /** Versions that live workers serve, and those workers. */
  served: { worker: WorkerRecord; model: ServedModelRecord }[];
  /** Served versions or, if it is not served, known versions; the highest last. */
  versions: number[];
  /** Whether a starting worker is loading it. */
  loading: boolean;
  /** Why a worker that should serve it does not. */
  problem: string | undefined;
}

/** What is read from a deployment to list its models; input of `modelsOf`. */
interface ModelSources {
  workers: readonly WorkerRecord[];
  starting: readonly StartingWorker[];
  published: readonly ModelSignature[];
  local: readonly ModelListing[];
}

/** Maximum age of shared readings of Redis, and of the models directory (its disk may be slow), ms. */
const FRESH_MS = 100;
const LOCAL_MS = 1000;

const readings = new WeakMap<Gateway, Shared<KnownModel[]>>();

/**
 * All models by name, at most a moment old: one reading for all who ask at the same time.
 * @throws InferError REDIS_… (503) within 5 s.
 */
export async function knownModels(gateway: Gateway, signal: AbortSignal): Promise<KnownModel[]> {
  let shared = readings.get(gateway);
  if (shared === undefined) {
    const { modelsDir } = gateway.loaded.values;
    const local = new Shared(LOCAL_MS, () => localModels(modelsDir), monotonic);
    shared = new Shared(FRESH_MS, () => readModels(gateway, local), monotonic);
    readings.set(gateway, shared);
  }
  return patiently(gateway, signal, shared.get(''));
}

/** Makes the next caller read again: this gateway has just changed something. */
export function forgetModels(gateway: Gateway): void {
  readings.delete(gateway);
}

const monotonic = (): number => performance.now();

async function readModels({ client, prefix }: Gateway, local: Shared<ModelListing[]>): Promise<KnownModel[]> {
  const { redis } = client;
  const read = async (): Promise<ModelSources> => {
    const now = await serverNow(redis);
    const [workers, starting, published, here] = await Promise.all([
      listWorkers(redis, prefix),
      listStarting(redis, prefix, now),
      publishedModels(redis, prefix),
      local.get(''),
    ]);
    return { workers, starting, published, local: here };
  };
  return modelsOf(await worded(redis, read()));
}

/** The models directory may be on the workers' hosts alone. */
function localModels(modelsDir: string): Promise<ModelListing[]> {
  return listModelsAsync(modelsDir).catch(() => []);
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
