import { hasTrait } from '../core/error-table.js';
import { InferError, messageOf } from '../core/errors.js';
import { unreadable } from './unreadable.js';

/** Whether an error concerns only its model: others can be served nevertheless. */
export function isModelFault(error: unknown): error is InferError {
  return error instanceof InferError && hasTrait(error.code, 'one-model');
}

/**
 * Turns any error while a model is read or loaded into that model's fault. A file may be replaced while it is
 * read, a disk may fail, and our code may meet an unexpected file: none of that may keep other models from
 * being served.
 * @param where the file or directory that was read, in case the error names none.
 */
export function asModelFault(error: unknown, model: string, where: string): InferError {
  if (isModelFault(error)) return error;
  if (error instanceof InferError && hasTrait(error.code, 'no-model')) return error;
  if (!(error instanceof InferError) && isSystemError(error))
    return unreadable(model, error.path ?? where, error);
  return new InferError('MODEL_LOAD', `model ${model} cannot be loaded: ${messageOf(error)}`, {
    hint: error instanceof InferError ? error.hint : undefined,
    cause: error,
  });
}

/** An error of the operating system, such as ENOENT or EIO. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}

/**
 * MODEL_UNSERVED: the failure of a job whose model its worker cannot load; the job is retried, perhaps
 * elsewhere.
 */
export function modelUnserved(why: InferError): InferError {
  return new InferError('MODEL_UNSERVED', `this worker cannot load its model: ${why.message}`, {
    hint: why.hint,
  });
}
