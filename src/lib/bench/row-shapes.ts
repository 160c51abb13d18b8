import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import type { ModelSignature, TensorSignature } from '../model/signature.js';

/** Size of an open dimension about which nothing is known. */
const OPEN_DIM = 8;
const SHAPE = /^\d+(?:x\d+)*$/;

/** Row shapes by input name. */
export type ShapesByInput = ReadonlyMap<string, readonly number[]>;

/**
 * Shapes such as `image=3x224x224` for the inputs of a model.
 * @throws InferError BENCH_SHAPE (2) for one that is malformed or does not fit the model.
 */
export function parseShapes(texts: readonly string[], signature: ModelSignature): ShapesByInput {
  return new Map(
    texts.map((text): [string, number[]] => {
      const at = text.lastIndexOf('=');
      const [name, dims] = [text.slice(0, Math.max(0, at)), text.slice(at + 1)];
      const input = signature.inputs.find((one) => one.name === name);
      if (input === undefined || !SHAPE.test(dims)) {
        const example = signature.inputs[0];
        throw badShape(
          `'${printable(text)}' is not the shape of an input of model ${signature.name}`,
          example === undefined ? undefined : exampleOf(example),
        );
      }
      const shape = dims.split('x').map(Number);
      if (!fits(shape, input)) {
        const taken = input.shape.map((dim) => dim ?? '?').join(',');
        throw badShape(
          `a row of ${input.name} has the shape [${taken}], not [${shape.join(',')}]`,
          exampleOf(input),
        );
      }
      return [name, shape];
    }),
  );
}

function fits(shape: readonly number[], input: TensorSignature): boolean {
  return (
    shape.length === input.shape.length &&
    shape.every((dim, axis) => dim > 0 && (input.shape[axis] === null || input.shape[axis] === dim))
  );
}

/** `--shape image=3x224x224`, with example values for the model's open dimensions. */
export function exampleOf({ name, shape }: TensorSignature): string {
  return `--shape ${name}=${shape.map((dim) => dim ?? 224).join('x')}`;
}

/** One row's shape of an input: as given, else as in the trial at load, else 8 for each open dimension. */
export function rowShapeOf(
  input: TensorSignature,
  signature: ModelSignature,
  given?: ShapesByInput,
): number[] {
  const known = given?.get(input.name) ?? signature.trialShapes?.[input.name];
  return known === undefined ? input.shape.map((dim) => dim ?? OPEN_DIM) : [...known];
}

/** Names of the inputs with a dimension that may vary: a measurement is meaningless without their shapes. */
export function openInputs({ inputs }: ModelSignature): string[] {
  return inputs.flatMap((input) => (input.shape.includes(null) ? [input.name] : []));
}

function badShape(message: string, hint: string | undefined): InferError {
  return new InferError('BENCH_SHAPE', message, { hint });
}
