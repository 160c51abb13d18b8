import { InferError } from '../core/errors.js';
import type { Fingerprint } from '../model/fingerprint.js';
import { modelUnserved } from '../model/model-faults.js';
import type { LoadedModel, Runner } from '../model/runner.js';

/** A model that a runner should hold, and the name its runs use. */
export interface SessionSpec {
  model: string;
  session: string;
  /** The highest when omitted. */
  version?: number | undefined;
  /** What its files must be, once a runner has loaded it. */
  expect?: Fingerprint | undefined;
}

/**
 * What happens to a runner when one of its models does not load. `all`: it does not open. `able`: it opens
 * with the others. `first`: as `able`, and a model that crashes the process is left out too.
 */
export type Opening = 'all' | 'able' | 'first';

/** Loads a model under its session's name. */
export function loadInto(
  runner: Runner,
  { model, session, version, expect }: SessionSpec,
): Promise<LoadedModel> {
  return runner.load(model, { session, version, expect });
}

/** A model whose loading killed the process: a crash in native code, or too little memory. */
export function endedProcess(model: string, { message, hint }: InferError): InferError {
  return new InferError('MODEL_LOAD', `model ${model} cannot be loaded: ${message}`, {
    hint: hint ?? 'infer models loads each alone; start the worker without it (--model) if it stays so',
  });
}

/** The failure of a job whose model a replacement runner could not load. */
export function unserved(why: InferError): InferError {
  return why.code === 'MODEL_CHANGED' ? why : modelUnserved(why);
}
