import { setImmediate as nextTurn } from 'node:timers/promises';
import { InferError } from '../../core/errors.js';
import { toNumbers } from '../../model/elements.js';
import { shortFloat } from '../../model/float-text.js';
import type { ModelSignature } from '../../model/signature.js';
import {
  decodeStrings,
  elementCount,
  encodeStrings,
  type Payload,
  type RowTensor,
} from '../../model/tensor.js';
import { type Scores, TopScores } from '../../model/top-scores.js';

/** Scores that are looked at before others get their turn. */
const SCORES_A_TURN = 262_144;

/**
 * The classification extension: the `count` highest scores of each row in descending order, as `value:index`
 * or, with labels in model.json, `value:index:label`. Fewer if a row has fewer scores.
 * @throws InferError OUTPUT_FORM when rows differ in shape, or one has several classes.
 */
export async function topClasses(
  tensor: RowTensor,
  count: number,
  result: Payload,
  { labels }: ModelSignature,
): Promise<RowTensor> {
  const { name, shape, shapes } = tensor;
  if (shapes !== undefined) throw noClasses(name, 'rows differ in shape');
  const { rows } = result;
  if (tensor.role === 'class') {
    if (elementCount(shape) !== 1) throw noClasses(name, 'a row has several classes');
    return textsOf(name, 1, decided(result, labels));
  }
  const size = elementCount(shape);
  const scores = toNumbers(tensor.type, tensor.data) as Scores;
  const kept = Math.min(count, size);
  const named = labels?.length === size ? labels : undefined;
  const sharedRows = tensor.shared ? 1 : rows;
  const texts: string[] = [];
  let looked = 0;
  for (let row = 0; row < sharedRows; row++) {
    const best = new TopScores(scores, { at: row * size, step: 1, count: size }, kept);
    for (let from = 0; from < size; from += SCORES_A_TURN) {
      const to = Math.min(size, from + SCORES_A_TURN);
      best.look(from, to);
      looked += to - from;
      if (looked < SCORES_A_TURN) continue;
      looked = 0;
      await nextTurn();
    }
    for (const index of best.indexes) {
      texts.push(classText(scores[row * size + index] as number, tensor.type === 'float32', index, named));
    }
  }
  return { ...textsOf(name, kept, texts), ...(tensor.shared ? { shared: true } : {}) };
}

/** The same of scores that the runner has chosen, with their indexes. */
export function chosenClasses(
  name: string,
  scores: RowTensor,
  indexes: RowTensor,
  { labels, ...model }: ModelSignature,
): RowTensor {
  const values = toNumbers(scores.type, scores.data) as Scores;
  const found = toNumbers(indexes.type, indexes.data) as Int32Array;
  const size = [...model.outputs, ...(model.choices ?? [])].find((one) => one.name === name)?.shape[0];
  const named = size === labels?.length ? labels : undefined;
  const texts = Array.from(found, (index, at) =>
    classText(values[at] as number, scores.type === 'float32', index, named),
  );
  const text = { ...textsOf(name, 0, texts), shape: scores.shape };
  return scores.shapes === undefined ? text : { ...text, shapes: scores.shapes };
}

/** The result of infer's own classification, one class a row. */
function decided({ tensors, rows }: Payload, labels: readonly string[] | undefined): string[] {
  const numbers = (name: string) => {
    const tensor = tensors.find((one) => one.name === name && one.role === 'class');
    if (tensor === undefined) throw noClasses(name, 'the result has no classes');
    return toNumbers(tensor.type, tensor.data) as ArrayLike<number>;
  };
  const classes = numbers('class');
  const confidences = numbers('confidence');
  const stored = tensors.find(({ name, role }) => name === 'label' && role === 'class');
  const texts = stored === undefined ? undefined : decodeStrings(stored.data);
  return Array.from({ length: rows }, (_, row) => {
    const index = classes[row] as number;
    const label = texts?.[row] ?? labels?.[index];
    return withLabel(`${shortFloat(confidences[row] as number)}:${index}`, label);
  });
}

function classText(
  score: number | bigint,
  short: boolean,
  index: number,
  labels: readonly string[] | undefined,
): string {
  const value = short && typeof score === 'number' ? shortFloat(score) : score;
  return withLabel(`${value}:${index}`, labels?.[index]);
}

const withLabel = (text: string, label: string | undefined): string =>
  label === undefined ? text : `${text}:${label}`;

function textsOf(name: string, perRow: number, texts: readonly string[]): RowTensor {
  return { name, type: 'string', shape: [perRow], data: encodeStrings(texts) };
}

function noClasses(name: string, why: string): InferError {
  return new InferError('OUTPUT_FORM', `output '${name}' cannot be returned as classes: ${why}`, {
    hint: 'request the output without classification',
  });
}
