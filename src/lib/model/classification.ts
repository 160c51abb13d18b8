import { InferError } from '../core/errors.js';
import { isBatchName } from './axis-plans.js';
import { toNumbers } from './elements.js';
import { toBytes } from './layout.js';
import type { ModelManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import type { RowFailure } from './row-failure.js';
import type { TensorSignature } from './signature.js';
import { elementCount, encodeStrings, type Payload, type RowTensor } from './tensor.js';
import { TopScores } from './top-scores.js';

/** Rounding may move a probability this far outside 0..1. */
const PROBABILITY_SLACK = 1e-3;

/** How to interpret the scores of a row. */
export interface ScorePlan {
  output: string;
  /**
   * The kind of scores; undefined when model.json does not say: then treated as logits for two classes or
   * more.
   */
  scores: 'logits' | 'probabilities' | undefined;
  /** A row's scores start with an axis of length 1: the batch of a model that runs one row at a time. */
  lead: boolean;
  /** The class axis, after that one; null when a row is a single score. */
  axis: number | null;
  /** Class names, each encoded separately. */
  labels?: readonly Uint8Array[] | undefined;
}

/**
 * Finds the class axis in a row's scores: the only axis, the one named by `classAxis`, the only one as long
 * as the labels, or of two the last (a class for every token).
 * @throws InferError MODEL_MANIFEST when it remains ambiguous, or labels and scores do not match.
 */
export function planScores(manifest: ModelManifest, scores: TensorSignature, label: string): ScorePlan {
  const { name, shape, batchAxis, modelShape } = scores;
  if (scores.shared) {
    throw manifestError(
      label,
      `field output: ${name} is the same for every row, so no row has a class of its own`,
    );
  }
  const [first] = shape;
  const lead =
    batchAxis === null && shape.length > 1 && (first === 1 || (first === null && isBatchName(modelShape[0])));
  const dims = lead ? shape.slice(1) : shape;
  const axis = dims.length === 0 ? null : classAxis(manifest, dims, name, label);
  const classes = axis === null ? 1 : (dims[axis] ?? null);
  checkLabels(manifest, classes, name, label);
  if (classes === 1 && manifest.scores === undefined) {
    throw manifestError(
      label,
      `field scores: output ${name} holds one score, of which class 1 is decided: say whether it is "probabilities" (after a sigmoid) or "logits"`,
    );
  }
  const labels = manifest.labels?.map((text) => encodeStrings([text]));
  return { output: name, scores: manifest.scores, lead, axis, labels };
}

function classAxis(
  manifest: ModelManifest,
  dims: readonly (number | null)[],
  name: string,
  label: string,
): number {
  const shown = `[${dims.map((dim) => dim ?? '?').join(',')}]`;
  const declared = manifest.classAxis;
  if (declared !== undefined) {
    if (declared < dims.length) return declared;
    throw manifestError(
      label,
      `field classAxis: a row of output ${name} has shape ${shown}, no axis ${declared}`,
    );
  }
  if (dims.length === 1) return 0;
  const count = manifest.labels?.length;
  const last = dims.length - 1;
  const fits = dims.flatMap((dim, axis) => (count !== undefined && dim === count ? [axis] : []));
  if (fits.length === 1) return fits[0] as number;
  if (dims.length === 2) return last;
  throw manifestError(
    label,
    `field classAxis: a row of output ${name} has shape ${shown}; say which axis the classes run along (0 when they come first), or name the classes in labels`,
  );
}

function checkLabels(manifest: ModelManifest, classes: number | null, name: string, label: string): void {
  const labels = manifest.labels?.length;
  if (labels === undefined || classes === null || labels === Math.max(2, classes)) return;
  throw manifestError(
    label,
    classes === 1
      ? `field labels: ${labels} names, but one score decides between two classes: name both, that of a low score first`
      : `field labels: ${labels} names, but output ${name} has ${classes} classes`,
  );
}

/**
 * The outputs that a classification publishes: a class, its confidence and its label for every position of a
 * row.
 */
export function classOutputs(plan: ScorePlan, scores: TensorSignature): TensorSignature[] {
  const dims = plan.lead ? scores.shape.slice(1) : scores.shape;
  const shape = dims.filter((_, axis) => axis !== plan.axis);
  const own = { shape, shared: false, role: 'class' as const, batchAxis: scores.batchAxis, modelShape: [] };
  return [
    { name: 'class', type: 'int32', ...own },
    { name: 'confidence', type: 'float32', ...own },
    ...(plan.labels === undefined ? [] : [{ name: 'label', type: 'string' as const, ...own }]),
  ];
}

/**
 * Class, confidence and, with labels, the label of each row; for rows with scores at several positions, of
 * each position. The label is stored with the result, so that it does not change when a later version of the
 * model renames its classes. A row whose scores contain NaN, or are not probabilities although declared so,
 * has no answer: RUN_FAILED.
 * @param most classes of each position that are wanted besides, best first, as `top_class` and so on
 */
export function classify(
  raw: Payload,
  plan: ScorePlan,
  most = 0,
): { outputs: Payload; failed: RowFailure[] } {
  const tensor = raw.tensors.find((one) => one.name === plan.output);
  if (tensor === undefined) throw new InferError('RUN_FAILED', `the model gave no output ${plan.output}`);
  const dims = plan.lead ? tensor.shape.slice(1) : tensor.shape;
  const { axis } = plan;
  const classes = axis === null ? 1 : (dims[axis] ?? 0);
  checkCount(plan, classes);
  const inner = axis === null ? 1 : elementCount(dims.slice(axis + 1));
  const scores = toNumbers(tensor.type, tensor.data) as Float32Array;
  const size = elementCount(tensor.shape);
  const places = size / classes;
  const found: number[] = [];
  const confidences: number[] = [];
  const kept = Math.min(most, Math.max(2, classes));
  const top = { found: [] as number[], confidences: [] as number[] };
  const failed: RowFailure[] = [];
  let rows = 0;
  for (let row = 0; row < raw.rows; row++) {
    const before = found.length;
    try {
      for (let place = 0; place < places; place++) {
        const at = row * size + Math.floor(place / inner) * classes * inner + (place % inner);
        const position = { at, step: inner, classes };
        const [best, confidence] = decide(scores, position, plan);
        found.push(best);
        confidences.push(confidence);
        if (kept > 0) rank(scores, position, plan, kept, top);
      }
      rows += 1;
    } catch (error) {
      if (!(error instanceof InferError)) throw error;
      found.length = before;
      confidences.length = before;
      top.found.length = before * kept;
      top.confidences.length = before * kept;
      failed.push({ row, error });
    }
  }
  const shape = dims.filter((_, at) => at !== axis);
  const tensors = classTensors('', shape, { found, confidences }, plan);
  if (kept > 0) tensors.push(...classTensors('top_', [...shape, kept], top, plan));
  return { outputs: { rows, tensors }, failed };
}

function classTensors(
  prefix: '' | 'top_',
  shape: number[],
  { found, confidences }: { found: readonly number[]; confidences: readonly number[] },
  { labels }: ScorePlan,
): RowTensor[] {
  const own = { shape, role: 'class' as const };
  const tensors: RowTensor[] = [
    { name: `${prefix}class`, type: 'int32', ...own, data: toBytes(Int32Array.from(found)) },
    { name: `${prefix}confidence`, type: 'float32', ...own, data: toBytes(Float32Array.from(confidences)) },
  ];
  if (labels !== undefined) {
    const names = found.map((index) => labels[index] as Uint8Array);
    tensors.push({ name: `${prefix}label`, type: 'string', ...own, data: Buffer.concat(names) });
  }
  return tensors;
}

/** Adds the `count` best classes of a position, which `decide` has checked. */
function rank(
  scores: ArrayLike<number>,
  place: Place,
  plan: ScorePlan,
  count: number,
  top: { found: number[]; confidences: number[] },
): void {
  const { at, step, classes } = place;
  if (classes === 1) {
    const [best, confidence] = decide(scores, place, plan);
    top.found.push(...[best, 1 - best].slice(0, count));
    top.confidences.push(...[confidence, 1 - confidence].slice(0, count));
    return;
  }
  const { indexes } = new TopScores(scores, { at, step, count: classes }, count).look();
  const highest = scores[at + (indexes[0] as number) * step] as number;
  const sum = plan.scores === 'probabilities' ? 1 : expSum(scores, place, highest);
  for (const index of indexes) {
    const score = scores[at + index * step] as number;
    top.found.push(index);
    if (plan.scores === 'probabilities') top.confidences.push(probability(score, plan.output));
    else top.confidences.push((score === highest ? 1 : Math.exp(score - highest)) / sum);
  }
}

/**
 * Whether the scores of these rows can only be probabilities: within 0 to 1, with a sum of 1 at each
 * position. For a model whose model.json does not say: a second softmax would make every confidence too low.
 */
export function areProbabilities({ tensors, rows }: Payload, plan: ScorePlan): boolean {
  const tensor = tensors.find((one) => one.name === plan.output);
  if (tensor === undefined || plan.axis === null) return false;
  const dims = plan.lead ? tensor.shape.slice(1) : tensor.shape;
  const classes = dims[plan.axis] ?? 0;
  if (classes < 2) return false;
  const inner = elementCount(dims.slice(plan.axis + 1));
  const scores = toNumbers(tensor.type, tensor.data) as Float32Array;
  const places = (rows * elementCount(tensor.shape)) / classes;
  for (let place = 0; place < places; place++) {
    const at = Math.floor(place / inner) * classes * inner + (place % inner);
    let sum = 0;
    for (let i = 0; i < classes; i++) {
      const score = scores[at + i * inner] as number;
      if (!(score >= 0 && score <= 1 + PROBABILITY_SLACK)) return false;
      sum += score;
    }
    if (Math.abs(sum - 1) > PROBABILITY_SLACK) return false;
  }
  return places > 0;
}

/** Checks what was unknown at load if the number of classes was open. */
function checkCount({ output, scores, labels }: ScorePlan, classes: number): void {
  if (classes === 0) throw new InferError('RUN_FAILED', `output ${output} holds no scores`);
  if (classes === 1 && scores === undefined) {
    throw new InferError(
      'RUN_FAILED',
      `output ${output} holds one score, and model.json does not say of what kind`,
      {
        hint: 'write "scores": "probabilities" or "logits" in model.json',
      },
    );
  }
  if (labels !== undefined && labels.length !== Math.max(2, classes)) {
    throw new InferError(
      'RUN_FAILED',
      `output ${output} has ${classes} classes, model.json names ${labels.length}`,
      {
        hint: 'correct the labels in model.json',
      },
    );
  }
}

/** The scores of one position: `classes` of them, `step` elements apart. */
interface Place {
  at: number;
  step: number;
  classes: number;
}

function decide(
  scores: ArrayLike<number>,
  place: Place,
  plan: ScorePlan,
): [best: number, confidence: number] {
  const { at, step, classes } = place;
  let best = 0;
  for (let i = 0; i < classes; i++) {
    const value = scores[at + i * step] as number;
    if (Number.isNaN(value)) throw new InferError('RUN_FAILED', `output ${plan.output} holds NaN`);
    if (value > (scores[at + best * step] as number)) best = i;
  }
  const top = scores[at + best * step] as number;
  if (plan.scores === 'probabilities') {
    const p = probability(top, plan.output);
    if (classes > 1) return [best, p];
    return p > 0.5 ? [1, p] : [0, 1 - p];
  }
  if (classes === 1) return [top > 0 ? 1 : 0, 1 / (1 + Math.exp(-Math.abs(top)))];
  return [best, 1 / expSum(scores, place, top)];
}

function probability(value: number, output: string): number {
  if (value >= -PROBABILITY_SLACK && value <= 1 + PROBABILITY_SLACK) return Math.min(1, Math.max(0, value));
  throw new InferError(
    'RUN_FAILED',
    `output ${output} holds ${Number(value.toPrecision(3))}, which is not a probability`,
    {
      hint: 'write "scores": "logits" in model.json',
    },
  );
}

/** Sum of exp(score - top): at least 1 and at most the number of classes, so no score can overflow it. */
function expSum(scores: ArrayLike<number>, { at, step, classes }: Place, top: number): number {
  let sum = 0;
  for (let i = 0; i < classes; i++) {
    const score = scores[at + i * step] as number;
    sum += score === top ? 1 : Math.exp(score - top);
  }
  return sum;
}
