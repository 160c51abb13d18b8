import { InferError } from '../../core/errors.js';
import { toNumbers } from '../../model/elements.js';
import { shortFloat } from '../../model/rows.js';
import type { ModelSignature } from '../../model/signature.js';
import {
  decodeStrings,
  elementCount,
  encodeStrings,
  type Payload,
  type RowTensor,
} from '../../model/tensor.js';

/**
 * The classification extension: for each row its `count` highest scores, the highest first, as `value:index` or, with
 * labels in model.json, `value:index:label`. Fewer where a row has fewer scores.
 * @throws InferError OUTPUT_FORM when rows differ in shape, or one has several classes.
 */
export function topClasses(
  tensor: RowTensor,
  count: number,
  result: Payload,
  { labels }: ModelSignature,
): RowTensor {
  const { name, shape, shapes } = tensor;
  if (shapes !== undefined) throw noClasses(name, 'rows differ in shape');
  const { rows } = result;
  if (tensor.role === 'class') {
    if (elementCount(shape) !== 1) throw noClasses(name, 'a row has several classes');
    return textsOf(name, 1, decided(result, labels));
  }
  const size = elementCount(shape);
  const scores = toNumbers(tensor.type, tensor.data) as ArrayLike<number | bigint>;
  const kept = Math.min(count, size);
  const named = labels?.length === size ? labels : undefined;
  const sharedRows = tensor.shared ? 1 : rows;
  const texts: string[] = [];
  for (let row = 0; row < sharedRows; row++) {
    for (const index of best(scores, row * size, size, kept)) {
      texts.push(classText(scores[row * size + index] as number, tensor.type === 'float32', index, named));
    }
  }
  return { ...textsOf(name, kept, texts), ...(tensor.shared ? { shared: true } : {}) };
}

/** Indices of the highest of `size` scores, the highest first; of equal ones the first. NaN is no score. */
function best(scores: ArrayLike<number | bigint>, at: number, size: number, count: number): number[] {
  const order = Array.from({ length: size }, (_, index) => index);
  const rank = (index: number): number | bigint => {
    const score = scores[at + index] as number | bigint;
    return typeof score === 'number' && Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score;
  };
  order.sort((a, b) => {
    const left = rank(a);
    const right = rank(b);
    return left < right ? 1 : left > right ? -1 : a - b;
  });
  return order.slice(0, count);
}

/** What a classification of ours has decided, one class a row. */
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
  return new InferError('OUTPUT_FORM', `output '${name}' cannot be told as classes: ${why}`, {
    hint: 'ask for the output itself',
  });
}
