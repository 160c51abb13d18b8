import { areProbabilities, classify, classOutputs, planScores } from './classification.js';
import type { ModelManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import type { RowFailure } from './row-failure.js';
import { classifies, type TensorSignature } from './signature.js';
import { isFloat, type Payload, type RowTensor } from './tensor.js';

/** How a model's raw outputs are turned into those of its task; `signature` is then published. */
export interface TaskPlan {
  outputs: TensorSignature[];
  /**
   * The rows with an answer, in order, and why each other row has none.
   * @param most classes wanted besides the best one; ignored by other tasks
   */
  apply(raw: Payload, most?: number): RunOutputs;
}

export interface RunOutputs {
  outputs: Payload;
  failed: RowFailure[];
}

/**
 * `classification`: `class` int32, `confidence` float32 and, with labels, `label` per row, from the scores
 * output named by the manifest, else the first float output. `embedding`: of all outputs the one that is a vector of
 * floats a row. `tensor` (the default): outputs unchanged.
 * `image-classification` and `image` are the same for models whose rows are images.
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

/** A row's vector: the output that the manifest names, else the first that is one. */
function planEmbedding(
  manifest: ModelManifest,
  outputs: readonly TensorSignature[],
  label: string,
): TaskPlan {
  const found =
    manifest.output === undefined
      ? outputs.find(isVector)
      : outputs.find((output) => output.name === manifest.output);
  if (found === undefined || !isVector(found)) {
    const shown = (found === undefined ? outputs : [found]).map(
      ({ name, type, shape }) => `${name} ${type} [${shape.map((dim) => dim ?? '?').join(',')}]`,
    );
    throw manifestError(
      label,
      `field task: an embedding is one vector of floats a row, and ${found === undefined ? 'no output of the model is one' : 'this output is none'}: a row has ${shown.join(', ')}`,
      'pool the vectors of its parts in the model, or name another output',
    );
  }
  const { name } = found;
  const shape = found.shape.slice(-1);
  return {
    outputs: [{ ...found, shape }],
    apply: ({ rows, tensors }) => {
      const vectors = tensors.filter((tensor) => tensor.name === name);
      return { outputs: { rows, tensors: vectors.map(vectorOf) }, failed: [] };
    },
  };
}

/** Floats of one axis; a model of one row a run may have its batch of 1 in front. */
function isVector({ type, shape, shared }: TensorSignature): boolean {
  return isFloat(type) && !shared && (shape.length === 1 || (shape.length === 2 && shape[0] === 1));
}

/** Rows of one length are one matrix; where they differ (an open length), each keeps its own. */
function vectorOf(tensor: RowTensor): RowTensor {
  const { shape, shapes } = tensor;
  if (shapes === undefined) return { ...tensor, shape: shape.slice(-1) };
  return { ...tensor, shapes: shapes.map((one) => one.slice(-1)) };
}
