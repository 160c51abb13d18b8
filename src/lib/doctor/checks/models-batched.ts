import type { WorkerRecord } from '../../queue/types.js';
import { type Check, type Judgement, ok, several, skip, warn } from '../check.js';

export const modelsBatched: Check = {
  id: 'models-batched',
  topic: 'models',
  title: 'rows that share a run',
  run: async (context) => judgeBatching((await context.samples()).second.workers),
};

/**
 * Models of running workers whose rows run one at a time, and why. A model found to mix rows while serving
 * has given wrong answers before; one found by the trial at load is slower but correct.
 */
export function judgeBatching(workers: readonly WorkerRecord[]): Judgement {
  if (workers.length === 0) return skip('no worker is running');
  const mixed: string[] = [];
  const names = new Set<string>();
  const single = new Set<string>();
  for (const worker of workers) {
    for (const { name, version, unbatched } of worker.models) {
      if (unbatched === undefined) continue;
      if (unbatched.reason === 'ROWS_MIXED') {
        names.add(name);
        mixed.push(`worker ${worker.name} saw rows of ${name}@${version} mix in service: ${unbatched.text}`);
      } else single.add(`${name}@${version} runs one row at a time: ${unbatched.text}`);
    }
  }
  if (mixed.length > 0) {
    const { found, details } = several([...mixed, ...single]);
    const which = [...names].map((name) => `${name}/model.json`).join(', ');
    return warn(found, `say "batchable": false in ${which}, and rerun earlier requests`, {
      details,
    });
  }
  if (single.size === 0) return ok('rows of all models may share a run');
  const { found, details } = several([...single]);
  return ok(found, details);
}
