import { closest, distance } from 'fastest-levenshtein';
import { badInput, type InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { arrange, asRow, isList, measure } from '../model/row-shape.js';
import type { ModelSignature, TensorSignature } from '../model/signature.js';
import { describe, unit, wantedShape } from '../model/value-words.js';

/** Texts for messages. They name types, shapes and fields; a value of the input is never shown. */

const NAME_MAX = 40;

/** A name found in the input, shortened and without control characters. */
export function shownName(name: string): string {
  return printable(name.length > NAME_MAX ? `${name.slice(0, NAME_MAX)}...` : name);
}

export function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !isList(value);
}

const AXES_SHOWN = 8;

/** `3, 4, 4`; the first eight of many axes. */
export function shownShape(dims: readonly (number | null)[]): string {
  const shown = dims
    .slice(0, AXES_SHOWN)
    .map((dim) => dim ?? '?')
    .join(', ');
  return dims.length > AXES_SHOWN ? `${shown}, ...` : shown;
}

/** `input 'pixels' of model digits` */
export function inputOf(input: TensorSignature, model: string): string {
  return `input '${input.name}' of model ${model}`;
}

/** A row (or shared value) whose shape does not fit. */
export function shapeError(
  value: unknown,
  input: TensorSignature,
  model: string,
  where: string | undefined,
): InferError {
  const dims = measure(value);
  const fits = asRow(dims, input.shape) !== undefined;
  const wanted = wantedShape(input);
  if (fits) {
    return badInput(
      'INPUT_RAGGED',
      `a ragged list, not ${wanted} throughout; ${inputOf(input, model)} takes ${wanted}`,
      {
        where,
        hint: 'give every inner list the same length, and no list where a value belongs',
      },
    );
  }
  const shape = input.shape.map((dim) => dim ?? '?').join(', ');
  return badInput('INPUT_SHAPE', `${describe(value)} found; ${inputOf(input, model)} takes ${wanted}`, {
    where,
    hint:
      arrange(dims, input.shape) === 'many'
        ? 'give one row here; in NDJSON every line is one row, in JSON a list of rows is many'
        : `give each row of '${input.name}' ${shape === '' ? `one bare ${unit(input)[0]}` : `as a list of shape [${shape}]`}`,
  });
}

/** The candidate closest to a misspelt name, if one is close: at most a third of it differs. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0) return undefined;
  const short = name.slice(0, NAME_MAX);
  const best = closest(short, candidates);
  return distance(short, best) <= Math.max(2, Math.floor(best.length / 3)) ? best : undefined;
}

export function inputNames(signature: ModelSignature): string {
  return signature.inputs.map((input) => `'${input.name}'`).join(', ');
}

export function tooDeep(maxDepth: number, where: string | undefined): InferError {
  return badInput('INPUT_TOO_DEEP', `lists or objects are nested more than ${maxDepth} deep`, {
    where,
    hint: 'flatten the input to the shape of the model',
  });
}
