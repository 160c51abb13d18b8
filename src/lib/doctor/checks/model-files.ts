import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { InferError } from '../../core/errors.js';
import { findModel, listModels } from '../../model/repository.js';
import type { ModelSignature } from '../../model/signature.js';
import type { WorkerRecord } from '../../queue/broker.js';
import { publishedModels } from '../../queue/registry.js';
import { type Check, type Finding, ok, several, skip, warn } from '../check.js';
import { permitted } from '../context.js';

/** Reading more than this would take longer than a check may. */
const MAX_HASHED_BYTES = 512 * 2 ** 20;

/** A model's file on this machine's disk. */
export interface OnDisk {
  name: string;
  version: number;
  sizeBytes: number;
  /** As `ModelSignature.digest`; undefined for a file too large to read in time. */
  digest?: string | undefined;
  /** When the file was last written, ms since the epoch. */
  changedAt: number;
}

export const modelsChanged: Check = {
  id: 'models-changed',
  topic: 'models',
  title: 'models of running workers',
  run: async (context) => {
    const { client } = await context.redis();
    const { prefix, modelsDir } = context.loaded.values;
    const [{ second }, published] = await Promise.all([
      context.looks(),
      permitted(client, publishedModels(client, prefix)),
    ]);
    const here = second.workers.filter((worker) => worker.host === context.machine.host);
    if (second.workers.length === 0) return skip('no worker is running');
    const versions = judgeServedVersions(second.workers);
    if (versions !== undefined) return versions;
    if (here.length === 0) return skip('the workers run on other machines: ask there');
    const names = new Set(here.flatMap((worker) => worker.models.map((model) => model.name)));
    return judgeChanged(here, published, await readDisk(modelsDir, [...names]), modelsDir);
  },
};

/** Workers that run different versions of one model give different answers to the same input. */
export function judgeServedVersions(workers: readonly WorkerRecord[]): Finding | undefined {
  const served = new Map<string, Map<number, string[]>>();
  for (const worker of workers) {
    for (const { name, version } of worker.models) {
      const versions = served.get(name) ?? new Map<number, string[]>();
      served.set(name, versions.set(version, [...(versions.get(version) ?? []), worker.name]));
    }
  }
  const lines = [...served]
    .filter(([, versions]) => versions.size > 1)
    .map(([name, versions]) => {
      const each = [...versions]
        .sort(([a], [b]) => a - b)
        .map(([version, who]) => `${version} on ${who.join(', ')}`);
      return `model ${name} runs in different versions: ${each.join('; ')}`;
    });
  if (lines.length === 0) return undefined;
  const { found, details } = several(lines);
  return warn(found, 'restart the workers of the older version', { details });
}

/** What the workers of this machine have loaded against what its directory holds now. */
export function judgeChanged(
  workers: readonly WorkerRecord[],
  published: readonly ModelSignature[],
  disk: readonly OnDisk[],
  dir: string,
): Finding {
  const lines: string[] = [];
  const old = new Set<string>();
  for (const worker of workers) {
    for (const model of worker.models) {
      const reason = changeOf(worker, model, published, disk);
      if (reason === undefined) continue;
      old.add(worker.name);
      lines.push(`worker ${worker.name} runs ${model.name}@${model.version}, but ${reason}`);
    }
  }
  if (lines.length === 0) return ok(`as they are in ${dir}`);
  const { found, details } = several(lines);
  return warn(found, `restart worker ${[...old].join(', ')}`, { details });
}

function changeOf(
  worker: WorkerRecord,
  model: WorkerRecord['models'][number],
  published: readonly ModelSignature[],
  disk: readonly OnDisk[],
): string | undefined {
  const file = disk.find((one) => one.name === model.name);
  if (file === undefined) return 'it is no longer on disk';
  if (file.version !== model.version) return `version ${file.version} is on disk`;
  const signature = published.find((one) => one.name === model.name && one.version === model.version);
  if (signature === undefined) return undefined;
  const other =
    file.digest === undefined ? file.sizeBytes !== signature.sizeBytes : file.digest !== signature.digest;
  if (other) return 'the file on disk is another one by now';
  // Published by a worker that started after the change; this one may still have the file before it.
  return file.changedAt > worker.startedAt ? 'the file was written after it started' : undefined;
}

async function readDisk(dir: string, names: readonly string[]): Promise<OnDisk[]> {
  const present = new Set(presentModels(dir));
  const files = await Promise.all(
    names.filter((name) => present.has(name)).map(async (name) => readModel(dir, name)),
  );
  return files.filter((file) => file !== undefined);
}

function presentModels(dir: string): string[] {
  try {
    return listModels(dir).map((model) => model.name);
  } catch (error) {
    if (error instanceof InferError) return [];
    throw error;
  }
}

async function readModel(dir: string, name: string): Promise<OnDisk | undefined> {
  let files: ReturnType<typeof findModel>;
  try {
    files = findModel(dir, name);
  } catch (error) {
    // What is wrong with it, models-found says.
    if (error instanceof InferError) return undefined;
    throw error;
  }
  const { version, sizeBytes, onnxPath } = files;
  const { size, mtimeMs } = await stat(onnxPath);
  const digest = size > MAX_HASHED_BYTES ? undefined : await digestOf(onnxPath);
  return { name, version, sizeBytes, digest, changedAt: mtimeMs };
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex').slice(0, 16);
}
