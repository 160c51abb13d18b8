import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InferError } from '../../core/errors.js';
import { CUDA_INSTALL, onnxFiles, PROVIDER_LIBRARIES } from '../../model/onnx-files.js';
import { startRunner } from '../../model/process-runner.js';
import { listModels } from '../../model/survey.js';
import { type Check, fail, type Judgement, ok } from '../check.js';
import type { DoctorContext } from '../context.js';
import { explainLoad, type LibraryLook, tryLibraries } from '../loader.js';
import { Unmet } from '../unmet.js';
import { gpuWanted, withoutGpu } from './gpu-driver.js';
import { readable } from './models.js';

/**
 * What ONNX Runtime's CUDA provider needs from the system, and the package in NVIDIA's apt repository that
 * provides it.
 */
const LIBRARIES: Readonly<Record<string, string>> = {
  'libcudart.so.12': 'cuda-cudart-12-6',
  'libcublas.so.12': 'libcublas-12-6',
  'libcublasLt.so.12': 'libcublas-12-6',
  'libcufft.so.11': 'libcufft-12-6',
  'libcurand.so.10': 'libcurand-12-6',
  'libcudnn.so.9': 'libcudnn9-cuda-12',
};
const LOADER_MS = 4000;

/** CUDA is built for one platform only; elsewhere none of this is checked. */
function unsupported(): string | undefined {
  if (process.platform === 'linux' && process.arch === 'x64') return undefined;
  return `onnxruntime-node has no CUDA for ${process.platform}/${process.arch}`;
}

/**
 * Whether a GPU is present and whether one is wanted.
 * @throws Unmet when neither: then the installation does not matter.
 */
async function relevance(context: DoctorContext): Promise<{ wanted: boolean; present: boolean }> {
  const how = { wanted: gpuWanted(context), present: (await context.nvidia()).kind !== 'absent' };
  if (!how.wanted && !how.present) throw new Unmet('this host has no NVIDIA GPU');
  return how;
}

export const gpuLibraries: Check = {
  id: 'gpu-libraries',
  topic: 'gpu',
  title: 'CUDA 12 and cuDNN 9',
  run: async (context) => {
    const how = await relevance(context);
    const other = unsupported();
    if (other !== undefined) return withoutGpu(other, undefined, { ...how, present: false });
    const looks = await tryLibraries(Object.keys(LIBRARIES), {
      timeoutMs: LOADER_MS,
      env: context.machine.env,
    });
    if (looks === undefined) return fail('the loader gives no answer', 'try again');
    return judgeLibraries(looks, how);
  },
};

export function judgeLibraries(
  looks: readonly LibraryLook[],
  how: { wanted: boolean; present: boolean },
): Judgement {
  const bad = looks.filter((look) => look.problem !== undefined);
  if (bad.length === 0) return ok(`${looks.map((look) => look.library).join(', ')} load`);
  const packages = [...new Set(bad.map((look) => LIBRARIES[look.library]))].join(' ');
  const absent = bad.filter((look) => explainLoad(look) === `${look.library} is not found`);
  const others = bad.filter((look) => !absent.includes(look)).map(explainLoad);
  const names = absent.map((look) => look.library).join(', ');
  const found = [...(names === '' ? [] : [`the loader does not find ${names}`]), ...others];
  return withoutGpu(
    found.join('; '),
    `sudo apt install ${packages} (NVIDIA's repository); if they are installed, add their directory to LD_LIBRARY_PATH`,
    how,
  );
}

export const gpuProvider: Check = {
  id: 'gpu-provider',
  topic: 'gpu',
  title: "ONNX Runtime's CUDA provider",
  run: async (context) => {
    const how = await relevance(context);
    const other = unsupported();
    if (other !== undefined) return withoutGpu(other, undefined, { ...how, present: false });
    const dir = context.machine.onnxDir ?? onnxFiles().libraryDir;
    return judgeProvider(
      PROVIDERS.filter((library) => !existsSync(join(dir, library))),
      how,
    );
  },
};

const PROVIDERS = ['libonnxruntime_providers_shared.so', PROVIDER_LIBRARIES.cuda as string];

export function judgeProvider(
  missing: readonly string[],
  how: { wanted: boolean; present: boolean },
): Judgement {
  if (missing.length === 0) return ok(`${PROVIDERS.join(' and ')} are installed`);
  const are = missing.length === 1 ? 'is' : 'are';
  return withoutGpu(`${missing.join(' and ')} of onnxruntime-node ${are} not installed`, CUDA_INSTALL, how);
}

/** Loading CUDA and a first run take seconds; on a cold GPU, even longer. */
const RUN_MS = 25_000;

export const gpuRun: Check = {
  id: 'gpu-run',
  topic: 'gpu',
  title: 'a model runs on the GPU',
  limitMs: RUN_MS,
  run: async (context) => {
    const parts = await Promise.all([gpuLibraries, gpuProvider].map((check) => check.run(context)));
    const driver = await context.nvidia();
    const ready = driver.kind === 'gpus' && parts.every((part) => part.status === 'ok');
    if (!ready) throw new Unmet('something that it needs is missing, see above');
    return tryModel(context);
  },
};

/** The proof: the smallest model, loaded and warmed up like in a worker. */
async function tryModel({ loaded }: DoctorContext): Promise<Judgement> {
  const { modelsDir, gpu } = loaded.values;
  const models = listModels(modelsDir)
    .map((model) => readable(modelsDir, model.name))
    .filter((files) => files !== undefined)
    .sort((a, b) => a.sizeBytes - b.sizeBytes);
  const [smallest] = models;
  if (smallest === undefined) throw new Unmet('there is no model to try');
  try {
    const runner = await startRunner({
      provider: 'cuda',
      gpu,
      requireGpu: true,
      threads: 1,
      modelsDir,
    });
    try {
      const { device, loadMs } = await runner.load(smallest.name);
      return ok(`${smallest.name} loads on ${device} in ${Math.round(loadMs)} ms`);
    } finally {
      await runner.stop();
    }
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    return fail(error.message, error.hint, { blocks: ['GPU workers'] });
  }
}
