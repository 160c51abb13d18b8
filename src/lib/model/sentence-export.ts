import { type Derived, derived } from './derived.js';
import { MODULES_FILE, POOLING_FILE } from './model-names.js';
import type { Pooling } from './raw-schema.js';

/** How sentence-transformers names the ways to pool. */
const MODES: Readonly<Record<string, Pooling>> = {
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_cls_token: 'cls',
  pooling_mode_lasttoken: 'last',
};
/** The steps of a model that `embedding` has. */
const STEPS: readonly string[] = ['Transformer', 'Pooling', 'Normalize'];

/**
 * The task `embedding` with its pooling, of a model of sentence-transformers.
 * @param modules content of modules.json: its steps, in order.
 * @param pooling content of 1_Pooling/config.json.
 */
export function fromSentenceModel(modules: unknown, pooling: Record<string, unknown>): Derived {
  const found = derived();
  const steps = (Array.isArray(modules) ? modules : []).map((step: { type?: unknown } | null) =>
    String(step?.type).replace(/^.*\./, ''),
  );
  const other = steps.find((step) => !STEPS.includes(step));
  const modes = Object.entries(pooling).flatMap(([name, on]) =>
    name.startsWith('pooling_mode_') && on === true ? [name] : [],
  );
  const [mode] = modes;
  const ours = modes.length === 1 && mode !== undefined ? MODES[mode] : undefined;
  if (steps.length === 0 || other !== undefined) {
    found.notes.push(
      `${MODULES_FILE} is not used: ${other === undefined ? 'it lists no steps' : `it has the step ${other}`}`,
    );
    return found;
  }
  if (modes.length > 0 && ours === undefined) {
    found.notes.push(`${POOLING_FILE} is not used: it asks for ${modes.join(', ')}`);
    return found;
  }
  found.manifest.task = 'embedding';
  found.origins.push({ field: 'task', from: MODULES_FILE, assumed: false });
  if (ours !== undefined) {
    found.manifest.pooling = ours;
    found.origins.push({ field: 'pooling', from: `${POOLING_FILE} ${mode}`, assumed: false });
  }
  if (steps.includes('Normalize')) {
    found.manifest.normalize = true;
    found.origins.push({ field: 'normalize', from: MODULES_FILE, assumed: false });
  }
  return found;
}
