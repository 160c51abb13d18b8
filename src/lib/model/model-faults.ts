import { InferError } from '../core/errors.js';

/** Codes of what is wrong with one model; the process that loads it, and other models, are not to blame. */
const CODES: ReadonlySet<string> = new Set([
  'MODEL_UNKNOWN',
  'MODEL_PATH',
  'MODEL_UNREADABLE',
  'MODEL_MANIFEST',
  'MODEL_LOAD',
  'MODEL_CHANGED',
  'HANDLER_LOAD',
]);

/** Whether an error is one model's own: others can be served all the same. */
export function isModelFault(error: unknown): error is InferError {
  return error instanceof InferError && CODES.has(error.code);
}

/** MODEL_UNSERVED: what a job is told whose model its worker cannot load; it is tried again, perhaps elsewhere. */
export function modelUnserved(why: InferError): InferError {
  return new InferError('MODEL_UNSERVED', `this worker cannot load its model: ${why.message}`, {
    hint: why.hint,
    exitCode: why.exitCode,
  });
}
