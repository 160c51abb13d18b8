import { manifestError } from './manifest-error.js';

/**
 * Shape of one row of a tensor: the model's shape without its batch axis, open dimensions null, those fixed
 * by model.json filled in.
 * @throws InferError MODEL_MANIFEST when the fixed shape is impossible for this tensor.
 */
export function pinnedShape(
  tensor: { name: string; shape: readonly (number | string)[] },
  axis: number | null,
  pinned: readonly (number | null)[] | undefined,
  label: string,
  section: 'inputs' | 'outputs' = 'inputs',
): (number | null)[] {
  const field = `field ${section}.${tensor.name}`;
  const rank = tensor.shape.length;
  if (axis !== null && axis >= rank && rank > 0) {
    throw manifestError(
      label,
      `${field}.batchAxis: ${axis}, but the model's shape is [${tensor.shape.join(',')}]`,
    );
  }
  const declared = tensor.shape
    .filter((_, index) => index !== axis)
    .map((dim) => (typeof dim === 'number' ? dim : null));
  if (pinned === undefined) return declared;
  const fits =
    pinned.length === declared.length &&
    declared.every((dim, i) => dim === null || pinned[i] === null || dim === pinned[i]);
  if (!fits) {
    throw manifestError(
      label,
      `${field}.shape: [${pinned.map((dim) => dim ?? 'null').join(',')}] does not fit the model's [${tensor.shape.join(',')}]`,
      'give the shape of one row, without the batch axis',
    );
  }
  return declared.map((dim, index) => dim ?? pinned[index] ?? null);
}
