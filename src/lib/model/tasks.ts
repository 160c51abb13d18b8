import { areProbabilities, classify, classOutputs, planScores } from './classification.js';
import { planEmbedding } from './embeddings.js';
import type { ModelManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import { classifies, type TensorSignature } from './signature.js';
import type { TaskPlan } from './task-plan.js';
import { isFloat, type Payload } from './tensor.js';

/**
 * `classification`: `class` int32, `confidence` float32 and, with labels, `label` per row, from the scores
 * output named by the manifest, else the first float output. `embedding`: of all outputs the one that is a vector of
 * floats a row, or with `pooling` the vectors of a row's tokens. `tensor` (the default): outputs unchanged.
 * `text-classification`, `image-classification` and `image` are the same for models whose rows are texts or images.
 * @param sample the outputs of a row that ran at load: if the manifest does not say, scores are probabilities
 *   if these are.
 * @throws InferError MODEL_MANIFEST when the manifest names an unsuitable output or labels.
 */
export function planTask(
  manifest: ModelManifest,
  outputs: TensorSignature[],
  label: string,
  sample?: Payload,
): TaskPlan {
  if (manifest.task === 'embedding') return planEmbedding(manifest, outputs, label);
  if (!classifies(manifest)) return { outputs, apply: (raw) => ({ outputs: raw, failed: [] }) };
  const scores = scoresOutput(manifest, outputs, label);
  const plan = planScores(manifest, scores, label);
  if (plan.scores === undefined && sample !== undefined && areProbabilities(sample, plan))
    plan.scores = 'probabilities';
  return { outputs: classOutputs(plan, scores), apply: (raw, most) => classify(raw, plan, most) };
}

function scoresOutput(
  manifest: ModelManifest,
  outputs: readonly TensorSignature[],
  label: string,
): TensorSignature {
  const names = outputs.map((output) => output.name).join(', ');
  const found =
    manifest.output === undefined
      ? outputs.find((output) => isFloat(output.type) && !output.shared)
      : outputs.find((output) => output.name === manifest.output);
  if (found === undefined || !isFloat(found.type)) {
    throw manifestError(
      label,
      `field output: ${manifest.output ?? 'none'} is not an output of floats; the model's outputs are ${names}`,
    );
  }
  return found;
}
