import { InferError } from '../../core/errors.js';
import { isName } from '../../core/names.js';
import { printable } from '../../core/printable.js';

/** Path parameters that name a model. */
export interface ModelParams {
  model: string;
  version?: string | undefined;
}

/** The model in infer's notation: `model`, or `model@version`. */
export function modelName({ model, version }: ModelParams): string {
  if (!isName('model', model) || (version !== undefined && Number(version) < 1))
    throw unknownModel({ model, version });
  return version === undefined ? model : `${model}@${Number(version)}`;
}

/** Contains the text that clients of Triton look for. */
export function unknownModel({ model, version }: ModelParams, hint?: string): InferError {
  const of = version === undefined ? '' : ` version ${version}`;
  const shown = printable(model.length > 128 ? `${model.slice(0, 127)}…` : model);
  return new InferError('MODEL_UNKNOWN', `Request for unknown model: '${shown}'${of} is not found`, {
    hint: hint ?? 'GET /v1/models lists the models',
  });
}

/** Runs `work`; reports an unknown model in the protocol's wording. */
export async function ofModel<T>(params: ModelParams, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof InferError) || error.code !== 'MODEL_UNKNOWN') throw error;
    throw unknownModel(params, error.hint);
  }
}
