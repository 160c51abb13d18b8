import { defaultOf } from '../model/defaults.js';
import type { ModelSignature, TensorSignature } from '../model/signature.js';

/** Inputs that a submitter may omit, because model.json gives them a default. */

/** Index of the input that a bare value refers to: the only one, or the only one without a default. */
export function bareInput({ inputs }: ModelSignature): number | undefined {
  if (inputs.length === 1) return 0;
  const needed = inputs.flatMap((input, index) => (input.default === undefined ? [index] : []));
  return needed.length === 1 ? needed[0] : undefined;
}

/** The value of an input in an object of named inputs, or its default. */
export function fieldOrDefault(fields: Record<string, unknown>, input: TensorSignature): unknown {
  return isLeftOut(fields, input) ? defaultOf(input) : fields[input.name];
}

/** Whether an object of named inputs omits this one. */
export function isLeftOut(fields: object, input: TensorSignature): boolean {
  return input.default !== undefined && !Object.hasOwn(fields, input.name);
}
