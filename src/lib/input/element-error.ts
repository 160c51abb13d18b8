import { badInput, type InferError } from '../core/errors.js';
import type { TensorSignature } from '../model/signature.js';
import { explainElement } from '../model/value-words.js';
import { inputOf } from './wanted.js';

/** Why a value is not a valid element of a tensor of `type`: its kind and the fix, never the value. */
export function elementError(
  value: unknown,
  index: number,
  input: TensorSignature,
  model: string,
  where: string | undefined,
): InferError {
  const { code, found, takes, hint } = explainElement(value, input.type);
  return badInput(code, `element ${index + 1} is ${found}; ${inputOf(input, model)} takes ${takes}`, {
    where,
    hint,
  });
}
