import { closest, distance } from 'fastest-levenshtein';
import { badInput, type InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { JSON_TENSOR, type ModelSignature, type TensorSignature } from '../model/signature.js';
import { elementCount } from '../model/tensor.js';

/** Words for messages. They name types, shapes and fields; a value of the input is never shown. */

type Dims = readonly (number | null)[];

const NAME_MAX = 40;

/** A name found in the input, short enough and free of control characters. */
export function shownName(name: string): string {
  return printable(name.length > NAME_MAX ? `${name.slice(0, NAME_MAX)}...` : name);
}

export function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

export function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !isList(value);
}

/** A model whose rows are JSON values handed to its `preprocess` as text. */
export function takesJson(signature: ModelSignature): boolean {
  const input = signature.inputs[0];
  return signature.inputs.length === 1 && input?.name === JSON_TENSOR && input.type === 'string';
}

/** Lengths along the first element of each level: `[8, 8]` for 8 lists of 8. Sees no raggedness; ends at `limit`. */
export function measure(value: unknown, limit = 255): number[] {
  const dims: number[] = [];
  let at = value;
  while (isList(at) && dims.length <= limit) {
    dims.push(at.length);
    at = at[0];
  }
  return dims;
}

/** The element count of a row, or undefined when a dimension may vary. */
export function fixedCount(shape: Dims): number | undefined {
  return shape.includes(null) ? undefined : elementCount(shape as number[]);
}

function matches(dims: readonly number[], shape: Dims): boolean {
  return (
    dims.length === shape.length &&
    dims.every((dim, axis) => dim > 0 && (shape[axis] === null || shape[axis] === dim))
  );
}

/**
 * The row shape that a value of shape `dims` has as one row: the very shape, a flat list of as many
 * elements, or a bare value where a row is one element. Undefined when it is not one row.
 */
export function asRow(dims: readonly number[], shape: Dims): number[] | undefined {
  if (matches(dims, shape)) return [...dims];
  const count = fixedCount(shape);
  if (count === undefined || count === 0) return undefined;
  const flat = dims.length === 1 && dims[0] === count;
  return flat || (dims.length === 0 && count === 1) ? (shape as number[]) : undefined;
}

/** Shape decides: one row first, then rows of row shape along the first dimension. */
export function arrange(dims: readonly number[], shape: Dims): 'one' | 'many' | undefined {
  if (asRow(dims, shape) !== undefined) return 'one';
  return dims.length > 0 && asRow(dims.slice(1), shape) !== undefined ? 'many' : undefined;
}

function unit(input: TensorSignature): [one: string, more: string] {
  if (input.type === 'string') return ['text', 'texts'];
  return input.type === 'bool' ? ['true or false', 'true or false values'] : ['number', 'numbers'];
}

/** `64`, `8 x 8`, `? x 80`, `one number`. */
export function wantedShape(input: TensorSignature): string {
  const [one, more] = unit(input);
  if (input.shape.length === 0) return `one ${one}`;
  return `${input.shape.map((dim) => dim ?? '?').join(' x ')} ${more}`;
}

/** What a value is: `63 numbers`, `a list of shape 8 x 7`, `text`, `null`, `an object`. */
export function describe(value: unknown): string {
  if (!isList(value)) return describeScalar(value);
  const dims = measure(value);
  if (dims[0] === 0) return 'an empty list';
  if (dims.length > 8) return `a list nested ${dims.length} deep`;
  let leaf: unknown = value;
  for (let depth = 0; depth < dims.length; depth++) leaf = (leaf as ArrayLike<unknown>)[0];
  const noun = { number: 'number', bigint: 'number', string: 'text', boolean: 'true/false value' }[
    typeof leaf as 'number'
  ];
  if (dims.length === 1) return `${dims[0]} ${noun ?? 'value'}${dims[0] === 1 ? '' : 's'}`;
  return `a list of shape ${dims.join(' x ')}`;
}

function describeScalar(value: unknown): string {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return 'one number';
    case 'string':
      return 'text';
    case 'boolean':
      return 'true or false';
    case 'object':
      return 'an object';
    default:
      return typeof value;
  }
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

/** The candidate nearest to a misspelt name, if one is near: at most a third of it is different. */
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
