import { type ModelSignature, type TensorSignature, takesJson } from '../../model/signature.js';
import { sampleDataUrl } from '../../task/sample-image.js';

/**
 * Maximum number of elements of an example input. An image of 3x224x224 has 150,528, which are 0.3 MB of
 * JSON.
 */
const MOST_ELEMENTS = 262_144;

/**
 * An input of one row that a model accepts, made of zeros and short texts; undefined if only its handler
 * knows the form, or it has more than `most` elements. Pure.
 */
export function exampleInput(signature: ModelSignature, most = MOST_ELEMENTS): unknown {
  const { inputs, trialShapes } = signature;
  if (takesJson(signature)) return undefined;
  const needed = inputs.filter((input) => input.default === undefined);
  const given = needed.length === 0 ? inputs.slice(0, 1) : needed;
  const values = given.map(
    (input) => [input.name, exampleOf(input, trialShapes?.[input.name], most)] as const,
  );
  if (values.length === 0 || values.some(([, value]) => value === undefined)) return undefined;
  // A bare value is allowed for a single input.
  return inputs.length === 1 ? values[0]?.[1] : Object.fromEntries(values);
}

function exampleOf(
  { type, shape, role }: TensorSignature,
  trial: readonly number[] | undefined,
  most: number,
): unknown {
  const sizes = shape.map((size, i) => size ?? trial?.[i] ?? 1);
  const count = sizes.reduce((product, size) => product * size, 1);
  if (count > most) return undefined;
  if (role === 'image') return sampleDataUrl();
  const element = type === 'string' ? 'text' : type === 'bool' ? false : 0;
  return nested(sizes, element);
}

function nested([size, ...rest]: readonly number[], element: unknown): unknown {
  if (size === undefined) return element;
  return Array.from({ length: size }, () => nested(rest, element));
}
