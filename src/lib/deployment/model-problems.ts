import { mixedModels, mixText, modelFix } from '../queue/read/model-mix.js';
import type { WorkerRecord } from '../queue/types.js';
import type { Problem } from './problem.js';

/** Models that workers cannot serve, that changed on disk, or that differ between workers of a queue. Pure. */
export function modelProblems(workers: readonly WorkerRecord[]): Problem[] {
  const own = workers.flatMap((worker) =>
    (worker.modelProblems ?? []).map(({ model, version, message, hint, served }) => ({
      code: served ? 'MODEL_CHANGED' : 'MODEL_UNSERVED',
      message: `worker ${worker.name}${served ? '' : ` does not serve ${model}${version === null ? '' : `@${version}`}`}: ${message}`,
      fix: modelFix(worker.name, { model, hint }),
    })),
  );
  const mixed = mixedModels(workers).map((mix) => ({
    code: 'MODEL_MIXED',
    message: `${mixText(mix)}: which of them answers is chance`,
    fix: mix.variants.map(({ workers: names }) => `infer control load ${names[0]} ${mix.model}`).at(0) ?? '',
  }));
  return [
    ...own.sort((a, b) => Number(a.code === 'MODEL_CHANGED') - Number(b.code === 'MODEL_CHANGED')),
    ...mixed,
  ];
}
