import { InferError } from '../../core/errors.js';
import { listModels, type ModelListing } from '../../model/survey.js';
import { mixedModels, mixText, modelFix } from '../../queue/read/model-mix.js';
import type { WorkerRecord } from '../../queue/types.js';
import { type Check, fail, type Judgement, ok, several, skip, warn } from '../check.js';

/** Versions in a worker's models directory. */
export interface OnDisk extends Pick<ModelListing, 'name' | 'version'> {
  dir: string;
}

export const modelsChanged: Check = {
  id: 'models-changed',
  topic: 'models',
  title: 'models of running workers',
  run: async (context) => {
    const { workers } = (await context.samples()).second;
    if (workers.length === 0) return skip('no worker is running');
    const here = workers.filter((worker) => worker.host === context.machine.host);
    const dirs = new Set(here.map((worker) => worker.modelsDir).filter((dir) => dir !== undefined));
    return judgeServed(workers, [...dirs].flatMap(readDisk), context.machine.host);
  },
};

/**
 * What workers report about their models (they compare files every second, wherever those are), whether they
 * agree, and whether a directory of this machine has a newer version.
 */
export function judgeServed(
  workers: readonly WorkerRecord[],
  disk: readonly OnDisk[],
  host: string,
): Judgement {
  const broken = lines(workers, false);
  const changed = lines(workers, true);
  const mixed = mixedModels(workers).map(mixText);
  const newer = workers.filter((worker) => worker.host === host).flatMap((worker) => newerThan(worker, disk));
  const all = [
    ...broken.map(({ text }) => text),
    ...mixed,
    ...changed.map(({ text }) => text),
    ...newer.map(({ text }) => text),
  ];
  if (all.length === 0) {
    const served = workers.reduce((sum, worker) => sum + worker.models.length, 0);
    return ok(`${served} loaded, same as on disk`, chosenLines(workers, disk));
  }
  const { found, details } = several(all);
  const fix =
    [...broken, ...changed, ...newer][0]?.fix ?? `infer control load '*' ${mixedModels(workers)[0]?.model}`;
  return broken.length > 0 ? fail(found, fix, { details }) : warn(found, fix, { details });
}

function lines(workers: readonly WorkerRecord[], served: boolean): { text: string; fix: string }[] {
  return workers.flatMap((worker) =>
    (worker.modelProblems ?? [])
      .filter((one) => one.served === served)
      .map(({ model, message, hint }) => ({
        text: `worker ${worker.name}${served ? '' : ` does not serve ${model}`}: ${message}`,
        fix: modelFix(worker.name, { model, hint }),
      })),
  );
}

function newerThan(worker: WorkerRecord, disk: readonly OnDisk[]): { text: string; fix: string }[] {
  return outdated(worker, disk)
    .filter(({ chosen }) => chosen !== true)
    .map(({ name, version, latest }) => ({
      text: `worker ${worker.name} runs ${name}@${version}, but version ${latest} is on disk`,
      fix: `infer control load ${worker.name} ${name}`,
    }));
}

/** A version chosen by an operator is not a mistake: shown without a warning. */
function chosenLines(workers: readonly WorkerRecord[], disk: readonly OnDisk[]): string[] {
  return workers.flatMap((worker) =>
    outdated(worker, disk)
      .filter(({ chosen }) => chosen === true)
      .map(
        ({ name, version, latest }) =>
          `worker ${worker.name} was told to run ${name}@${version}; version ${latest} is on disk, and a restart takes it`,
      ),
  );
}

/** Models of a worker for which its directory has a later version. */
function outdated(worker: WorkerRecord, disk: readonly OnDisk[]) {
  return worker.models.flatMap((model) => {
    const there = disk.find((one) => one.dir === worker.modelsDir && one.name === model.name);
    return there === undefined || there.version <= model.version ? [] : [{ ...model, latest: there.version }];
  });
}

function readDisk(dir: string): OnDisk[] {
  try {
    return listModels(dir).map(({ name, version }) => ({ dir, name, version }));
  } catch (error) {
    if (error instanceof InferError) return [];
    throw error;
  }
}
