import { InferError } from '../core/errors.js';

/**
 * MODEL_MANIFEST: a model.json that is invalid or does not fit its model. `file` as in `digits/model.json`.
 */
export function manifestError(file: string, what: string, hint?: string): InferError {
  return new InferError('MODEL_MANIFEST', `${file}: ${what}`, { hint });
}
