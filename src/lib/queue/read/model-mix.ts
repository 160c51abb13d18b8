import { quoteWord } from '../../core/quote-word.js';
import type { WorkerRecord } from '../types.js';

/**
 * The fix for a problem with a worker's model. A worker does not know under which name its hints will be
 * shown: they say WORKER.
 */
export function modelFix(worker: string, { model, hint }: { model: string; hint: string | null }): string {
  const fix = hint ?? `infer control load WORKER ${model}`;
  return fix.replace(' WORKER ', () => ` ${quoteWord(worker)} `);
}

/** A model that workers of a queue serve in several variants: which one answers is chance. */
export interface ModelMix {
  model: string;
  /** Each version, or each content of one version, with the workers that serve it. */
  variants: { version: number; digest: string | undefined; workers: string[] }[];
}

/**
 * Models that workers with a queue in common serve in different versions, or with different files under one
 * version.
 */
export function mixedModels(workers: readonly WorkerRecord[]): ModelMix[] {
  const names = [...new Set(workers.flatMap(({ models }) => models.map(({ name }) => name)))].sort();
  return names.flatMap((model) => {
    const variants = new Map<string, ModelMix['variants'][number] & { queues: Set<string> }>();
    for (const worker of workers) {
      const served = worker.models.find(({ name }) => name === model);
      if (served === undefined) continue;
      const { version, digest } = served;
      const key = `${version} ${digest ?? ''}`;
      const variant = variants.get(key) ?? { version, digest, workers: [], queues: new Set<string>() };
      variant.workers.push(worker.name);
      for (const queue of worker.queues) variant.queues.add(queue);
      variants.set(key, variant);
    }
    const all = [...variants.values()];
    const mixed = all.filter((one) =>
      all.some(
        (other) =>
          other !== one && differ(one, other) && [...one.queues].some((queue) => other.queues.has(queue)),
      ),
    );
    if (mixed.length === 0) return [];
    mixed.sort((a, b) => a.version - b.version);
    return [
      {
        model,
        variants: mixed.map(({ version, digest, workers: who }) => ({ version, digest, workers: who })),
      },
    ];
  });
}

/** Workers of older versions do not report their files. */
function differ(a: { version: number; digest?: string | undefined }, b: typeof a): boolean {
  if (a.version !== b.version) return true;
  return a.digest !== undefined && b.digest !== undefined && a.digest !== b.digest;
}

/**
 * `model m runs in different versions: 1 on alpha; 2 on beta`, or the same for different files of one
 * version.
 */
export function mixText({ model, variants }: ModelMix): string {
  const versions = new Set(variants.map(({ version }) => version));
  const what =
    versions.size > 1
      ? 'runs in different versions'
      : `@${variants[0]?.version} is served from different files`;
  const each = variants.map(({ version, digest, workers }) => {
    const files = variants.filter((one) => one.version === version).length > 1 ? ` (${digest})` : '';
    return `${version}${files} on ${workers.join(', ')}`;
  });
  return `model ${model}${what.startsWith('@') ? what : ` ${what}`}: ${each.join('; ')}`;
}
