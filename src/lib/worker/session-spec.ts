import { InferError } from '../core/errors.js';
import type { Fingerprint } from '../model/fingerprint.js';
import { modelUnserved } from '../model/model-faults.js';
import type { LoadedModel, Runner } from '../model/runner.js';

/** A model that a runner shall hold, and the name its runs go by. */
export interface SessionSpec {
  model: string;
  session: string;
  /** The highest when absent. */
  version?: number | undefined;
  /** What its files must be, once some runner has loaded it. */
  expect?: Fingerprint | undefined;
}

/**
 * What becomes of a runner when one of its models does not load. `all`: it does not open. `able`: it opens
 * with the others. `first`: as `able`, and a model that takes the process with it is left out too.
 */
export type Opening = 'all' | 'able' | 'first';

/** Loads a model under its session's name. */
export function loadInto(
  runner: Runner,
  { model, session, version, expect }: SessionSpec,
): Promise<LoadedModel> {
  return runner.load(model, { session, version, expect });
}

/** A model at whose loading the process died: a crash in native code, or too little memory. */
export function endedProcess(model: string, { message, hint }: InferError): InferError {
  return new InferError('MODEL_LOAD', `model ${model} cannot be loaded: ${message}`, {
    hint: hint ?? 'infer models loads each alone; start the worker without it (--model) if it stays so',
  });
}

/** What a job is told whose model a runner's successor could not load. */
export function unserved(why: InferError): InferError {
  return why.code === 'MODEL_CHANGED' ? why : modelUnserved(why);
}
