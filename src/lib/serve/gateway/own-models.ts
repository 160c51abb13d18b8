import { InferError } from '../../core/errors.js';
import { parseModel } from '../../core/names.js';
import { printable } from '../../core/printable.js';
import { type Caller, UNKNOWN } from '../auth/caller.js';
import { Refusal } from '../http/refusal.js';
import type { Gateway } from './gateway.js';
import { type KnownModel, knownModels } from './known-models.js';

/* A token may be limited to models. To its caller, all other models are unknown, and no list has them. */

const LISTED = 'GET /v1/models lists the models';
/** Maximum length shown of a name that a caller sent. */
const LONGEST_NAME = 140;

type ModelsOf = Pick<Caller, 'models' | 'name'>;

/** Whether a caller may use a model, and know that it exists. @param model without a version */
export function mayUse({ models }: Pick<Caller, 'models'>, model: string): boolean {
  return models === undefined || models.includes(model);
}

/** The models that a caller may see: those that its token may use; none without a required token. */
export function modelsFor<Model extends { name: string }>(caller: Caller, known: readonly Model[]): Model[] {
  return caller === UNKNOWN ? [] : known.filter(({ name }) => mayUse(caller, name));
}

/** All models that a caller may use, by name. @throws as `knownModels`. */
export async function ownModels(
  gateway: Gateway,
  caller: Caller,
  signal: AbortSignal,
): Promise<KnownModel[]> {
  return modelsFor(caller, await knownModels(gateway, signal));
}

/** The error for a model that does not exist, or that the caller may not see. */
export function noModel(name: string): InferError {
  return new InferError('MODEL_UNKNOWN', `no model is called '${printable(name.slice(0, LONGEST_NAME))}'`, {
    hint: LISTED,
  });
}

/** @throws InferError TOKEN_MODEL (403). */
export function refuseModel({ models, name }: ModelsOf, model: string): void {
  if (mayUse({ models }, model)) return;
  throw new Refusal('TOKEN_MODEL', `token ${name} may not use this model`, {
    hint: `it may use: ${models?.join(', ')}`,
  });
}

/**
 * The model of a request. Called before anything about the model is revealed and before the input is read. If
 * the request names no model, it is the only one that the token may use.
 * @param named with or without a version; undefined if the request names none
 * @returns undefined for the only existing model
 * @throws InferError TOKEN_MODEL (403); MODEL_NEEDED (400) if the token may use several.
 */
export function ownModel(caller: ModelsOf, named: string | undefined): string | undefined {
  const { models, name } = caller;
  if (named !== undefined) refuseModel(caller, parseModel(named).model);
  if (named !== undefined || models === undefined || models.length === 1) return named ?? models?.[0];
  throw new InferError('MODEL_NEEDED', `token ${name} may use several models: ${models.join(', ')}`, {
    hint: 'name one of them as model',
  });
}

/**
 * Finds a model for a caller. The error for an unknown one lists all models, except for a token that is
 * limited to some.
 */
export async function ofOwn<T>({ models }: Pick<Caller, 'models'>, finding: Promise<T>): Promise<T> {
  try {
    return await finding;
  } catch (error) {
    const listed = error instanceof InferError && error.code === 'MODEL_UNKNOWN';
    if (models === undefined || !listed) throw error;
    throw new InferError('MODEL_UNKNOWN', error.message, { hint: LISTED });
  }
}
